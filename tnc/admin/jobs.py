"""What the server does by itself: a table of jobs, run by APScheduler in one thread, one job at a time.

APScheduler plans by the wall clock. When somebody sets that clock, the times it planned are wrong, so its own thread
compares the wall clock with the monotonic one before it looks for due jobs, and plans anew where they drifted apart.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as Time
from functools import partial
from typing import Any, Final

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from tnc.core.clock import World
from tnc.core.errors import FailedError, NotFoundError, UnavailableError
from tnc.core.fields import rfc3339
from tnc.core.process import BACKGROUND_NICENESS, lower_priority

log = logging.getLogger(__name__)

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_CLOCK_CHECK_SECONDS: Final = 10.0
_JUMP_MS: Final = 1000  # NTP slews by at most half a millisecond a second; what is more was set
_APART: Final = timedelta(hours=12)  # the least time between two runs of a daily job, whatever the clock says
_STOP_SECONDS: Final = 10  # how long a stop waits for the running job


@dataclass(frozen=True, slots=True)
class Job:
    """`daily_at`: once a day at this time (UTC) instead of every so many seconds.

    `last_ms` says when a daily job ran last before this start. If it missed a day, it runs an hour after the start.
    """

    name: str
    text: str
    every_seconds: float
    run: Callable[[], None]
    daily_at: Time | None = None
    last_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one run of a job went."""

    began_at_ms: int
    took_ms: int
    failed: bool


class Jobs:
    """The table of jobs, and what runs them."""

    def __init__(self, table: tuple[Job, ...], world: World) -> None:
        self.table = table
        self._world = world
        self._last: dict[str, Run] = {}
        self._triggers = {job.name: _trigger(job, world) for job in table}
        self._worker = _Worker()
        self._scheduler = _Scheduler(
            world,
            timezone=UTC,
            executors={"default": self._worker},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for job in table:
            self._scheduler.add_job(partial(self._run, job), self._triggers[job.name], id=job.name, name=job.name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._scheduler.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self._stop)  # in a thread: the running job may need the loop to end

    def _stop(self) -> None:
        self._scheduler.shutdown(wait=False)
        self._worker.join(_STOP_SECONDS)

    # -- from other threads

    def to_json(self) -> list[dict[str, Any]]:
        """Every job: what it does, how often, how its last run went, and when the next one is."""
        return [self._job_json(job) for job in self.table]

    def _job_json(self, job: Job) -> dict[str, Any]:
        last = self._last.get(job.name)
        return {
            "job": job.name,
            "does": job.text,
            "every_seconds": round(job.every_seconds),
            "next_in_seconds": max(0, round((self._triggers[job.name].due_ms - self._world.steady_ms()) / 1000)),
            "last_at": None if last is None else rfc3339(last.began_at_ms),
            "took_ms": None if last is None else last.took_ms,
            "failed": None if last is None else last.failed,
        }

    def do(self, job: str) -> dict[str, Any]:
        """Run one now, after those that wait for the thread, and wait until it ends. Its next time stays as it is.

        Raises NotFoundError that names what there is, FailedError when it fails, UnavailableError at a stop.
        """
        found = next((each for each in self.table if each.name == job), None)
        if found is None:
            raise NotFoundError(f"there is no job {job!r}; there are: {', '.join(each.name for each in self.table)}.")
        future: Future[Run] = Future()
        self._worker.call(lambda: future.set_result(self._run(found)))
        while not self._worker.stopped.is_set() or future.done():
            try:
                run = future.result(timeout=1.0)
            except TimeoutError:
                continue
            if run.failed:
                raise FailedError(f"the job {job} failed; the log of the server says why.")
            return self._job_json(found)
        raise UnavailableError("the server is stopping")

    # -- in the thread

    def _run(self, job: Job) -> Run:
        """A failure is logged and does not keep the other jobs from running."""
        began_at_ms, began, failed = self._world.now_ms(), time.monotonic(), False
        try:
            job.run()
        except Exception:
            failed = True
            log.exception("job failed", extra={"job": job.name})
        run = Run(began_at_ms=began_at_ms, took_ms=round((time.monotonic() - began) * 1000), failed=failed)
        self._last[job.name] = run
        return run


# ------------------------------------------------------------------------------------------ when


def _trigger(job: Job, world: World) -> "_Every | _Daily":
    if job.daily_at is None:
        return _Every(timedelta(seconds=job.every_seconds), world)
    return _Daily(job.daily_at, job.last_ms, world)


class _Every(BaseTrigger):  # type: ignore[misc]
    """Counts from the moment a run is due; missed runs are not made up for. `due_ms` is on the steady clock."""

    def __init__(self, period: timedelta, world: World) -> None:
        self._period = period
        self._world = world
        self.due_ms = world.steady_ms() + _ms(period)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        self.due_ms = self._world.steady_ms() + _ms(self._period)
        return now + self._period

    def after_jump(self, now: datetime) -> datetime:
        """The same moment by the wall clock as it shows now."""
        return now + timedelta(milliseconds=self.due_ms - self._world.steady_ms())


class _Daily(BaseTrigger):  # type: ignore[misc]
    """Once a day. Half a day lies between two runs, also when the clock shows the same hour again.

    `due_ms` is on the steady clock.
    """

    def __init__(self, at: Time, last_ms: int | None, world: World) -> None:
        self._at = at
        self._last_ms = last_ms
        self._world = world
        self._ran_ms: int | None = None  # on the steady clock
        self._plan(self._first(_wall(world)), _wall(world))

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        if previous is None:
            return self._plan(self._first(now), now)
        self._ran_ms = self._world.steady_ms()
        return self._plan(self._next(now), now)

    def after_jump(self, now: datetime) -> datetime:
        """A run whose time the clock jumped over is due at once."""
        jumped_over = self._due <= now and self._is_apart(now, now)
        return self._plan(now if jumped_over else self._next(now), now)

    def _first(self, now: datetime) -> datetime:
        due = self._next(now)
        before = due - timedelta(days=1)
        if self._last_ms is not None and self._last_ms >= before.timestamp() * 1000:
            return due
        return min(due, now + timedelta(hours=1))

    def _next(self, now: datetime) -> datetime:
        due = now.replace(hour=self._at.hour, minute=self._at.minute, second=0, microsecond=0)
        if due <= now:
            due += timedelta(days=1)
        return due if self._is_apart(due, now) else due + timedelta(days=1)

    def _is_apart(self, due: datetime, now: datetime) -> bool:
        """From the last run, in time that really passed."""
        if self._ran_ms is None:
            return True
        return timedelta(milliseconds=self._world.steady_ms() - self._ran_ms) + (due - now) >= _APART

    def _plan(self, due: datetime, now: datetime) -> datetime:
        self._due = due
        self.due_ms = self._world.steady_ms() + _ms(due - now)
        return due


def _wall(world: World) -> datetime:
    return datetime.fromtimestamp(world.now_ms() / 1000, UTC)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


# ------------------------------------------------------------------------------------------ who


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Checks the wall clock before it looks for due jobs, and every ten seconds.

    It waits on the monotonic clock, so a clock that is set back does not delay the check.
    """

    def __init__(self, world: World, **options: object) -> None:
        super().__init__(**options)
        self._world = world
        self._ahead_ms = self._read_ahead_ms()

    def _read_ahead_ms(self) -> int:
        return self._world.now_ms() - self._world.steady_ms()

    def _process_jobs(self) -> float:
        """Submit what is due; seconds until the next look."""
        with self._jobstores_lock:
            self._check_clock()
            wait_seconds = super()._process_jobs()
        return _CLOCK_CHECK_SECONDS if wait_seconds is None else min(float(wait_seconds), _CLOCK_CHECK_SECONDS)

    def _check_clock(self) -> None:
        ahead_ms = self._read_ahead_ms()
        jumped_ms, self._ahead_ms = ahead_ms - self._ahead_ms, ahead_ms
        if abs(jumped_ms) > _JUMP_MS:
            log.warning("the clock was set; jobs are planned anew", extra={"by_seconds": round(jumped_ms / 1000)})
            for job in self.get_jobs():
                job.modify(next_run_time=job.trigger.after_jump(_wall(self._world)))


class _Worker(BaseExecutor):  # type: ignore[misc]
    """One niced daemon thread.

    The threads of APScheduler's pool are no daemons: Python waits for them at exit, also for a job that hangs because
    the loop it asks has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()  # None: stop
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self, scheduler: BackgroundScheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._thread.start()

    def call(self, call: Callable[[], object]) -> None:
        self._calls.put(call)

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - as APScheduler calls it
        self.stopped.set()
        self._calls.put(None)
        if wait:
            self.join(None)

    def join(self, seconds: float | None) -> None:
        self._thread.join(seconds)

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self.call(partial(self._run, job, run_times))

    def _run(self, job: Any, run_times: list[datetime]) -> None:
        self._run_job_success(job.id, run_job(job, "default", run_times, self._logger.name))

    def _work(self) -> None:
        lower_priority(BACKGROUND_NICENESS)
        while (call := self._calls.get()) is not None and not self.stopped.is_set():
            call()
