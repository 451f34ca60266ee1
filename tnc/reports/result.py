"""The answer to a report query, and its three faces: JSON, CSV, and a table for a terminal."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tnc.core.fields import rfc3339
from tnc.reports.dimensions import METRICS, UNKNOWN, MetricKind
from tnc.reports.query import ResolvedQuery

Cell = str | int | float | bool | None
Row = dict[str, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """Rows hold the values of the dimensions and metrics under their names, as section 6 of the contract shows them."""

    query: ResolvedQuery
    currency: str | None  # None: no money was seen
    rows: list[Row]
    totals: Row
    notes: list[str]  # sentences: what the reader should know about these numbers

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
        writer.writerow((*self.query.by, *self.query.metrics))
        for row in self.rows:
            words = [harmless(word(row[name])) for name in self.query.by]
            numbers = [_digits(row[name]) for name in self.query.metrics]
            writer.writerow((*words, *numbers))
        return text.getvalue()

    def to_text(self) -> str:
        """A header, the totals, then the rows, in columns; whatever a terminal could obey is made visible."""
        query = self.query
        head = f"{rfc3339(query.start_ms)} to {rfc3339(query.end_ms)}, {query.timezone}, by {query.time} time"
        lines = [
            [*query.by, *query.metrics],
            [*("all" if index == 0 else "" for index in range(len(query.by))), *self._shown(self.totals)],
            *([*(visible(word(row[name])) for name in query.by), *self._shown(row)] for row in self.rows),
        ]
        money = "" if self.currency is None else f", money in {self.currency}"
        notes = [visible(note) for note in self.notes]
        return "\n".join([head + money, "", *_aligned(lines, words=len(query.by)), *([""] if notes else []), *notes])

    def _shown(self, row: Row) -> list[str]:
        return [shown(row[name], METRICS[name].kind) for name in self.query.metrics]


def word(value: Cell) -> str:
    """The value of a dimension as people group and match by it."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def shown(value: Cell, kind: MetricKind) -> str:
    """The value of a metric for a reader: money to the cent, prices to a hundredth of it, ratios in per cent."""
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
    """A number in full and without an exponent, which not every reader knows."""
    return "" if value is None else format(Decimal(repr(value)), "f")


# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); some locales of Excel calculate the
# full-width signs, U+FF0B, U+FF0D, U+FF1D and U+FF20, too.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff0b", "\uff0d", "\uff1d", "\uff20")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def harmless(text: str) -> str:
    """Text for a CSV cell: with a leading apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def visible(text: str) -> str:
    """Text for a terminal: control characters, line breaks and changes of direction as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _width(text: str) -> int:
    """Columns of a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _aligned(lines: Sequence[Sequence[str]], *, words: int) -> list[str]:
    """Cells under each other: the first `words` to the left, numbers to the right."""
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    aligned = []
    for line in lines:
        padded = [
            cell + " " * (width - _width(cell)) if index < words else " " * (width - _width(cell)) + cell
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        aligned.append("  ".join(padded).rstrip())
    return aligned
