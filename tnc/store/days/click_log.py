"""The writer of the day files: group commits in one thread.

The loop queues a click and redirects its visitor when the click is durable. A thread writes everything that is queued
in one transaction per day file with `synchronous = full`; what arrives meanwhile is the next transaction. When the disk
refuses, clicks wait in bounded memory and visitors are redirected all the same; clicks that do not fit are counted as
lost.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date as Date
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from tnc.core.clock import DAY_MS
from tnc.core.errors import DamagedError, TncError, UnavailableError
from tnc.core.models import Click, WorkspaceId
from tnc.core.process import background_pool
from tnc.store.days.batch import BatchResult, ClickCallback, CommitDelay, PendingClick, WriteJob, resolve
from tnc.store.days.files import Day, Days, LostClicks
from tnc.store.days.opted_out import numbers_of
from tnc.store.days.writer import ClickRow, ClickSealer, DayWriter, utc_date
from tnc.store.migrations import is_damage

__all__ = ["WAITING_LIMIT", "ClickCallback", "ClickLog", "Day", "Days", "Recording"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_Item = PendingClick | WriteJob

WAITING_LIMIT: Final = 50_000
"""Clicks kept in memory while the disk refuses: at most about 100 MB."""

_RETRY_SECONDS: Final = 0.5
_STALL_SECONDS: Final = 1.5
_CHECK_SECONDS: Final = 10.0  # between two looks at the open files
_RENEW_SECONDS: Final = 60.0
_EPOCH: Final = Date(1970, 1, 1)


Report = Callable[[Day, str, Path | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The state of the click log. `failing` is the reason while the disk refuses.

    `waiting` clicks are in memory for that reason; `lost` and `written` count clicks since the start.
    """

    failing: str | None
    waiting: int
    lost: int
    written: int


class ClickLog:
    """The writer thread: all changes of day files while a server runs."""

    def __init__(
        self, days: Days, *, waiting_limit: int = WAITING_LIMIT, report: Report = lambda _day, _what, _aside: None
    ) -> None:
        """`report` is called in the writer's thread when the file of a day was deleted or damaged: with what was done,
        and the path of a file that was put aside.
        """
        self._report = report
        self._lost_clicks = LostClicks(days.folder / "lost")
        self._checked_at = 0.0
        self._missing: str | None = None  # why a deleted file could not be written anew
        self._renewed_at: dict[Day, float] = {}
        self._days = days
        self._limit = waiting_limit
        self._incoming: list[_Item] = []  # queued since the last batch was handed over
        self._delay = CommitDelay()
        self._handing_over = False
        self._writing = False
        self._batches: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()  # at most one
        self._exclusive_work: queue.SimpleQueue[tuple[Callable[[Days], Any], asyncio.Future[Any]]] = queue.SimpleQueue()
        self._retry_later: deque[PendingClick] = deque()
        self._held: dict[Day, list[_Item]] = {}  # by day, while the file of the day is detached
        self._lost = self._lost_clicks.read()  # at the last stop; the next commit stores them
        self._count = 0
        self._lost_stored = 0
        self._failing: str | None = None
        self._failed_at = 0.0
        self._busy_since: float | None = None
        self._outstanding: set[PendingClick] = set()
        self._late: set[asyncio.Future[object]] = set()  # work whose visitor was answered while the disk hangs
        self._sealers: dict[tuple[WorkspaceId, int], ClickSealer] = {}  # by workspace and number of the day
        self._thread = threading.Thread(target=self._run, name="click log", daemon=True)

    # -- on the loop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            self._lost_clicks.allocate()
        except OSError as error:
            log.warning("lost clicks could not be counted across a restart", extra={"reason": error.strerror})
        self._thread.start()
        self._watch = self._loop.call_later(_STALL_SECONDS / 3, self._check_stall)

    async def close(self) -> None:
        """Write what is queued and stop; clicks that the disk still refuses are counted as lost."""
        self._watch.cancel()
        line, self._incoming = self._incoming, []
        self._batches.put(line)
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    def recording(self) -> Recording:
        return Recording(failing=self._failing, waiting=len(self._retry_later), lost=self._lost, written=self._count)

    async def put(self, workspace: WorkspaceId, click: Click) -> bool:
        """Record a click. True: it is durable. False: it waits in memory, or was lost and counted."""
        future: asyncio.Future[bool] = self._loop.create_future()

        def done(*, durable: bool) -> None:
            if not future.done():
                future.set_result(durable)

        self.submit(workspace, click.clicked_at_ms, lambda: click, done)
        return await future

    def submit(
        self, workspace: WorkspaceId, clicked_at_ms: int, make: Callable[[], Click], done: ClickCallback
    ) -> None:
        """Like `put` with a callback: `done` is called once, on the loop, perhaps before this returns.

        `make` gives the click as it may be stored; it is called when the batch is sealed.
        """
        if len(self._incoming) > self._limit:
            self._lost += 1
            done(durable=False)
            return
        number = clicked_at_ms // DAY_MS
        ready = self._sealers.get((workspace, number))
        day = (workspace, utc_date(clicked_at_ms)) if ready is None else ready.day
        pending = PendingClick(day, make, done, ready)
        self._outstanding.add(pending)
        self._queue(pending)

    def _sealed(self, seal: Callable[[Click], ClickRow], make: Callable[[], Click]) -> ClickRow | None:
        """The row of a click; None when it cannot be sealed, which is counted and does not affect the other clicks."""
        try:
            return seal(make())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one click, its visitor is redirected
            self._lost += 1
            log.error("a click could not be sealed", extra={"reason": type(error).__name__})  # noqa: TRY400 - no values
            return None

    async def prepare(self, days: Iterable[Day]) -> None:
        """Make the keys, the file and a sealer of these days, so that no click waits for them at midnight."""
        sealers = {}
        for day in days:
            sealer = await self.run(day, partial(self._sealer, day))
            sealers[day[0], (day[1] - _EPOCH).days] = sealer
        self._sealers = sealers

    async def retire(self, day: Day) -> None:
        """Stop sealing clicks of a day on the loop; when this returns, those that were sealed there are written."""
        self._sealers = {at: sealer for at, sealer in self._sealers.items() if sealer.day != day}
        await self.run(day, lambda _writer: None)

    def _sealer(self, day: Day, _writer: DayWriter) -> ClickSealer:
        return self._days.sealer(day)

    async def count_opted_out(self, workspace: WorkspaceId, click: Click) -> None:
        """Count a visit of which nothing else is stored. When the disk refuses, the count is lost, which is logged."""

        def count(writer: DayWriter) -> None:
            for name, more in numbers_of(click).items():
                writer.count(name, more)

        try:
            await self.run_unless_stalled((workspace, utc_date(click.clicked_at_ms)), count)
        except UnavailableError:
            log.warning("an opted-out visit was not counted", extra={"campaign": click.campaign})

    async def run(self, day: Day, work: Callable[[DayWriter], _T]) -> _T:
        """Do `work` in the writer's thread within a durable transaction.

        Raises what `work` raises (its changes are undone), and UnavailableError when the disk refuses.
        """
        future: asyncio.Future[_T] = self._loop.create_future()
        self._queue(WriteJob(day, work, future))
        return await future

    async def run_unless_stalled(self, day: Day, work: Callable[[DayWriter], object]) -> None:
        """Like `run` for a visitor who waits: returns after 1.5 s while the disk hangs. The work stays queued.

        What it raises later is logged, because the visitor was answered.
        """
        task = asyncio.ensure_future(self.run(day, work))
        done, _ = await asyncio.wait({task}, timeout=_STALL_SECONDS)
        if done:
            task.result()
        else:
            self._late.add(task)
            task.add_done_callback(self._log_late)

    def _log_late(self, task: asyncio.Future[object]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("work for a visitor failed later", extra={"reason": type(task.exception()).__name__})

    async def exclusive(self, work: Callable[[Days], _T]) -> _T:
        """Do `work` in the writer's thread with the day files, outside any transaction.

        Clicks wait meanwhile, so it must be short. Raises what `work` raises.
        """
        future: asyncio.Future[_T] = self._loop.create_future()
        self._exclusive_work.put((work, future))
        self._batches.put([])  # wakes the thread
        return await future

    async def detach(self, day: Day, work: Callable[[], _T]) -> _T:
        """Do `work` on a day's file in another thread, while the file is detached from the writer.

        Writes for that day wait until it is done; those for other days do not. Raises what `work` raises.
        """
        await self.exclusive(lambda days: days.detach(day))
        try:
            with background_pool() as thread:
                return await self._loop.run_in_executor(thread, work)
        finally:
            await self.exclusive(partial(self._reattach, day))

    def _queue(self, item: _Item) -> None:
        self._incoming.append(item)
        self._delay.arrived(self._loop.time())
        if not self._handing_over and not self._writing:
            self._hand_over_soon()

    def _hand_over_soon(self) -> None:
        """Hand over after the callbacks that are ready now: clicks that arrive together are written together.

        If the thread were woken for each click, it would compete with the loop for the interpreter at every click and
        write them singly.
        """
        self._handing_over = True
        delay_s = self._delay.delay_s()
        if delay_s:
            self._loop.call_later(delay_s, self._hand_over)
        else:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        if self._incoming and not self._writing:
            line, self._incoming = self._incoming, []
            batch = [item for item in line if isinstance(item, WriteJob) or self._seal(item)]
            self._writing = bool(batch)
            if batch:
                self._batches.put(batch)

    def _seal(self, pending: PendingClick) -> bool:
        """Seal a click on the loop when its day has a sealer there; False when it cannot be sealed.

        The clicks of a batch are sealed one after the other: the tables of cipher and compressor are in the processor's
        cache then, which saves a third of the time.
        """
        if pending.sealer is not None and not isinstance(pending.row, tuple):
            row = self._sealed(pending.sealer.row, pending.row)
            if row is None:
                self._release(pending, durable=False)
                return False
            pending.row = row
        return True

    def _check_stall(self) -> None:
        """Redirect the visitors whose clicks wait for a commit that hangs; the clicks stay queued."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > _STALL_SECONDS:
            self._failing = self._failing or "the disk does not answer"
            for pending in tuple(self._outstanding):
                self._release(pending, durable=False)
        self._watch = self._loop.call_later(_STALL_SECONDS / 3, self._check_stall)

    def _release(self, pending: PendingClick, *, durable: bool) -> None:
        self._outstanding.discard(pending)
        done, pending.done = pending.done, None
        if done is not None:  # None when `_check_stall` has called it
            done(durable=durable)

    def _take_result(self, batch: BatchResult) -> None:
        self._writing = False
        if self._delay.delay_s():
            self._hand_over_soon()
        else:
            self._hand_over()  # so that the disk works while visitors are redirected
        self._count += len(batch.clicks)
        for pending, durable in batch.clicks:
            self._release(pending, durable=durable)
        for job, result, error in batch.jobs:
            resolve(job.future, result, error)

    # -- in the thread

    def _run(self) -> None:
        batch = self._next_batch()
        while batch is not None:
            self._busy_since = time.monotonic()
            written = self._write(batch)
            if batch:
                self._loop.call_soon_threadsafe(self._take_result, written)
            while not self._exclusive_work.empty():
                self._do_exclusive(*self._exclusive_work.get())
            self._busy_since = None
            batch = self._next_batch()
        self._end()

    def _end(self) -> None:
        """Write what is held and what waits; store the number of clicks that the disk still refuses."""
        held = [item for items in self._held.values() for item in items]
        for day in self._held:
            self._days.reattach(day)
        if held:
            self._loop.call_soon_threadsafe(self._take_result, self._write(held))
        if self._retry_later:
            self._failed_at = 0.0
            self._write([])
        if self._retry_later:
            self._lost += len(self._retry_later)
            log.error("clicks lost at shutdown", extra={"count": len(self._retry_later)})
        if self._lost > self._lost_stored:
            self._store_lost(self._lost - self._lost_stored)
        self._days.close()

    def _store_lost(self, number: int) -> None:
        try:
            self._lost_clicks.write(number)
        except OSError as error:
            log.warning("the number of lost clicks was not stored", extra={"reason": error.strerror})

    def _check_files(self) -> None:
        """Notice within seconds that an open file was deleted or replaced, and write it anew.

        Until that succeeds no click counts as durable.
        """
        now = time.monotonic()
        if now - self._checked_at < (_RETRY_SECONDS if self._missing else _CHECK_SECONDS):
            return
        self._checked_at = now
        try:
            for day, aside in self._days.restore_deleted():
                beside = "" if aside is None else f" What was in its place is {aside.name} now."
                self._report(day, f"was deleted or replaced while the server ran, and was written anew.{beside}", None)
            self._missing = None
        except (sqlite3.Error, OSError) as error:
            self._missing = f"a day file was deleted and cannot be written anew ({error})"
            self._failing = self._missing
            self._failed_at = now

    def _reattach(self, day: Day, days: Days) -> None:
        days.reattach(day)
        for item in self._held.pop(day, ()):
            self._loop.call_soon_threadsafe(self._queue, item)

    def _do_exclusive(self, work: Callable[[Days], Any], future: "asyncio.Future[Any]") -> None:
        result, error = None, None
        try:
            result = work(self._days)
        except Exception as raised:  # noqa: BLE001 - raised where the work was ordered
            error = raised
        self._loop.call_soon_threadsafe(resolve, future, result, error)

    def _next_batch(self) -> list[_Item] | None:
        """The next batch; an empty one when it is time to retry; None to stop."""
        try:
            soon = self._retry_later or self._missing
            return self._batches.get(timeout=_RETRY_SECONDS if soon else _CHECK_SECONDS)
        except queue.Empty:
            return []

    def _write(self, batch: list[_Item]) -> BatchResult:
        self._check_files()
        if self._retry_later and time.monotonic() - self._failed_at >= _RETRY_SECONDS:
            batch = [*self._retry_later, *batch]
            self._retry_later.clear()
        by_day: dict[Day, list[_Item]] = {}
        for item in batch:
            by_day.setdefault(item.day, []).append(item)
        for day in [day for day in by_day if self._days.is_detached(day)]:
            self._held.setdefault(day, []).extend(by_day.pop(day))
        days = [self._write_day(day, items) for day, items in by_day.items()]
        return (
            days[0]
            if len(days) == 1
            else BatchResult(
                [click for each in days for click in each.clicks], [job for each in days for job in each.jobs]
            )
        )

    def _write_day(self, day: Day, items: list[_Item]) -> BatchResult:
        if self._retry_later and self._failing and time.monotonic() - self._failed_at < _RETRY_SECONDS:
            return self._refuse(items, self._failing)
        if self._missing is not None:
            return self._refuse(items, self._missing)
        try:
            writer = self._days.writer(day)
        except (sqlite3.Error, OSError, TncError) as error:
            return self._fail(day, items, error)
        clicks = [item for item in items if isinstance(item, PendingClick)]
        jobs = [item for item in items if isinstance(item, WriteJob)]
        try:
            written = self._commit(writer, clicks, jobs)
        except (sqlite3.Error, OSError) as error:
            return self._fail(day, items, error)  # closes the writer, which undoes the transaction
        if self._failing is not None:
            log.warning("clicks are recorded again")
            self._failing = None
        return written

    def _commit(self, writer: DayWriter, clicks: list[PendingClick], jobs: list[WriteJob]) -> BatchResult:
        """Write clicks and jobs in one transaction; clicks alone need only one statement."""
        sealed = [item.row if isinstance(item.row, tuple) else self._sealed(writer.seal, item.row) for item in clicks]
        for item, row in zip(clicks, sealed, strict=True):
            item.row = row or item.row  # a retry writes the same row
        rows = [row for row in sealed if row is not None]
        kept = [(item, row is not None) for item, row in zip(clicks, sealed, strict=True)]
        if not jobs and self._lost == self._lost_stored:
            writer.commit_rows(rows)
            return BatchResult(kept, [])
        writer.begin()
        writer.add_rows(rows)
        done = [self._do(writer, job) for job in jobs]
        if self._lost > self._lost_stored:
            writer.count("clicks lost", self._lost - self._lost_stored)
        writer.commit()
        if self._lost > self._lost_stored:
            self._lost_stored = self._lost
            self._store_lost(0)
        return BatchResult(kept, done)

    @staticmethod
    def _do(writer: DayWriter, job: WriteJob) -> tuple[WriteJob, Any, BaseException | None]:
        try:
            return job, writer.in_savepoint(job.work), None
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - raised where the work was ordered
            return job, None, error

    def _fail(self, day: Day, items: list[_Item], error: Exception) -> BatchResult:
        if self._is_renewed(day, items, error):
            return self._write_day(day, items)
        reason = f"{type(error).__name__}: {error}" if isinstance(error, TncError) else str(error)
        if self._failing is None:
            log.error("clicks cannot be recorded", extra={"reason": reason})
        self._failing = reason
        self._failed_at = time.monotonic()
        self._days.close_day(day)
        return self._refuse(items, reason)

    def _is_renewed(self, day: Day, items: list[_Item], error: Exception) -> bool:
        """Put a damaged file aside that clicks are written to, so that a new one is begun; once a minute at most."""
        damaged = isinstance(error, DamagedError) or (isinstance(error, sqlite3.Error) and is_damage(error))
        now = time.monotonic()
        if not damaged or not any(isinstance(item, PendingClick) for item in items):
            return False
        if now - self._renewed_at.get(day, -_RENEW_SECONDS) < _RENEW_SECONDS:
            return False
        self._renewed_at[day] = now
        try:
            aside = self._days.put_aside(day)
        except (OSError, TncError):
            return False
        self._report(day, f"was damaged ({error}) and was put aside; a new one was begun.", aside)
        return True

    def _refuse(self, items: Iterable[_Item], reason: str) -> BatchResult:
        """Keep clicks in memory up to the limit and redirect their visitors; fail the jobs."""
        refused = BatchResult([], [])
        for item in items:
            if isinstance(item, WriteJob):
                refused.jobs.append((item, None, UnavailableError(f"could not be stored: {reason}")))
                continue
            refused.clicks.append((item, False))
            if len(self._retry_later) < self._limit:
                self._retry_later.append(PendingClick(item.day, item.row, None))
            else:
                self._lost += 1
        return refused
