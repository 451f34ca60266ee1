"""Conversions from a file: one line each, under the same names as in a postback."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tnc.conversions.incoming import NAMES, STATUS_MAPS, Incoming, read_postback
from tnc.errors import InvalidError

CONVERTED_AT = "converted_at"
COLUMNS: frozenset[str] = frozenset(
    {CONVERTED_AT, "key", *STATUS_MAPS, *(name for names in NAMES.values() for name in names)}
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# How spreadsheets and careful exports keep a value from being run as a formula: ="0012", '=1+1, '-5
_GUARDED = re.compile(r'="(.*)"|\'([=+\-@\t\r].*)', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the file: what it says, or what is wrong with it."""

    line: int  # as an editor counts; the header is line 1
    incoming: Incoming | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    rows: tuple[Row, ...]
    unused_columns: tuple[str, ...]  # in the file, and unknown here


def read_table(text: str, *, now_ms: int) -> Table:
    """A CSV file with a header, separated by comma, semicolon or tab; `converted_at` may say when.

    A bad line is a Row with its problem and harms no other. InvalidError when the first line names
    no column for the click id.
    """
    lines = _lines(text.removeprefix("\ufeff"))
    _, header = next(lines, (1, []))
    columns = [column.strip().lower() for column in header] if isinstance(header, list) else []
    if not set(columns) & set(NAMES["click_id"]):
        raise InvalidError("no column for the click id: the first line must name the columns, one of them cid")
    return Table(
        rows=tuple(_row(line, columns, cells, now_ms) for line, cells in lines),
        unused_columns=tuple(column for column in columns if column and column not in COLUMNS),
    )


def _lines(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """The lines that hold something: where each begins, and its cells or why it has none."""
    head = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            yield begins, problem
            continue
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _row(line: int, columns: Sequence[str], cells: list[str] | csv.Error, now_ms: int) -> Row:
    if isinstance(cells, csv.Error):
        return Row(line=line, problem=f"not readable as CSV: {cells}")
    if len(cells) > len(columns):
        return Row(line=line, problem="more cells than columns: put quotes around a value that holds the separator")
    said = {column: _unguarded(cell) for column, cell in zip(columns, cells, strict=False)}
    try:
        incoming = read_postback(said)
        return Row(line=line, incoming=replace(incoming, converted_at_ms=_time(said.get(CONVERTED_AT, ""), now_ms)))
    except InvalidError as refusal:
        return Row(line=line, problem=str(refusal))


def _unguarded(cell: str) -> str:
    guarded = _GUARDED.fullmatch(cell.strip())
    return (guarded[1] or guarded[2] or "") if guarded else cell


def _time(text: str, now_ms: int) -> int | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidError(f"{CONVERTED_AT} is not a time: write it like 2026-11-23T14:05:06Z") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    at_ms = round((aware - _EPOCH) / timedelta(milliseconds=1))
    if not 0 <= at_ms <= now_ms:
        raise InvalidError(f"{CONVERTED_AT} lies in the future or before 1970")
    return at_ms
