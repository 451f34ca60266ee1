"""Conversions from a file: one line each, under the same names as in a postback."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from itertools import chain
from typing import Any, Final, TypeVar

from tnc.core.clock import ID_RANDOM_BYTES, id_time_ms, new_id
from tnc.core.errors import InvalidError
from tnc.core.models import ClickId, Configuration, ConversionId
from tnc.store.days.transactions import Writer, in_portions
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.postback import NAMES, STATUS_MAPS, Incoming, read_postback
from tnc.tracking.conversions.record import Caller, RecordedConversion, record_conversion
from tnc.tracking.listener import Listener

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


_T = TypeVar("_T")

_FROM_FILE: Final = Caller(origin="import")
OUTCOMES: Final = ("new", "changed", "duplicate", "unmapped", "ignored", "unknown-click", "invalid")

Wanted = tuple[Row, Incoming]
_Stored = tuple[dict[str, Any], RecordedConversion | None]  # what is said of a line, and what it came to


class _UndoneError(Exception):
    """Ends a trial, so that nothing of it stays."""


class ConversionFile:
    """Reads lines into a house. `dry_run`: says what would become of them, and stores nothing."""

    def __init__(
        self,
        workspace: Workspace,
        writer: Writer,
        listener: Listener,
        *,
        dry_run: bool,
    ) -> None:
        self._workspace = workspace
        self._writer = writer
        self._listener = listener
        self._dry_run = dry_run

    def read(self, text: str) -> dict[str, Any]:
        """Raises InvalidError when the first line names no column for the click id."""
        table = read_table(text, now_ms=self._workspace.world.now_ms())
        lines = [_said(row.line, "invalid", row.problem) for row in table.rows if row.problem is not None]
        days: dict[Date | None, list[Wanted]] = {}
        known = frozenset(self._workspace.histories.dates())
        for row in table.rows:
            if row.incoming is not None:
                days.setdefault(self._date_of(row.incoming.click_id, known), []).append((row, row.incoming))
        for date, wanted in days.items():
            if date is None:
                lines += [_said(row.line, "unknown-click", "No click here has this id.") for row, _ in wanted]
            else:
                lines += self._store(date, wanted)
        counts = Counter(line["outcome"] for line in lines)
        return {
            "dry_run": self._dry_run,
            "read": len(table.rows),
            **{outcome: counts[outcome] for outcome in OUTCOMES},
            "unused_columns": list(table.unused_columns),
            "lines": sorted(lines, key=lambda line: line["line"]),
        }

    def _date_of(self, click_id: ClickId, known: frozenset[Date]) -> Date | None:
        time_ms = id_time_ms(click_id)
        if time_ms is not None and (own := utc_date(time_ms)) in known:
            return own
        return self._workspace.histories.date_of(click_id)

    def _store(self, date: Date, wanted: Sequence[Wanted]) -> Iterator[dict[str, Any]]:
        """For a trial the lines about one click stay together: a later one must know what an earlier one said."""
        groups = _by_click(wanted) if self._dry_run else [[each] for each in wanted]
        _, configuration = self._workspace.configuration()

        def store(writer: DayWriter, group: Sequence[Wanted]) -> list[_Stored]:
            def work(writer: DayWriter) -> list[_Stored]:
                return [self._store_one(writer, row, said, configuration) for row, said in group]

            return _undone(writer, work) if self._dry_run else work(writer)

        day = (self._workspace.id, date)
        for portion in in_portions(self._writer, day, groups, store, world=self._workspace.world):
            for line, recorded in chain.from_iterable(portion):
                if recorded is not None and not self._dry_run:
                    self._listener.converted(recorded)
                yield line

    def _store_one(self, writer: DayWriter, row: Row, said: Incoming, configuration: Configuration) -> _Stored:
        world = self._workspace.world
        now_ms = world.now_ms()
        try:
            told = record_conversion(
                writer,
                said,
                configuration=configuration,
                caller=_FROM_FILE,
                now_ms=now_ms,
                new_id=lambda: ConversionId(new_id(now_ms, world.token(ID_RANDOM_BYTES))),
            )
        except InvalidError as error:
            return _said(row.line, "invalid", str(error)), None
        if told.outcome is None:
            return _said(row.line, "unknown-click", "No click here has this id."), None
        after = told.outcome.after
        conversion_id = None if after is None else after.conversion_id
        return _said(row.line, told.outcome.kind, told.outcome.note, conversion_id), told


def _said(line: int, outcome: str, note: str | None, conversion_id: ConversionId | None = None) -> dict[str, Any]:
    return {"line": line, "outcome": outcome, "note": note, "conversion_id": conversion_id}


def _by_click(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """The lines about each click, in their order."""
    found: dict[ClickId, list[Wanted]] = {}
    for each in wanted:
        found.setdefault(each[1].click_id, []).append(each)
    return list(found.values())


def _undone(writer: DayWriter, work: Callable[[DayWriter], _T]) -> _T:
    """Do `work` within the open transaction, and undo what it wrote."""
    results: list[_T] = []

    def tried(writer: DayWriter) -> None:
        results.append(work(writer))
        raise _UndoneError

    with suppress(_UndoneError):
        writer.apart(tried)
    return results[0]
