"""Day files from which clicks can be removed completely: their rows, their keys, and their bytes on disk."""

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
    """A click with its events and deliveries. Events have the numbers of the day file they were read from."""

    click: Click
    events: Sequence[tuple[int, Event]]
    deliveries: Sequence[DeliveryRow]


_PAUSE_SECONDS: Final = 0.05
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanResult:
    """`hits` could not be overwritten; `scanner` knows how much was searched."""

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
        """Raises NotFoundError when the day or its key does not exist (any more)."""
        path = self.path(date)
        if not path.exists():
            raise NotFoundError(f"there are no clicks of {date}.")
        with DayReader(path, self.keyring.open_day(self.workspace, date)) as reader:
            yield reader

    def epoch(self, date: Date) -> int | None:
        """The epoch of the day's keys; None without keys."""
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
        self, date: Date, records: Sequence[ClickRecords], calls: Sequence[tuple[ClickId | None, InboxRow]] = ()
    ) -> None:
        """Add clicks with their events and deliveries, and postbacks with the click ids in them.

        Clicks and postbacks that are there already are skipped, so that an interrupted move can be repeated.
        """

        def work(writer: DayWriter) -> None:
            for each in records:
                if writer.find(each.click.click_id) is None:
                    _add(writer, each)
            known = {_identity(row) for row in writer.inbox.newest()} if calls else set()
            for click_id, row in calls:
                if _identity(row) not in known:
                    token = None if click_id is None else writer.keys.token("click", click_id)
                    writer.inbox.add(replace(row, click=token))

        self.exclusive(lambda days: days.transact(self._day(date), work))

    def remove_clicks(
        self,
        date: Date,
        part: DayPart,
        *,
        replacement: Callable[[list[ClickAndEvents]], Sequence[ClickAndEvents]],
        save_part: Callable[[], None],
    ) -> None:
        """Replace the rows of a part by `replacement` of them, and puncture their keys.

        `save_part` makes the part durable, with the numbers and bytes that were collected, before anything is deleted:
        an interrupted removal is repeated from the part alone. New clicks wait only while the rows are replaced, and
        while the file is reopened with the remaining keys.
        """
        with self.reader(date) as reader:
            if _collect(part, reader.search):
                save_part()

        def rows(writer: DayWriter) -> None:
            if _collect(part, writer.search):  # more arrived since
                save_part()
            present = writer.search.present(part.clicks)
            writer.purge.replace(present, part.calls, replacement(writer.purge.histories(present)))

        self.exclusive(lambda days: days.transact(self._day(date), rows))
        self.keyring.puncture_day(*self._day(date), clicks=part.clicks, events=part.leaves)
        self.exclusive(lambda days: days.close_day(self._day(date)))

    def empty_wal(self, date: Date, *, patience_seconds: float) -> None:
        """Empty the write-ahead log. Raises PartlyDoneError if a reader of an older state blocks it for that long."""

        def work(days: Days) -> bool:
            emptied = days.writer(self._day(date)).purge.empty_wal()
            days.close_day(self._day(date))
            return emptied

        until = time.monotonic() + patience_seconds
        while not self.exclusive(work):
            if time.monotonic() > until:
                raise PartlyDoneError(
                    f"the keys are destroyed and the rows deleted, but another process still reads an older state of "
                    f"{date}, so their bytes cannot be overwritten yet. That is done within a minute after it ends; "
                    "stop commands like `tnc clicks --follow`, then check again."
                )
            time.sleep(_PAUSE_SECONDS)

    def overwrite_remains(
        self, date: Date, part: DayPart, values: Sequence[bytes], *, patience_seconds: float
    ) -> CleanResult:
        """Overwrite the bytes that SQLite left of the rows of a part, and any of `values`."""
        with self.reader(date) as reader:
            scanner = Scanner([*values, *part.marks, *reader.search.unused(part.tokens)])
        hits: list[Hit] = []
        for _ in range(_ROUNDS):
            self.empty_wal(date, patience_seconds=patience_seconds)
            hits = scanner.scan(self.files(date))
            if not hits:
                break
            self.exclusive(lambda days, found=hits: self._overwrite(days, date, found))  # type: ignore[misc]
        return CleanResult(hits=hits, scanner=scanner)

    def _overwrite(self, days: Days, date: Date, hits: Sequence[Hit]) -> None:
        if days.writer(self._day(date)).purge.empty_wal():
            days.close_day(self._day(date))
            path = self.path(date)
            overwrite_unused(path, (hit for hit in hits if hit.path == path))


def read_records(reader: DayReader, clicks: Sequence[int], *, now_ms: int) -> Iterator[ClickRecords]:
    """The records of these clicks, with open deliveries cancelled: they are not sent while restricted, nor later."""
    for seq in clicks:
        click = reader.click(seq)
        if click is not None:
            yield ClickRecords(
                click=click,
                events=list(zip(reader.search.events(seq), reader.events_of(seq), strict=True)),
                deliveries=[_cancelled(row, now_ms) for row in reader.deliveries.of_click(seq)],
            )


def _cancelled(row: DeliveryRow, now_ms: int) -> DeliveryRow:
    if row.state not in OPEN_STATES:
        return row
    record = msgspec.structs.replace(row.record, reason="restricted")
    return replace(row, state="cancelled", done_at_ms=now_ms, record=record)


def _add(writer: DayWriter, records: ClickRecords) -> None:
    """Add with new numbers."""
    click_seq = writer.add_click(records.click)
    events = {seq: writer.add_event(click_seq, event) for seq, event in records.events}
    first: dict[int, int] = {}
    for row in records.deliveries:
        added = writer.deliveries.add(
            replace(
                row,
                click_seq=click_seq,
                event_seq=events.get(row.event_seq, row.event_seq),
                first_seq=first.get(row.first_seq, -1),
            )
        )
        first.setdefault(row.first_seq, added.first_seq)


def _identity(row: InboxRow) -> tuple[int, bytes]:
    """What distinguishes a postback from all others."""
    return row.at_ms, msgspec.json.encode(row.call)


def _collect(part: DayPart, search: Search) -> bool:
    """Collect the numbers and bytes of all rows of a part. True when there are new ones."""
    present = search.present(part.clicks)
    before = (part.leaves, part.marks)
    part.leaves = sorted({*part.leaves, *search.leaves(present, part.calls)})
    part.marks = sorted({*part.marks, *search.marks(present, part.calls)})
    part.tokens = search.tokens(present) if present else part.tokens
    return (part.leaves, part.marks) != before
