"""Loads claimed deliveries, sends those that may still be sent, in batches, and stores what became of them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date as Date
from typing import Final, NamedTuple, TypeVar

from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.outcome import Outcome, drop
from tnc.core.clock import World
from tnc.core.errors import NotFoundError
from tnc.core.models import OPEN_STATES, Click, Configuration, ConversionChange
from tnc.core.process import yield_gil
from tnc.destinations.eligibility import skip_reason
from tnc.destinations.enqueue import delivery_of
from tnc.destinations.retry import EXPIRED, after_request, ended, skipped
from tnc.destinations.sender import RECEIVER_FAILED, DeliveryResult, Exchange, Sender
from tnc.store.days.deliveries import DeliveryRow, OpenDelivery
from tnc.store.days.history import ClickHistories, shared_click
from tnc.store.days.writer import DayReader, DayWriter

log = logging.getLogger(__name__)

_T = TypeVar("_T")

SealedRow = tuple[DeliveryRow, bytes | None]
"""A row and its sealed record; None: the writer seals it."""


def write_results(writer: DayWriter, rows: Iterable[SealedRow]) -> list[OpenDelivery]:
    """Store what became of deliveries; returns those that are open still, and those that waited for them."""
    waiting: list[OpenDelivery] = []
    for row, sealed in rows:
        before = writer.deliveries.state(row.seq)
        if before is None or (before not in OPEN_STATES and row.state in OPEN_STATES):
            continue  # erased, or cancelled, while it was being sent
        record = sealed or writer.deliveries.seal(row)
        if record is None:
            continue  # its key is destroyed, and the row not yet deleted
        writer.deliveries.put(row, record)
        if row.state in OPEN_STATES:
            waiting.append(OpenDelivery(seq=row.seq, destination=row.destination, next_at_ms=row.next_at_ms))
        else:
            waiting += writer.deliveries.waiting_behind(row)
    return waiting


def requeue(writer: DayWriter, row: DeliveryRow, *, now_ms: int, give_up_after_ms: int) -> DeliveryRow:
    """Queue a delivery again under the same event id, whatever became of it before."""
    fresh = replace(
        row,
        state="queued",
        attempts=0,
        next_at_ms=now_ms,
        expires_at_ms=max(row.expires_at_ms, now_ms + give_up_after_ms),
        done_at_ms=None,
    )
    writer.deliveries.change(fresh)
    return fresh


_READER_KEPT_MS: Final = 500
"""How long a day's reader stays open: long enough to find what was just claimed, and so short that a click that was
erased meanwhile is soon gone here as well.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDelivery:
    """A claimed delivery and what it is made from.

    `click` has its present labels, so that nothing is sent of one that turned out to be a bot; None: it is gone.
    """

    row: DeliveryRow
    click: Click | None
    changes: Sequence[ConversionChange]
    receiver_may_know: bool


class DeliveryLoader:
    """Reads day files in a thread of its own."""

    def __init__(self, histories: ClickHistories, world: World) -> None:
        self._histories = histories
        self._world = world
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="delivery-loader")
        self._open = ExitStack()
        self._day: tuple[Date, int, DayReader] | None = None

    async def load(self, date: Date, seqs: Sequence[int]) -> list[LoadedDelivery]:
        """The deliveries of these numbers, in this order, without those that were erased meanwhile."""

        def work() -> list[LoadedDelivery]:
            found = (_load(self._reader(date), seq) for seq in yield_gil(seqs))
            return [each for each in found if each is not None]

        return await self._run(work)

    async def seal(self, date: Date, rows: Iterable[DeliveryRow]) -> list[SealedRow]:
        def work() -> list[SealedRow]:
            sealed = ((row, self._reader(date).deliveries.seal(row)) for row in yield_gil(rows))
            return [(row, record) for row, record in sealed if record is not None]

        return await self._run(work)

    async def _run(self, work: Callable[[], list[_T]]) -> list[_T]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except NotFoundError:
            return []  # the day was deleted by retention, and its deliveries with it

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
        self._day = (date, now_ms + _READER_KEPT_MS, reader)
        return reader


def _load(reader: DayReader, seq: int) -> LoadedDelivery | None:
    row = reader.deliveries.find(seq)
    if row is None:
        return None
    events = reader.events_of(row.click_seq, up_to=row.event_seq)
    return LoadedDelivery(
        row=row,
        click=shared_click(reader, row.click_seq),
        changes=[each for each in events if isinstance(each, ConversionChange)],
        receiver_may_know=_receiver_may_know(reader, row),
    )


def _receiver_may_know(reader: DayReader, row: DeliveryRow) -> bool:
    if row.seq == row.first_seq:
        return False
    earlier = (each for each in reader.deliveries.of_click(row.click_seq) if each.seq < row.seq)
    return any(each.may_have_arrived for each in earlier if each.first_seq == row.first_seq)


LARGEST_BATCH: Final = 25
"""Deliveries in one request: building a larger one would delay the answers to visitors."""

_BEFORE_A_BREAK: Final = 8
"""Deliveries that are built in a row before the event loop may answer visitors again."""


class _Sendable(NamedTuple):
    row: DeliveryRow
    delivery: Delivery


@dataclass(slots=True)
class SentBatch:
    """The rows as they are to be stored, and the outcomes of the requests."""

    rows: list[DeliveryRow] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSender:
    """Sends the loaded deliveries of one destination.

    `scale` multiplies waits. `objected` says whether a click belongs to a visitor who has opted out since.
    """

    sender: Sender
    world: World
    scale: float
    objected: Callable[[Click], bool] = lambda _click: False

    async def send(self, loaded: Sequence[LoadedDelivery], configuration: Configuration) -> SentBatch:
        """Once the receiver fails, the remaining batches are not sent and get the same outcome."""
        sent = SentBatch()
        for batch in _batches(await self._sendable(loaded, configuration, sent)):
            failed = next((each for each in sent.outcomes if each.kind in RECEIVER_FAILED), None)
            if failed is None:
                results = await self._send_batch(batch)
                sent.outcomes += [each.outcome for each in results]
            else:
                results = [DeliveryResult(each.delivery, failed, Exchange()) for each in batch]
            sent.rows += [
                self._after_request(each.row, result, len(batch)) for each, result in zip(batch, results, strict=True)
            ]
        return sent

    def _after_request(self, row: DeliveryRow, result: DeliveryResult, size: int) -> DeliveryRow:
        return after_request(
            row,
            result.outcome,
            result.exchange,
            size=size,
            now_ms=self.world.now_ms(),
            chance=self.world.random(),
            scale=self.scale,
        )

    async def _sendable(
        self, loaded: Sequence[LoadedDelivery], configuration: Configuration, sent: SentBatch
    ) -> list[_Sendable]:
        """Those that may still be sent; the rows of the others are added to `sent`."""
        now_ms, sendable = self.world.now_ms(), []
        for number, each in enumerate(loaded, start=1):
            if each.click is None:
                sent.rows.append(ended(each.row, "cancelled", "its click is gone", now_ms))
                continue
            if now_ms > each.row.expires_at_ms:
                sent.rows.append(ended(each.row, "dead", EXPIRED, now_ms))
                continue
            delivery = delivery_of(each.row, each.click, each.changes, configuration)
            if delivery is None:
                sent.rows.append(ended(each.row, "cancelled", "its destination is gone", now_ms))
                continue
            delivery = replace(delivery, receiver_may_know=each.receiver_may_know)
            if self.objected(each.click):
                delivery = replace(delivery, mode="none")
            reason = skip_reason(delivery, now_ms)
            if reason is not None:
                sent.rows.append(skipped(each.row, reason, now_ms))
                continue
            sendable.append(_Sendable(each.row, delivery))
            if number % _BEFORE_A_BREAK == 0:
                await asyncio.sleep(0)
        return sendable

    async def _send_batch(self, batch: Sequence[_Sendable]) -> list[DeliveryResult]:
        first = batch[0]
        if first.row.state == "accepted":
            record = first.row.record
            outcome = await self.sender.confirm(first.delivery, record.receipt or "", record.size)
            return [DeliveryResult(each.delivery, outcome, Exchange()) for each in batch]
        try:
            return await self.sender.deliver([each.delivery for each in batch])
        except Exception as error:  # noqa: BLE001 - one that cannot be built must not keep the others from being sent
            reason = type(error).__name__
            log.error("a delivery could not be built", extra={"destination": first.row.destination, "reason": reason})  # noqa: TRY400 - no values
        if len(batch) == 1:
            return [DeliveryResult(first.delivery, drop(f"could not be built: {reason}"), Exchange())]
        middle = len(batch) // 2
        return [*await self._send_batch(batch[:middle]), *await self._send_batch(batch[middle:])]


def _batches(sendable: Sequence[_Sendable]) -> Iterator[list[_Sendable]]:
    """What goes in one request: deliveries of one request group, fewer the more often they failed; and of those that
    were accepted together, one question.
    """
    groups: dict[tuple[str, str, int], list[_Sendable]] = {}
    for each in sendable:
        platform, record = each.delivery.platform, each.row.record
        if each.row.state == "accepted":
            key = ("confirm", record.receipt or "", LARGEST_BATCH)
        else:
            limit = min(LARGEST_BATCH, platform.batch_size(each.delivery.destination), record.room or LARGEST_BATCH)
            # Halved with each attempt: one bad event that makes the receiver fail must not hold up others for ever.
            key = ("send", platform.request_group(each.delivery), max(1, limit >> max(0, each.row.attempts - 1)))
        groups.setdefault(key, []).append(each)
    for (_, _, limit), members in groups.items():
        for start in range(0, len(members), limit):
            yield members[start : start + limit]
