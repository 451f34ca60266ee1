"""Sends every open delivery, again if need be, until it is done or given up.

In memory a waiting delivery is only its number and its due time; its row is in the day file, and results are stored
there before they count. A new conversion wakes the worker at once. Clicks come first: few deliveries are sent at a
time, with breaks for the event loop.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date as Date
from functools import partial
from itertools import count, groupby
from typing import Final, Literal, Protocol, TypeVar

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.outcome import LONGEST_WAIT_MS, Outcome
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import MINUTE_MS
from tnc.core.errors import UnavailableError
from tnc.core.models import Configuration, Destination, DestinationId, WorkspaceId
from tnc.destinations.batch import LARGEST_BATCH, BatchSender, DeliveryLoader, SealedRow, write_results
from tnc.destinations.destination_queue import BATCHED, PROMPT, DestinationQueue, QueueKey
from tnc.destinations.retry import IN_ALL
from tnc.store.days.click_log import ClickLog
from tnc.store.days.deliveries import DeliveryRow, OpenDelivery
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import DayWriter
from tnc.store.stopped import StoppedDestination, StoppedDestinations

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_LOADED_AT_ONCE: Final = 1_000
_DISK_SECONDS: Final = 1.0
_FAULT_MS: Final = MINUTE_MS
_PACE_SECONDS: Final = 0.004
"""Between two requests: requests that start together are answered together, and visitors would wait meanwhile."""

_PACE_PER_DELIVERY_SECONDS: Final = 0.0007
_STOP_SECONDS: Final = 10.0
_SEALED_BY_WRITER: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """Whether a destination is sent to; `until_ms` for `waiting`, `reason` for `stopped`."""

    state: Literal["active", "paused", "waiting", "stopped"]
    waiting: int = 0  # queued deliveries
    until_ms: int | None = None
    reason: str | None = None


class Versions(Protocol):
    """The live configuration with its version number, and earlier versions."""

    def configuration(self) -> tuple[int, Configuration]: ...

    def version(self, number: int) -> Configuration: ...


class DeliveryWorker:
    """Runs in one event loop; `ThreadsafeOutbox` is for other threads."""

    def __init__(
        self,
        *,
        workspace: WorkspaceId,
        click_log: ClickLog,
        histories: ClickHistories,
        stopped_destinations: StoppedDestinations,
        batch_sender: BatchSender,
        versions: Versions,
    ) -> None:
        self._workspace = workspace
        self._click_log = click_log
        self._histories = histories
        self._stopped_destinations = stopped_destinations
        self._batch_sender = batch_sender
        self._world = batch_sender.world
        self._loader = DeliveryLoader(histories, batch_sender.world)
        self._versions = versions
        self._queues: dict[DestinationId, DestinationQueue] = {}
        self._destinations: dict[DestinationId, Destination] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = count(1)
        self._last_turns: dict[DestinationId, int] = {}  # the number of its last request

    # -- what others call

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.configured()
        work = asyncio.create_task(self._work(), name="delivery worker")
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait([work])
            if self._tasks:  # requests under way may end; what does not is sent again after the next start
                await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.to_thread(self._loader.close)

    def add(self, date: Date, waiting: Iterable[OpenDelivery | DeliveryRow]) -> None:
        """Deliveries that were just stored as open."""
        self._add(date, waiting, self._ahead_ms())

    def _ahead_ms(self) -> int:
        """How far the steady clock is ahead of the wall clock, which times on disk are of."""
        return self._world.steady_ms() - self._world.now_ms()

    def _add(self, date: Date, waiting: Iterable[OpenDelivery | DeliveryRow], ahead_ms: int) -> None:
        for each in waiting:
            self._queue(each.destination).add(QueueKey(date, each.seq), each.next_at_ms + ahead_ms)
        self._wake.set()

    def configured(self) -> None:
        """Another configuration is live. A stopped destination whose settings were changed is resumed."""
        before, (_, configuration) = self._destinations, self._versions.configuration()
        self._destinations = all_destinations(configuration)
        for destination, queue in self._queues.items():
            if queue.breaker.stopped is not None and before.get(destination) != self._destinations.get(destination):
                self.resume(destination)
        self._wake.set()

    def resume(self, destination: DestinationId) -> None:
        """The operator has acted: send to it again."""
        queue = self._queue(destination)
        queue.breaker = queue.breaker.resumed()
        self._background(self._stopped_destinations.remove(self._workspace, destination))
        self._wake.set()

    def is_idle(self) -> bool:
        """Whether no request is under way and none could start now."""
        now_ms = self._world.steady_ms()
        due = (queue.may_start(now_ms) for each, queue in self._queues.items() if self._is_active(each))
        return not self._tasks and not any(due)

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return {each.id: self._status(each) for each in self._destinations.values()}

    def _status(self, destination: Destination) -> DestinationStatus:
        queue = self._queue(destination.id)
        if queue.breaker.stopped is not None:
            return DestinationStatus(state="stopped", waiting=len(queue), reason=queue.breaker.stopped)
        if destination.paused or destination.archived:
            return DestinationStatus(state="paused", waiting=len(queue))
        wait = queue.breaker.not_before_ms - self._world.steady_ms()
        if wait > 0:
            return DestinationStatus(state="waiting", waiting=len(queue), until_ms=self._world.now_ms() + wait)
        return DestinationStatus(state="active", waiting=len(queue))

    def _queue(self, destination: DestinationId) -> DestinationQueue:
        queue = self._queues.get(destination)
        if queue is None:
            known = self._destinations.get(destination)
            batches = known is not None and PLATFORMS[known.type].batch_limit > 1
            queue = self._queues[destination] = DestinationQueue(most=BATCHED if batches else PROMPT)
        return queue

    # -- sending

    async def _work(self) -> None:
        """After any error it starts over from the day files."""
        while True:
            try:
                await self._send_all()
            except Exception:
                log.exception("the delivery worker failed")
            await asyncio.sleep(_DISK_SECONDS)

    async def _send_all(self) -> None:
        await self._restore()
        while True:
            self._wake.clear()
            if started := self._start():
                await asyncio.sleep(max(_PACE_SECONDS, started * _PACE_PER_DELIVERY_SECONDS))
                continue
            try:
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _restore(self) -> None:
        """Queue what a previous process left open. A stopped destination stays so unless it was changed since, and a
        receiver that asked for a wait gets it.
        """
        for stop in await self._stopped_destinations.all_of(self._workspace):
            queue = self._queue(stop.destination)
            queue.breaker = queue.breaker.after(Outcome(kind="stop", reason=stop.reason), 0)
            before = all_destinations(await asyncio.to_thread(self._versions.version, stop.config_version))
            if before.get(stop.destination) != self._destinations.get(stop.destination):
                self.resume(stop.destination)
        for date in await asyncio.to_thread(self._histories.dates):
            last = -1
            while waiting := await asyncio.to_thread(self._open_of, date, last):
                if last < 0:
                    await self._durably(date, _requeue_interrupted)
                self.add(date, waiting)
                last = waiting[-1].seq
            if last >= 0:
                self._keep_waits(await asyncio.to_thread(self._waits_of, date))

    def _open_of(self, date: Date, after: int) -> list[OpenDelivery]:
        with self._histories.day(date) as reader:
            return reader.deliveries.waiting(after=after, most=_LOADED_AT_ONCE)

    def _waits_of(self, date: Date) -> Mapping[DestinationId, int]:
        with self._histories.day(date) as reader:
            return reader.deliveries.throttled_until(self._world.now_ms())

    def _keep_waits(self, until: Mapping[DestinationId, int]) -> None:
        """At most `LONGEST_WAIT_MS` each, because the wall clock may have been changed while nothing ran."""
        now_ms, steady_ms = self._world.now_ms(), self._world.steady_ms()
        for destination, until_ms in until.items():
            queue = self._queue(destination)
            queue.breaker = queue.breaker.paused_until(steady_ms + min(until_ms - now_ms, LONGEST_WAIT_MS))

    def _seconds_to_next(self) -> float | None:
        if self._under_way() >= IN_ALL:
            return None
        starts = [
            at
            for each, queue in self._queues.items()
            if self._is_active(each) and (at := queue.starts_ms()) is not None
        ]
        return max(0, min(starts) - self._world.steady_ms()) / 1000 if starts else None

    def _is_active(self, destination: DestinationId) -> bool:
        found = self._destinations.get(destination)
        return found is None or not (found.paused or found.archived)

    def _start(self) -> int:
        """Start one request, of the destination that has waited longest, so that none waits behind another's crowd.

        Returns how many deliveries were taken.
        """
        now_ms = self._world.steady_ms()
        ready = [each for each, queue in self._queues.items() if self._is_active(each) and queue.may_start(now_ms)]
        if not ready or self._under_way() >= IN_ALL:
            return 0
        destination = min(ready, key=lambda each: self._last_turns.get(each, 0))
        self._last_turns[destination] = next(self._turn)
        keys = self._queues[destination].take(now_ms, self._batch_size(destination))
        self._background(self._send(destination, keys))
        return len(keys)

    def _under_way(self) -> int:
        return sum(queue.running for queue in self._queues.values())

    def _batch_size(self, destination: DestinationId) -> int:
        found = self._destinations.get(destination)
        return 1 if found is None else min(LARGEST_BATCH, PLATFORMS[found.type].batch_size(found))

    def _background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, destination: DestinationId, keys: Sequence[QueueKey]) -> None:
        """Usually one request; more when the deliveries are of several days or request groups."""
        queue, began_ms = self._queues[destination], self._world.steady_ms()
        outcomes: list[Outcome] = []
        try:
            for date, of_date in groupby(sorted(keys), key=lambda key: key.date):
                outcomes += await self._send_day(date, [key.seq for key in of_date])
        finally:
            now_ms = self._world.steady_ms()
            queue.learn(outcomes, now_ms=now_ms, took_ms=now_ms - began_ms, scale=self._batch_sender.scale)
            self._wake.set()
        if queue.breaker.stopped is not None and any(each.kind == "stop" for each in outcomes):
            await self._stopped(destination, queue.breaker.stopped)

    async def _stopped(self, destination: DestinationId, reason: str) -> None:
        log.error("a destination was stopped", extra={"destination": destination, "reason": reason})
        version, _ = self._versions.configuration()
        stop = StoppedDestination(
            destination=destination, reason=reason, at_ms=self._world.now_ms(), config_version=version
        )
        await self._stopped_destinations.put(self._workspace, stop)

    async def _send_day(self, date: Date, seqs: Sequence[int]) -> list[Outcome]:
        if not self._histories.has(date):
            return []  # the day was deleted by retention, and its deliveries with it
        claimed = await self._durably(date, lambda writer: writer.deliveries.claim(seqs))
        try:
            loaded = await self._loader.load(date, claimed)
            sent = await self._batch_sender.send(loaded, self._versions.configuration()[1])
            ahead_ms = self._ahead_ms()  # before the wall clock can be changed
            sealed = await self._sealed(date, sent.rows)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, no delivery may stay in the state "sending"
            log.error("deliveries failed", extra={"reason": type(error).__name__})  # noqa: TRY400 - no values
            later_ms = self._world.now_ms() + _FAULT_MS
            release = partial(_release, seqs=claimed, next_at_ms=later_ms)
            self.add(date, await self._durably(date, release))
            return []
        self._add(date, await self._durably(date, partial(write_results, rows=sealed)), ahead_ms)
        return sent.outcomes

    async def _sealed(self, date: Date, rows: Sequence[DeliveryRow]) -> list[SealedRow]:
        """The writer seals few rows itself, which is sooner: a crash before they are stored sends them twice."""
        if len(rows) <= _SEALED_BY_WRITER:
            return [(row, None) for row in rows]
        return await self._loader.seal(date, rows)

    async def _durably(self, date: Date, work: Callable[[DayWriter], _T]) -> _T:
        """Run `work` in the writer's transaction, again while the disk refuses."""
        while True:
            try:
                return await self._click_log.run((self._workspace, date), work)
            except UnavailableError:
                await asyncio.sleep(_DISK_SECONDS)


def _release(writer: DayWriter, *, seqs: Sequence[int], next_at_ms: int) -> list[OpenDelivery]:
    return writer.deliveries.release(seqs, next_at_ms=next_at_ms)


def _requeue_interrupted(writer: DayWriter) -> None:
    writer.deliveries.requeue_interrupted()


class ThreadsafeOutbox:
    """The worker for other threads: a call runs in its event loop and is waited for."""

    def __init__(self, worker: DeliveryWorker, loop: asyncio.AbstractEventLoop) -> None:
        self._worker = worker
        self._loop = loop

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._run(self._worker.statuses)

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None:
        self._run(lambda: self._worker.add(date, waiting))

    def resume(self, destination: DestinationId) -> None:
        self._run(lambda: self._worker.resume(destination))

    def _run(self, call: Callable[[], _T]) -> _T:
        async def run() -> _T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()
