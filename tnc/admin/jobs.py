"""What the machine does by itself: one table of name, period and work.

Runs on the monotonic clock, in one thread, one job at a time: a wall clock that is set back must not stop
anything (a cron-like scheduler waits until the old time has come again), and no job needs a second.
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
from typing import Any, Final

from tnc.core.clock import World
from tnc.core.errors import FailedError, NotFoundError, UnavailableError
from tnc.core.fields import rfc3339
from tnc.core.process import BEHIND, lower_priority

log = logging.getLogger(__name__)

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    text: str
    every_seconds: float
    run: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One time that a job was done."""

    began_at_ms: int
    took_ms: int
    failed: bool


class Jobs:
    """The table, and the thread that works it off."""

    def __init__(self, table: tuple[Job, ...], world: World) -> None:
        self.table = table
        self._world = world
        self._due = {job.name: time.monotonic() + job.every_seconds for job in table}
        self._last: dict[str, Turn] = {}
        self._asked: queue.SimpleQueue[tuple[Job, Future[Turn]] | None] = queue.SimpleQueue()  # None: stop
        self._stopped = threading.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._asked.put(None)
            await asyncio.to_thread(thread.join, 10)  # beside the loop, which the job at work may need to end

    # -- from other threads

    def told(self) -> list[dict[str, Any]]:
        """Every job: what it does, how often, how its last turn went, and when the next one is."""
        return [self._told(job) for job in self.table]

    def _told(self, job: Job) -> dict[str, Any]:
        last = self._last.get(job.name)
        return {
            "job": job.name,
            "does": job.text,
            "every_seconds": round(job.every_seconds),
            "next_in_seconds": max(0, round(self._due[job.name] - time.monotonic())),
            "last_at": None if last is None else rfc3339(last.began_at_ms),
            "took_ms": None if last is None else last.took_ms,
            "failed": None if last is None else last.failed,
        }

    def do(self, job: str) -> dict[str, Any]:
        """Do one now, after the one at work, and wait for it.

        Raises NotFoundError that names what there is, FailedError when it fails, UnavailableError at a stop.
        """
        found = next((each for each in self.table if each.name == job), None)
        if found is None:
            raise NotFoundError(f"there is no job {job!r}; there are: {', '.join(each.name for each in self.table)}.")
        turn: Future[Turn] = Future()
        self._asked.put((found, turn))
        while not self._stopped.is_set() or turn.done():
            try:
                done = turn.result(timeout=1.0)
            except TimeoutError:
                continue
            if done.failed:
                raise FailedError(f"the job {job} failed; the log of the server says why.")
            return self._told(found)
        raise UnavailableError("the server is stopping")

    # -- in the thread

    def _work(self) -> None:
        lower_priority(BEHIND)
        while not self._stopped.is_set():
            try:
                asked = self._asked.get(timeout=max(0.0, min(self._due.values()) - time.monotonic()))
            except queue.Empty:
                self._do_due()
                continue
            if asked is not None:
                job, turn = asked
                turn.set_result(self._do(job))

    def _do_due(self) -> None:
        for job in self.table:
            if self._due[job.name] <= time.monotonic() and not self._stopped.is_set():
                self._do(job)

    def _do(self, job: Job) -> Turn:
        """What goes wrong is told and does not keep the others from their turn."""
        began_at_ms, began, failed = self._world.now_ms(), time.monotonic(), False
        try:
            job.run()
        except Exception:
            failed = True
            log.exception("job failed", extra={"job": job.name})
        turn = Turn(began_at_ms=began_at_ms, took_ms=round((time.monotonic() - began) * 1000), failed=failed)
        self._last[job.name] = turn
        self._due[job.name] = time.monotonic() + job.every_seconds
        return turn
