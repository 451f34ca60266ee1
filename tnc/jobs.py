"""What the machine does by itself: one table of name, period and work.

Runs on the monotonic clock, in one thread, one job at a time: a wall clock that is set back must not stop
anything (a cron-like scheduler waits until the old time has come again), and no job needs a second.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    text: str
    every_seconds: float
    run: Callable[[], None]


class Jobs:
    """The table, and the thread that works it off."""

    def __init__(self, table: tuple[Job, ...]) -> None:
        self.table = table
        self._stop = threading.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.to_thread(thread.join, 10)  # beside the loop, which the job at work may need to end

    def _work(self) -> None:
        due = {job.name: time.monotonic() + job.every_seconds for job in self.table}
        while not self._stop.wait(max(0.0, min(due.values()) - time.monotonic())):
            for job in self.table:
                if due[job.name] <= time.monotonic():
                    run(job)
                    due[job.name] = time.monotonic() + job.every_seconds


def run(job: Job) -> None:
    """Do a job now; what goes wrong is told and does not keep the others from their turn."""
    try:
        job.run()
    except Exception:
        log.exception("job failed", extra={"job": job.name})
