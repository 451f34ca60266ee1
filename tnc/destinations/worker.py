"""The outbox at work: every open delivery goes to its receiver, again if need be, until it is through or given up.

What waits is known in memory by its place and time alone; what becomes of it is durable before it counts. A
conversion wakes the outbox at once. Deliveries give way to clicks: few at a time, and the loop is let go between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date as Date
from functools import partial
from itertools import count, groupby
from typing import Any, Final, Literal, Protocol, TypeVar

from tnc.campaigns.destination_schema import all_destinations
from tnc.core.clock import MINUTE_MS
from tnc.core.errors import UnavailableError
from tnc.core.models import Configuration, Destination, DestinationId, WorkspaceId
from tnc.destinations.batch import LARGEST_BATCH, BatchSender, DeliveryLoader, Sealed, write_results
from tnc.destinations.line import BATCHED, PROMPT, DestinationQueue, QueueKey
from tnc.destinations.platforms.registry import DESTINATIONS
from tnc.destinations.retry import IN_ALL
from tnc.destinations.verdict import LONGEST_WAIT_MS, Verdict
from tnc.store.days.click_log import ClickLog
from tnc.store.days.deliveries import DeliveryRow, Waiting
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import DayWriter
from tnc.store.stopped import StoppedDestination, StoppedDestinations

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_TAKEN_UP_AT_ONCE: Final = 1_000
_DISK_SECONDS: Final = 1.0
_FAULT_MS: Final = MINUTE_MS
_PACE_SECONDS: Final = 0.004
"""Between two requests: what begins together would come back together, and visitors would wait for all of it."""

_PACE_OF_EACH_SECONDS: Final = 0.0007
_STOP_SECONDS: Final = 10.0
_SEALED_BY_WRITER: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """How a destination stands, and in words: until when it waits, or why it is stopped."""

    state: Literal["active", "paused", "waiting", "stopped"]
    waiting: int = 0  # deliveries in line
    until_ms: int | None = None
    reason: str | None = None


class Versions(Protocol):
    """The configuration that is live, with its number, and those that were."""

    def configuration(self) -> tuple[int, Configuration]: ...

    def version(self, number: int) -> Configuration: ...


class DeliveryWorker:
    """Belongs to one loop."""

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
        self._clicklog = click_log
        self._histories = histories
        self._stopped_destinations = stopped_destinations
        self._batch_sender = batch_sender
        self._world = batch_sender.world
        self._sorting = DeliveryLoader(histories, batch_sender.world)
        self._versions = versions
        self._lines: dict[DestinationId, DestinationQueue] = {}
        self._destinations: dict[DestinationId, Destination] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = count(1)
        self._turns: dict[DestinationId, int] = {}  # when each was served last

    # -- from outside

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.configured()
        work = asyncio.create_task(self._work(), name="outbox")
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait([work])
            if self._tasks:  # what is under way may end; what does not goes again after the next start
                await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.to_thread(self._sorting.close)

    def add(self, date: Date, waiting: Iterable[Waiting | DeliveryRow]) -> None:
        """Deliveries that were just stored, or stored as open again."""
        self._add(date, waiting, self._ahead_ms())

    def _ahead_ms(self) -> int:
        """How far the clock that never jumps is ahead of the one on the wall, which times on disk are of."""
        return self._world.steady_ms() - self._world.now_ms()

    def _add(self, date: Date, waiting: Iterable[Waiting | DeliveryRow], ahead_ms: int) -> None:
        for each in waiting:
            self._line(each.destination).add(QueueKey(date, each.seq), each.next_at_ms + ahead_ms)
        self._wake.set()

    def configured(self) -> None:
        """Another configuration is live. What was stopped goes again where its destination was changed."""
        before, (_, configuration) = self._destinations, self._versions.configuration()
        self._destinations = all_destinations(configuration)
        for destination, line in self._lines.items():
            if line.breaker.stopped is not None and before.get(destination) != self._destinations.get(destination):
                self.resume(destination)
        self._wake.set()

    def resume(self, destination: DestinationId) -> None:
        """The operator acted: everything goes again."""
        line = self._line(destination)
        line.breaker = line.breaker.resumed()
        self._background(asyncio.to_thread(self._stopped_destinations.remove, self._workspace, destination))
        self._wake.set()

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return {each.id: self._standing(each) for each in self._destinations.values()}

    def _standing(self, destination: Destination) -> DestinationStatus:
        line = self._line(destination.id)
        if line.breaker.stopped is not None:
            return DestinationStatus(state="stopped", waiting=len(line), reason=line.breaker.stopped)
        if destination.paused or destination.archived:
            return DestinationStatus(state="paused", waiting=len(line))
        wait = line.breaker.not_before_ms - self._world.steady_ms()
        if wait > 0:
            return DestinationStatus(state="waiting", waiting=len(line), until_ms=self._world.now_ms() + wait)
        return DestinationStatus(state="active", waiting=len(line))

    def _line(self, destination: DestinationId) -> DestinationQueue:
        line = self._lines.get(destination)
        if line is None:
            known = self._destinations.get(destination)
            many = known is not None and DESTINATIONS[known.type].batch > 1
            line = self._lines[destination] = DestinationQueue(most=BATCHED if many else PROMPT)
        return line

    # -- at work

    async def _work(self) -> None:
        """Whatever is wrong with us, it begins again: what is open is on disk."""
        while True:
            try:
                await self._work_off()
            except Exception:
                log.exception("the outbox failed")
            await asyncio.sleep(_DISK_SECONDS)

    async def _work_off(self) -> None:
        await self._take_up()
        while True:
            self._wake.clear()
            if started := self._start():
                await asyncio.sleep(max(_PACE_SECONDS, started * _PACE_OF_EACH_SECONDS))
                continue
            try:
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _take_up(self) -> None:
        """What was left open: every lease is void, what was stopped stays so unless it was changed since, and whoever
        asked for a wait has it.
        """
        for stop in await asyncio.to_thread(self._stopped_destinations.all_of, self._workspace):
            line = self._line(stop.destination)
            line.breaker = line.breaker.after(Verdict(outcome="stop", reason=stop.reason), 0)
            before = all_destinations(await asyncio.to_thread(self._versions.version, stop.config_version))
            if before.get(stop.destination) != self._destinations.get(stop.destination):
                self.resume(stop.destination)
        for date in await asyncio.to_thread(self._histories.dates):
            last = -1
            while waiting := await asyncio.to_thread(self._open_of, date, last):
                if last < 0:
                    await self._durably(date, _void_leases)
                self.add(date, waiting)
                last = waiting[-1].seq
            if last >= 0:
                self._leave_alone(await asyncio.to_thread(self._left_alone_of, date))

    def _open_of(self, date: Date, after: int) -> list[Waiting]:
        with self._histories.day(date) as reader:
            return reader.deliveries.waiting(after=after, most=_TAKEN_UP_AT_ONCE)

    def _left_alone_of(self, date: Date) -> Mapping[DestinationId, int]:
        with self._histories.day(date) as reader:
            return reader.deliveries.left_alone(self._world.now_ms())

    def _leave_alone(self, until: Mapping[DestinationId, int]) -> None:
        """No clock that jumped while nothing ran makes a wait longer than one may be."""
        now_ms, steady_ms = self._world.now_ms(), self._world.steady_ms()
        for destination, until_ms in until.items():
            line = self._line(destination)
            line.breaker = line.breaker.left_alone(steady_ms + min(until_ms - now_ms, LONGEST_WAIT_MS))

    def _seconds_to_next(self) -> float | None:
        if self._under_way() >= IN_ALL:
            return None
        starts = [at for of, line in self._lines.items() if self._goes(of) and (at := line.starts_ms()) is not None]
        return max(0, min(starts) - self._world.steady_ms()) / 1000 if starts else None

    def _goes(self, destination: DestinationId) -> bool:
        found = self._destinations.get(destination)
        return found is None or not (found.paused or found.archived)

    def _start(self) -> int:
        """One request, of the destination whose turn it is: nobody waits behind somebody else's crowd.

        Returns how many deliveries it may carry.
        """
        now_ms = self._world.steady_ms()
        ready = [of for of, line in self._lines.items() if self._goes(of) and line.may_start(now_ms)]
        if not ready or self._under_way() >= IN_ALL:
            return 0
        of = min(ready, key=lambda each: self._turns.get(each, 0))
        self._turns[of] = next(self._turn)
        places = self._lines[of].take(now_ms, self._room(of))
        self._background(self._carry(of, places))
        return len(places)

    def _under_way(self) -> int:
        return sum(line.running for line in self._lines.values())

    def _room(self, of: DestinationId) -> int:
        found = self._destinations.get(of)
        return 1 if found is None else min(LARGEST_BATCH, DESTINATIONS[found.type].room(found))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, of: DestinationId, places: Sequence[QueueKey]) -> None:
        """One turn of a destination: usually one request."""
        line, began_ms = self._lines[of], self._world.steady_ms()
        verdicts: list[Verdict] = []
        try:
            for date, those in groupby(sorted(places), key=lambda place: place.date):
                verdicts += await self._carry_day(date, [place.seq for place in those])
        finally:
            now_ms = self._world.steady_ms()
            line.learn(verdicts, now_ms=now_ms, took_ms=now_ms - began_ms, scale=self._batch_sender.scale)
            self._wake.set()
        if line.breaker.stopped is not None and any(each.outcome == "stop" for each in verdicts):
            await self._stopped(of, line.breaker.stopped)

    async def _stopped(self, of: DestinationId, reason: str) -> None:
        log.error("a destination was stopped", extra={"destination": of, "reason": reason})
        version, _ = self._versions.configuration()
        stop = StoppedDestination(destination=of, reason=reason, at_ms=self._world.now_ms(), config_version=version)
        await asyncio.to_thread(self._stopped_destinations.put, self._workspace, stop)

    async def _carry_day(self, date: Date, seqs: Sequence[int]) -> list[Verdict]:
        if not self._histories.has(date):
            return []  # the day is over its retention, and its deliveries with it
        claimed = await self._durably(date, lambda writer: writer.deliveries.claim(seqs))
        try:
            taken = await self._sorting.open(date, claimed)
            carried = await self._batch_sender.carry(taken, self._versions.configuration()[1])
            ahead_ms = self._ahead_ms()  # before the wall's clock can jump
            sealed = await self._sealed(date, carried.rows)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with us, nothing is left as under way
            log.error("deliveries failed", extra={"reason": type(error).__name__})  # noqa: TRY400 - no values
            later_ms = self._world.now_ms() + _FAULT_MS
            release = partial(_release, seqs=claimed, next_at_ms=later_ms)
            self.add(date, await self._durably(date, release))
            return []
        self._add(date, await self._durably(date, partial(write_results, rows=sealed)), ahead_ms)
        return carried.verdicts

    async def _sealed(self, date: Date, rows: Sequence[DeliveryRow]) -> list[Sealed]:
        """A few are sealed by the writer itself: until they are marked, a crash sends them twice."""
        if len(rows) <= _SEALED_BY_WRITER:
            return [(row, None) for row in rows]
        return await self._sorting.seal(date, rows)

    async def _durably(self, date: Date, work: Callable[[DayWriter], _T]) -> _T:
        """Do it in the writer's transaction, as soon as the disk lets us."""
        while True:
            try:
                return await self._clicklog.run((self._workspace, date), work)
            except UnavailableError:
                await asyncio.sleep(_DISK_SECONDS)


def _release(writer: DayWriter, *, seqs: Sequence[int], next_at_ms: int) -> list[Waiting]:
    return writer.deliveries.release(seqs, next_at_ms=next_at_ms)


def _void_leases(writer: DayWriter) -> None:
    writer.deliveries.void_leases()


class ThreadsafeOutbox:
    """An outbox for other threads: what they ask is done on its loop, and waited for."""

    def __init__(self, outbox: DeliveryWorker, loop: asyncio.AbstractEventLoop) -> None:
        self._outbox = outbox
        self._loop = loop

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._ask(self._outbox.statuses)

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None:
        self._ask(lambda: self._outbox.add(date, waiting))

    def resume(self, destination: DestinationId) -> None:
        self._ask(lambda: self._outbox.resume(destination))

    def _ask(self, question: Callable[[], _T]) -> _T:
        async def answer() -> _T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result()
