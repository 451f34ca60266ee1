"""Imports conversions from CSV, with the parameter names of postbacks as columns."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as Date
from itertools import chain
from typing import Any, Final, TypeVar

from tnc.core.clock import ID_RANDOM_BYTES, id_time_ms, new_id
from tnc.core.csv_text import csv_records
from tnc.core.errors import InvalidError
from tnc.core.formats import TIMEZONE
from tnc.core.models import ClickId, Configuration, ConversionId
from tnc.core.zones import find_zone
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

# How spreadsheets and exports protect a value from being run as a formula: ="0012", '=1+1, '-5
_PROTECTED = re.compile(r'="(.*)"|\'([=+\-@\t\r].*)', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the file: its conversion, or what is wrong with it."""

    line: int  # as an editor counts; the header is line 1
    incoming: Incoming | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    rows: tuple[Row, ...]
    unused_columns: tuple[str, ...]  # in the file, with names that have no meaning here


def read_table(text: str, *, now_ms: int, zone: tzinfo = UTC) -> Table:
    """Read a CSV file with a header, spelled in any of the ways that `csv_records` knows.

    Times without a zone are in `zone`. A bad line is a Row with its problem.
    Raises InvalidError when the header has no column for the click id.
    """
    lines = csv_records(text)
    _, header = next(lines, (1, []))
    columns = [column.strip().lower() for column in header] if isinstance(header, list) else []
    if not set(columns) & set(NAMES["click_id"]):
        raise InvalidError("no column for the click id: the first line must name the columns, one of them cid")
    return Table(
        rows=tuple(_row(line, columns, cells, now_ms, zone) for line, cells in lines),
        unused_columns=tuple(column for column in columns if column and column not in COLUMNS),
    )


def _row(line: int, columns: Sequence[str], cells: list[str] | str, now_ms: int, zone: tzinfo) -> Row:
    if isinstance(cells, str):
        return Row(line=line, problem=cells)
    if len(cells) > len(columns):
        return Row(line=line, problem="more cells than columns: put quotes around a value that holds the separator")
    values = {column: _unprotected(cell) for column, cell in zip(columns, cells, strict=False)}
    try:
        incoming = read_postback(values)
        return Row(
            line=line, incoming=replace(incoming, converted_at_ms=_time(values.get(CONVERTED_AT, ""), now_ms, zone))
        )
    except InvalidError as refusal:
        return Row(line=line, problem=str(refusal))


def _unprotected(cell: str) -> str:
    protected = _PROTECTED.fullmatch(cell.strip())
    return (protected[1] or protected[2] or "") if protected else cell


def _time(text: str, now_ms: int, zone: tzinfo) -> int | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidError(f"{CONVERTED_AT} is not a time: write it like 2026-11-23T14:05:06Z") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    at_ms = round((aware - _EPOCH) / timedelta(milliseconds=1))
    if not 0 <= at_ms <= now_ms:
        raise InvalidError(f"{CONVERTED_AT} is in the future or before 1970")
    return at_ms


_T = TypeVar("_T")

_FROM_FILE: Final = Caller(origin="import")
OUTCOMES: Final = ("new", "changed", "duplicate", "unmapped", "ignored", "unknown-click", "invalid")

_Line = tuple[Row, Incoming]
_Stored = tuple[dict[str, Any], RecordedConversion | None]  # the outcome of a line as JSON, what was stored


class _UndoneError(Exception):
    """Raised to undo the writes of a dry run."""


class ConversionFile:
    """Stores the conversions of a file; with `dry_run` it only finds out the outcome of each line."""

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

    def read(self, text: str, *, timezone: str = "UTC") -> dict[str, Any]:
        """Counts and the outcome of each line as JSON. Raises InvalidError as `read_table` does."""
        if (wrong := TIMEZONE.check(timezone)) is not None:
            raise InvalidError(f"timezone {wrong}.")
        table = read_table(text, now_ms=self._workspace.world.now_ms(), zone=find_zone(timezone))
        lines = [_line_json(row.line, "invalid", row.problem) for row in table.rows if row.problem is not None]
        days: dict[Date | None, list[_Line]] = {}
        known = frozenset(self._workspace.histories.dates())
        for row in table.rows:
            if row.incoming is not None:
                days.setdefault(self._date_of(row.incoming.click_id, known), []).append((row, row.incoming))
        for date, wanted in days.items():
            if date is None:
                lines += [_line_json(row.line, "unknown-click", "No click here has this id.") for row, _ in wanted]
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

    def _store(self, date: Date, wanted: Sequence[_Line]) -> Iterator[dict[str, Any]]:
        """In a dry run the lines about one click are one group: a later one must see the writes of the earlier ones."""
        groups = _by_click(wanted) if self._dry_run else [[each] for each in wanted]
        _, configuration = self._workspace.configuration()

        def store(writer: DayWriter, group: Sequence[_Line]) -> list[_Stored]:
            def work(writer: DayWriter) -> list[_Stored]:
                return [self._store_one(writer, row, incoming, configuration) for row, incoming in group]

            return _undone(writer, work) if self._dry_run else work(writer)

        day = (self._workspace.id, date)
        for portion in in_portions(self._writer, day, groups, store, world=self._workspace.world):
            for line, recorded in chain.from_iterable(portion):
                if recorded is not None and not self._dry_run:
                    self._listener.converted(recorded)
                yield line

    def _store_one(self, writer: DayWriter, row: Row, incoming: Incoming, configuration: Configuration) -> _Stored:
        world = self._workspace.world
        now_ms = world.now_ms()
        try:
            recorded = record_conversion(
                writer,
                incoming,
                configuration=configuration,
                caller=_FROM_FILE,
                now_ms=now_ms,
                new_id=lambda: ConversionId(new_id(now_ms, world.token(ID_RANDOM_BYTES))),
            )
        except InvalidError as error:
            return _line_json(row.line, "invalid", str(error)), None
        if recorded.outcome is None:
            return _line_json(row.line, "unknown-click", "No click here has this id."), None
        after = recorded.outcome.after
        conversion_id = None if after is None else after.conversion_id
        return _line_json(row.line, recorded.outcome.kind, recorded.outcome.note, conversion_id), recorded


def _line_json(line: int, outcome: str, note: str | None, conversion_id: ConversionId | None = None) -> dict[str, Any]:
    return {"line": line, "outcome": outcome, "note": note, "conversion_id": conversion_id}


def _by_click(wanted: Sequence[_Line]) -> list[list[_Line]]:
    """The lines of each click, in their order."""
    found: dict[ClickId, list[_Line]] = {}
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
        writer.in_savepoint(tried)
    return results[0]
