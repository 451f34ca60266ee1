"""Conversions from a file: each line as if it had come as a call, with what became of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from itertools import chain
from typing import Any, Final, TypeVar

from tnc.conversions.incoming import Incoming
from tnc.conversions.table import Row, read_table
from tnc.errors import InvalidError
from tnc.house import House
from tnc.model import ClickId, Configuration, ConversionId
from tnc.recording import Recorded, Speaker, Transact, in_portions, record_conversion
from tnc.store.clicklog import Day
from tnc.store.days import DayWriter, utc_date
from tnc.world import ID_CHANCE_BYTES, id_time_ms, new_id

_T = TypeVar("_T")

_FROM_FILE: Final = Speaker(origin="import")
OUTCOMES: Final = ("new", "changed", "duplicate", "unmapped", "ignored", "unknown-click", "invalid")

Wanted = tuple[Row, Incoming]
_Stored = tuple[dict[str, Any], Recorded | None]  # what is said of a line, and what it came to


class _UndoneError(Exception):
    """Ends a trial, so that nothing of it stays."""


class ConversionFile:
    """Reads lines into a house. `dry_run`: says what would become of them, and stores nothing."""

    def __init__(
        self, house: House, transact: Transact, *, converted: Callable[[Recorded], None], dry_run: bool
    ) -> None:
        self._house = house
        self._transact = transact
        self._converted = converted
        self._dry_run = dry_run

    def read(self, text: str) -> dict[str, Any]:
        """Raises InvalidError when the first line names no column for the click id."""
        table = read_table(text, now_ms=self._house.world.now_ms())
        lines = [_said(row.line, "invalid", row.problem) for row in table.rows if row.problem is not None]
        days: dict[Date | None, list[Wanted]] = {}
        known = frozenset(self._house.stories.dates())
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
        return self._house.stories.date_of(click_id)

    def _store(self, date: Date, wanted: Sequence[Wanted]) -> Iterator[dict[str, Any]]:
        """For a trial the lines about one click stay together: a later one must know what an earlier one said."""
        groups = _by_click(wanted) if self._dry_run else [[each] for each in wanted]
        _, configuration = self._house.configuration()

        def store(writer: DayWriter, group: Sequence[Wanted]) -> list[_Stored]:
            return [self._store_one(writer, row, said, configuration) for row, said in group]

        transact = _undoing(self._transact) if self._dry_run else self._transact
        day = (self._house.workspace, date)
        for portion in in_portions(transact, day, groups, store, world=self._house.world):
            for line, recorded in chain.from_iterable(portion):
                if recorded is not None and not self._dry_run:
                    self._converted(recorded)
                yield line

    def _store_one(self, writer: DayWriter, row: Row, said: Incoming, configuration: Configuration) -> _Stored:
        world = self._house.world
        now_ms = world.now_ms()
        try:
            told = record_conversion(
                writer,
                said,
                configuration=configuration,
                speaker=_FROM_FILE,
                now_ms=now_ms,
                new_id=lambda: ConversionId(new_id(now_ms, world.token(ID_CHANCE_BYTES))),
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


def _undoing(transact: Transact) -> Transact:
    """Lends the writer, and leaves nothing of what was done with it."""

    def undo(day: Day, work: Callable[[DayWriter], _T]) -> _T:
        given: list[_T] = []

        def tried(writer: DayWriter) -> None:
            given[:] = [work(writer)]
            raise _UndoneError

        with suppress(_UndoneError):
            transact(day, tried)
        return given[0]

    return undo
