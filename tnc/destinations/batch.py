"""From deliveries that may go to what became of them: built, allowed once more, put together, sent, judged."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date as Date
from typing import Final, NamedTuple, TypeVar

from tnc.core.clock import World
from tnc.core.errors import NotFoundError
from tnc.core.models import OPEN_STATES, Click, Configuration, ConversionChange
from tnc.core.process import yield_gil
from tnc.destinations.delivery import Delivery
from tnc.destinations.eligibility import gate
from tnc.destinations.platforms.registry import DESTINATIONS
from tnc.destinations.queue import delivery_of
from tnc.destinations.retry import EXPIRED, closed, held_back, settled
from tnc.destinations.sender import HALTING, DeliveryResult, Sender, Told
from tnc.destinations.verdict import Verdict, drop
from tnc.store.days.deliveries import DeliveryRow, Waiting
from tnc.store.days.history import ClickHistories, click_now
from tnc.store.days.writer import DayReader, DayWriter

Sealed = tuple[DeliveryRow, bytes | None]
"""A row with its sealed part, which the writer makes where there is none yet."""


def write_results(writer: DayWriter, rows: Iterable[Sealed]) -> list[Waiting]:
    """Store what became of deliveries; returns those that may go later, and those that waited for them."""
    waiting: list[Waiting] = []
    for row, sealed in rows:
        before = writer.deliveries.state(row.seq)
        if before is None or (before not in OPEN_STATES and row.state in OPEN_STATES):
            continue  # erased, or called back, while it was under way
        part = sealed or writer.deliveries.seal(row)
        if part is None:
            continue  # erased, and not yet scrubbed
        writer.deliveries.put(row, part)
        if row.state in OPEN_STATES:
            waiting.append(Waiting(seq=row.seq, destination=row.destination, next_at_ms=row.next_at_ms))
        else:
            waiting += writer.deliveries.behind(row)
    return waiting


def revive(writer: DayWriter, row: DeliveryRow, *, now_ms: int, patience_ms: int) -> DeliveryRow:
    """Send it again, whatever became of it, under the same id."""
    fresh = replace(
        row,
        state="queued",
        attempts=0,
        next_at_ms=now_ms,
        expires_at_ms=max(row.expires_at_ms, now_ms + patience_ms),
        done_at_ms=None,
    )
    writer.deliveries.change(fresh)
    return fresh


_T = TypeVar("_T")

_KEPT_MS: Final = 500
"""A day is kept open so long: whatever was claimed is still there, and what was erased is soon not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedBatch:
    """A delivery that may go now, with all that it is made from.

    `click` is by what it is called now, so that nobody is told any more of who turned out to be no person; None when
    it is gone. `is_known`: an earlier word about its conversion may be there.
    """

    row: DeliveryRow
    click: Click | None
    changes: Sequence[ConversionChange]
    is_known: bool


class DeliveryLoader:
    def __init__(self, histories: ClickHistories, world: World) -> None:
        self._histories = histories
        self._world = world
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sorting")
        self._open = ExitStack()
        self._day: tuple[Date, int, DayReader] | None = None

    async def open(self, date: Date, seqs: Sequence[int]) -> list[LoadedBatch]:
        """What was claimed, in its order; what was erased since is left out."""

        def work() -> list[LoadedBatch]:
            found = (_taken(self._reader(date), seq) for seq in yield_gil(seqs))
            return [each for each in found if each is not None]

        return await self._do(work)

    async def seal(self, date: Date, rows: Iterable[DeliveryRow]) -> list[Sealed]:
        def work() -> list[Sealed]:
            sealed = ((row, self._reader(date).deliveries.seal(row)) for row in yield_gil(rows))
            return [(row, part) for row, part in sealed if part is not None]

        return await self._do(work)

    async def _do(self, work: Callable[[], list[_T]]) -> list[_T]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except NotFoundError:
            return []  # the day is over its retention, and its deliveries with it

    def close(self) -> None:
        self._thread.submit(self._open.close).result()
        self._thread.shutdown()

    def _reader(self, date: Date) -> DayReader:
        now_ms = self._world.steady_ms()
        if self._day is not None and self._day[0] == date and now_ms < self._day[1]:
            return self._day[2]
        self._open.close()
        self._day = None
        reader = self._open.enter_context(self._histories.day(date))
        self._day = (date, now_ms + _KEPT_MS, reader)
        return reader


def _taken(reader: DayReader, seq: int) -> LoadedBatch | None:
    row = reader.deliveries.find(seq)
    if row is None:
        return None
    events = reader.events_of(row.click_seq, up_to=row.event_seq)
    changes = [each for each in events if isinstance(each, ConversionChange)]
    return LoadedBatch(
        row=row, click=click_now(reader, row.click_seq), changes=changes, is_known=_is_known(reader, row)
    )


def _is_known(reader: DayReader, row: DeliveryRow) -> bool:
    if row.seq == row.first_seq:
        return False
    earlier = (each for each in reader.deliveries.of_click(row.click_seq) if each.seq < row.seq)
    return any(each.may_be_there for each in earlier if each.first_seq == row.first_seq)


log = logging.getLogger(__name__)

LARGEST_BATCH: Final = 25
"""Deliveries in one request: more would keep visitors waiting while it is built."""

_IN_ONE_GO: Final = 8


class _Ready(NamedTuple):
    row: DeliveryRow
    delivery: Delivery


@dataclass(slots=True)
class SentBatch:
    """The rows as they are to be stored, and what the answers said of the receiver."""

    rows: list[DeliveryRow] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSender:
    """Carries what was taken for one destination. `scale` multiplies waits; `objected`: is it of somebody who wants
    no trace now, whatever he said when he clicked?
    """

    sender: Sender
    world: World
    scale: float
    objected: Callable[[Click], bool] = lambda _click: False

    async def carry(self, taken: Sequence[LoadedBatch], configuration: Configuration) -> SentBatch:
        """Once the receiver fails, what is left of the turn is not even tried: it shares the wait."""
        carried = SentBatch()
        for batch in _batches(await self._allowed(taken, configuration, carried)):
            halted = next((each for each in carried.verdicts if each.outcome in HALTING), None)
            if halted is None:
                fates = await self._send(batch)
                carried.verdicts += [fate.verdict for fate in fates]
            else:
                fates = [DeliveryResult(each.delivery, halted, Told()) for each in batch]
            carried.rows += [
                self._settled(each.row, fate.verdict, fate.told, len(batch))
                for each, fate in zip(batch, fates, strict=True)
            ]
        return carried

    def _settled(self, row: DeliveryRow, verdict: Verdict, told: Told, size: int) -> DeliveryRow:
        return settled(
            row,
            verdict,
            told,
            size=size,
            now_ms=self.world.now_ms(),
            chance=self.world.chance(),
            scale=self.scale,
        )

    async def _allowed(
        self, taken: Sequence[LoadedBatch], configuration: Configuration, carried: SentBatch
    ) -> list[_Ready]:
        now_ms, ready = self.world.now_ms(), []
        for number, each in enumerate(taken, start=1):
            if each.click is None:
                carried.rows.append(closed(each.row, "cancelled", "its click is gone", now_ms))
                continue
            if now_ms > each.row.expires_at_ms:
                carried.rows.append(closed(each.row, "dead", EXPIRED, now_ms))
                continue
            delivery = delivery_of(each.row, each.click, each.changes, configuration)
            if delivery is None:
                carried.rows.append(closed(each.row, "cancelled", "its destination is gone", now_ms))
                continue
            delivery = replace(delivery, is_known=each.is_known)
            if self.objected(each.click):
                delivery = replace(delivery, mode="none")
            why = gate(delivery, DESTINATIONS[delivery.destination.type], now_ms)
            if why is not None:
                carried.rows.append(held_back(each.row, why, now_ms))
                continue
            ready.append(_Ready(each.row, delivery))
            if number % _IN_ONE_GO == 0:
                await asyncio.sleep(0)  # visitors first
        return ready

    async def _send(self, batch: Sequence[_Ready]) -> list[DeliveryResult]:
        first = batch[0]
        platform = DESTINATIONS[first.delivery.destination.type]
        if first.row.state == "accepted":
            record = first.row.record
            verdict = await self.sender.confirm(platform, first.delivery, record.receipt or "", record.size)
            return [DeliveryResult(each.delivery, verdict, Told()) for each in batch]
        try:
            return await self.sender.deliver(platform, [each.delivery for each in batch])
        except Exception as error:  # noqa: BLE001 - one that cannot be built must not keep the others from going
            reason = type(error).__name__
            log.error("a delivery could not be built", extra={"destination": first.row.destination, "reason": reason})  # noqa: TRY400 - no values
        if len(batch) == 1:
            return [DeliveryResult(first.delivery, drop(f"could not be built: {reason}"), Told())]
        middle = len(batch) // 2
        return [*await self._send(batch[:middle]), *await self._send(batch[middle:])]


def _batches(ready: Sequence[_Ready]) -> Iterator[list[_Ready]]:
    """What goes together in one request: one lane, and the fewer the more often it failed; of what was accepted
    together, one question.
    """
    groups: dict[tuple[str, str, int], list[_Ready]] = {}
    for each in ready:
        platform = DESTINATIONS[each.delivery.destination.type]
        record = each.row.record
        if each.row.state == "accepted":
            key = ("confirm", record.receipt or "", LARGEST_BATCH)
        else:
            room = min(LARGEST_BATCH, platform.room(each.delivery.destination), record.room or LARGEST_BATCH)
            # One bad event that makes the receiver fail must not take others down with it for ever.
            key = ("send", platform.lane(each.delivery), max(1, room >> max(0, each.row.attempts - 1)))
        groups.setdefault(key, []).append(each)
    for (_, _, room), members in groups.items():
        for start in range(0, len(members), room):
            yield members[start : start + room]
