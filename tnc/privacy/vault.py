"""A set of day files from which clicks can be taken so that nothing of them stays: rows, keys and bytes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date as Date
from pathlib import Path
from typing import Final

import msgspec

from tnc.core.errors import NotFoundError, PartlyDoneError
from tnc.core.models import OPEN_STATES, Click, ClickId, Event, WorkspaceId
from tnc.privacy.byte_scan import Hit, Scanner
from tnc.privacy.journal import DayPart
from tnc.privacy.overwrite import overwrite_unused
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.files import Day, Days
from tnc.store.days.inbox import InboxRow
from tnc.store.days.search import Search
from tnc.store.days.transactions import Exclusive
from tnc.store.days.writer import DayReader, DayWriter, all_dates, day_path
from tnc.store.keys.keyring import Keyring

ClickAndEvents = tuple[Click, list[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickRecords:
    """A click with all that is told of it; numbers are those of the day it was read from."""

    click: Click
    events: Sequence[tuple[int, Event]]
    deliveries: Sequence[DeliveryRow]


_PAUSE_SECONDS: Final = 0.05
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanResult:
    """What could not be overwritten, and how much was looked through."""

    hits: Sequence[Hit]
    scanner: Scanner


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The day files of a workspace below `folder`, with their keys."""

    folder: Path
    keyring: Keyring
    workspace: WorkspaceId
    exclusive: Exclusive

    def dates(self) -> list[Date]:
        return all_dates(self.folder, self.workspace)

    @contextmanager
    def reader(self, date: Date) -> Iterator[DayReader]:
        """Raises NotFoundError when there is no such day, or no key for it any more."""
        path = self.path(date)
        if not path.exists():
            raise NotFoundError(f"there are no clicks of {date}.")
        with DayReader(path, self.keyring.open_day(self.workspace, date)) as reader:
            yield reader

    def epoch(self, date: Date) -> int | None:
        """Of the day's keys; None when it has none (any more)."""
        return self.keyring.epoch(self.workspace, date)

    def path(self, date: Date) -> Path:
        return day_path(self.folder, self.workspace, date)

    def files(self, date: Date) -> list[Path]:
        """The day file and its write-ahead log."""
        path = self.path(date)
        return [each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()]

    def _day(self, date: Date) -> Day:
        return self.workspace, date

    def insert(
        self, date: Date, wholes: Sequence[ClickRecords], calls: Sequence[tuple[ClickId | None, InboxRow]] = ()
    ) -> None:
        """Add clicks with what is told of them, and postbacks with the click ids that they named.

        What is there already is not added again: all of it came in one transaction.
        """

        def work(writer: DayWriter) -> None:
            for whole in wholes:
                if writer.find(whole.click.click_id) is None:
                    _add(writer, whole)
            there = {_said(row) for row in writer.inbox.newest()} if calls else set()
            for click_id, row in calls:
                if _said(row) not in there:
                    token = None if click_id is None else writer.keys.token("click", click_id)
                    writer.inbox.add(replace(row, click=token))

        self.exclusive(lambda days: days.transact(self._day(date), work))

    def remove_clicks(
        self,
        date: Date,
        part: DayPart,
        *,
        left: Callable[[list[ClickAndEvents]], Sequence[ClickAndEvents]],
        save_part: Callable[[], None],
    ) -> None:
        """Replace the rows of a part by what is left of them, and puncture their keys.

        `save_part` makes the part durable, with the numbers and bytes that were found, before anything
        is lost: what is interrupted after it can be done again from the part alone. Clicks wait only for the
        rows, and then while the file is opened with the keys that are left.
        """
        with self.reader(date) as reader:
            if _note(part, reader.search):
                save_part()

        def rows(writer: DayWriter) -> None:
            if _note(part, writer.search):  # something came since
                save_part()
            there = writer.search.present(part.clicks)
            writer.purge.replace(there, part.calls, left(writer.purge.histories(there)))

        self.exclusive(lambda days: days.transact(self._day(date), rows))
        self.keyring.puncture_day(*self._day(date), clicks=part.clicks, events=part.leaves)
        self.exclusive(lambda days: days.discard(self._day(date)))

    def empty_wal(self, date: Date, *, patience_seconds: float) -> None:
        """Empty the write-ahead log. Raises PartlyDoneError when somebody reads an older state for longer than that."""

        def work(days: Days) -> bool:
            settled = days.writer(self._day(date)).purge.settle()
            days.discard(self._day(date))
            return settled

        until = time.monotonic() + patience_seconds
        while not self.exclusive(work):
            if time.monotonic() > until:
                raise PartlyDoneError(
                    f"the keys are destroyed and the rows deleted, but somebody still reads an older state of {date}, "
                    "so their bytes cannot be overwritten yet. It is done within a minute after he stops; end commands "
                    "like `tnc clicks --follow`, then look again."
                )
            time.sleep(_PAUSE_SECONDS)

    def overwrite_remains(
        self, date: Date, part: DayPart, values: Sequence[bytes], *, patience_seconds: float
    ) -> CleanResult:
        """Overwrite what SQLite left of the rows of a part; `values` are looked for as well."""
        with self.reader(date) as reader:
            scanner = Scanner([*values, *part.marks, *reader.search.unused(part.tokens)])
        hits: list[Hit] = []
        for _ in range(_ROUNDS):
            self.empty_wal(date, patience_seconds=patience_seconds)
            hits = scanner.scan(self.files(date))
            if not hits:
                break
            self.exclusive(lambda days, found=hits: self._scrub(days, date, found))  # type: ignore[misc]
        return CleanResult(hits=hits, scanner=scanner)

    def _scrub(self, days: Days, date: Date, hits: Sequence[Hit]) -> None:
        if days.writer(self._day(date)).purge.settle():
            days.discard(self._day(date))
            path = self.path(date)
            overwrite_unused(path, (hit for hit in hits if hit.path == path))


def read_records(reader: DayReader, clicks: Sequence[int], *, now_ms: int) -> Iterator[ClickRecords]:
    """Nothing of them goes out any more: neither from where they are restricted, nor when that is lifted."""
    for seq in clicks:
        click = reader.click(seq)
        if click is not None:
            yield ClickRecords(
                click=click,
                events=list(zip(reader.search.events(seq), reader.events_of(seq), strict=True)),
                deliveries=[_held_back(row, now_ms) for row in reader.deliveries.of_click(seq)],
            )


def _held_back(row: DeliveryRow, now_ms: int) -> DeliveryRow:
    if row.state not in OPEN_STATES:
        return row
    record = msgspec.structs.replace(row.record, reason="restricted")
    return replace(row, state="cancelled", done_at_ms=now_ms, record=record)


def _add(writer: DayWriter, whole: ClickRecords) -> None:
    """With new numbers throughout."""
    click_seq = writer.add_click(whole.click)
    events = {seq: writer.add_event(click_seq, event) for seq, event in whole.events}
    first: dict[int, int] = {}
    for row in whole.deliveries:
        added = writer.deliveries.add(
            replace(
                row,
                click_seq=click_seq,
                event_seq=events.get(row.event_seq, row.event_seq),
                first_seq=first.get(row.first_seq, -1),
            )
        )
        first.setdefault(row.first_seq, added.first_seq)


def _said(row: InboxRow) -> tuple[int, bytes]:
    """By which a postback is told from others."""
    return row.at_ms, msgspec.json.encode(row.call)


def _note(part: DayPart, search: Search) -> bool:
    """Note what tells of the clicks of a part; whether that is news."""
    there = search.present(part.clicks)
    before = (part.leaves, part.marks)
    part.leaves = sorted({*part.leaves, *search.leaves(there, part.calls)})
    part.marks = sorted({*part.marks, *search.marks(there, part.calls)})
    part.tokens = search.tokens(there) if there else part.tokens
    return (part.leaves, part.marks) != before
