"""The result of a report query, as JSON, as CSV, and as a table for a terminal."""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tnc.core.fields import rfc3339
from tnc.reports.dimensions import METRICS, UNKNOWN, MetricKind
from tnc.reports.query import ResolvedQuery

Cell = str | int | float | bool | None
Row = dict[str, Any]  # a Cell under each name of a dimension or metric; `UNCONVERTED` beside them
UNCONVERTED: Final = "unconverted"  # [{"metric", "currency", "amount", "count"}], only where there are some


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """`rows` and `totals` hold values under the names of dimensions and metrics; money is in whole units."""

    query: ResolvedQuery
    currency: str | None  # None: there are no amounts
    rows: list[Row]
    totals: Row
    notes: list[str]  # sentences that limit what the numbers mean

    def to_json(self) -> dict[str, Any]:
        query = self.query
        return {
            "from": rfc3339(query.start_ms),
            "to": rfc3339(query.end_ms),
            "timezone": query.timezone,
            "currency": self.currency,
            "time": query.time,
            "by": list(query.by),
            "rows": self.rows,
            "totals": self.totals,
            "notes": self.notes,
        }

    def to_csv(self) -> str:
        """One header line, then the rows. No cell can become a formula in a spreadsheet."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        beside = [UNCONVERTED] if UNCONVERTED in self.totals else []
        writer.writerow((*self.query.by, *self.query.metrics, *beside))
        for row in self.rows:
            labels = [spreadsheet_safe(dimension_text(row[name])) for name in self.query.by]
            numbers = [_digits(row[name]) for name in self.query.metrics]
            amounts = [_unconverted_cell(row) for _ in beside]
            writer.writerow((*labels, *numbers, *amounts))
        return text.getvalue()

    def to_text(self) -> str:
        """A header, the totals, then the rows, in columns; control characters are escaped."""
        query = self.query
        head = f"{rfc3339(query.start_ms)} to {rfc3339(query.end_ms)}, {query.timezone}, by {query.time} time"
        beside = [UNCONVERTED] if UNCONVERTED in self.totals else []
        lines = [
            [*query.by, *query.metrics, *beside],
            [*("all" if index == 0 else "" for index in range(len(query.by))), *self._metric_cells(self.totals)],
            *([*self._label_cells(row), *self._metric_cells(row)] for row in self.rows),
        ]
        money = "" if self.currency is None else f", money in {self.currency}"
        notes = [terminal_safe(note) for note in self.notes]
        return "\n".join([head + money, "", *_aligned(lines, labels=len(query.by)), *([""] if notes else []), *notes])

    def _label_cells(self, row: Row) -> list[str]:
        return [terminal_safe(dimension_text(row[name])) for name in self.query.by]

    def _metric_cells(self, row: Row) -> list[str]:
        numbers = [metric_text(row[name], METRICS[name].kind) for name in self.query.metrics]
        return [*numbers, *([_unconverted_cell(row)] if UNCONVERTED in self.totals else [])]


def unconverted_text(amount: Mapping[str, Any]) -> str:
    """`+ 36.00 EUR (3 amounts)`"""
    count = amount["count"]
    return f"+ {amount['amount']:.2f} {amount['currency']} ({count} {'amount' if count == 1 else 'amounts'})"


def _unconverted_cell(row: Row) -> str:
    return "; ".join(f"{each['metric']} {unconverted_text(each)}" for each in row.get(UNCONVERTED, ()))


def dimension_text(value: Cell) -> str:
    """The value of a dimension as filters write it."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def metric_text(value: Cell, kind: MetricKind) -> str:
    """The value of a metric in a table: money with 2 decimals, prices with 4, ratios in per cent."""
    if value is None:
        return "-"
    match kind:
        case "count":
            return str(value)
        case "money":
            return f"{value:.2f}"
        case "price":
            return f"{value:.4f}"
        case "ratio":
            return f"{value:.2%}"


def _digits(value: Cell) -> str:
    """A number in full and without an exponent, which some CSV readers do not know."""
    return "" if value is None else format(Decimal(repr(value)), "f")


# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); some locales of Excel calculate the
# full-width signs, U+FF0B, U+FF0D, U+FF1D and U+FF20, too.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff0b", "\uff0d", "\uff1d", "\uff20")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def spreadsheet_safe(text: str) -> str:
    """Text for a CSV cell, with a leading apostrophe where a spreadsheet would read a formula."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def terminal_safe(text: str) -> str:
    """Text for a terminal, with control characters, line breaks and bidirectional marks as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _aligned(lines: Sequence[Sequence[str]], *, labels: int) -> list[str]:
    """Pad the cells of each column to the same width: the first `labels` columns left, numbers right."""
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    aligned = []
    for line in lines:
        padded = [
            cell + " " * (width - _width(cell)) if index < labels else " " * (width - _width(cell)) + cell
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        aligned.append("  ".join(padded).rstrip())
    return aligned
