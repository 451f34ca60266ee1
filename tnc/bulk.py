"""Conversions from a file: each line as if it had come as a call, with what became of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from typing import Any, Final

from tnc.conversions.incoming import Incoming
from tnc.conversions.table import Row, read_table
from tnc.errors import InvalidError
from tnc.house import House
from tnc.model import ClickId, Configuration, ConversionId
from tnc.recording import Recorded, Speaker, Transact, record_conversion
from tnc.store.days import DayWriter, utc_date
from tnc.world import ID_CHANCE_BYTES, id_time_ms, new_id

_LINES_AT_ONCE: Final = 250
_FROM_FILE: Final = Speaker(origin="import")
OUTCOMES: Final = ("new", "changed", "duplicate", "unmapped", "ignored", "unknown-click", "invalid")

Wanted = tuple[Row, Incoming]


@dataclass(frozen=True, slots=True)
class _UndoneError(Exception):
    """Ends a trial, so that nothing of it stays."""

    lines: list[dict[str, Any]]


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
                lines += [line for some in _portions(wanted) for line in self._store(date, some)]
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

    def _store(self, date: Date, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
        _, configuration = self._house.configuration()
        recorded: list[Recorded] = []

        def work(writer: DayWriter) -> list[dict[str, Any]]:
            recorded.clear()
            lines = [self._store_one(writer, row, said, configuration, recorded) for row, said in wanted]
            if self._dry_run:
                raise _UndoneError(lines)
            return lines

        try:
            lines = self._transact((self._house.workspace, date), work)
        except _UndoneError as undone:
            return undone.lines
        for each in recorded:
            self._converted(each)
        return lines

    def _store_one(
        self, writer: DayWriter, row: Row, said: Incoming, configuration: Configuration, recorded: list[Recorded]
    ) -> dict[str, Any]:
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
            return _said(row.line, "invalid", str(error))
        if told.outcome is None:
            return _said(row.line, "unknown-click", "No click here has this id.")
        recorded.append(told)
        after = told.outcome.after
        return _said(row.line, told.outcome.kind, told.outcome.note, None if after is None else after.conversion_id)


def _said(line: int, outcome: str, note: str | None, conversion_id: ConversionId | None = None) -> dict[str, Any]:
    return {"line": line, "outcome": outcome, "note": note, "conversion_id": conversion_id}


def _portions(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """So many at once that no visitor waits; all lines about one click stay together and in their order."""
    portion: list[Wanted] = []
    for each in sorted(wanted, key=lambda each: each[1].click_id):
        if len(portion) >= _LINES_AT_ONCE and each[1].click_id != portion[-1][1].click_id:
            yield portion
            portion = []
        portion.append(each)
    yield portion
