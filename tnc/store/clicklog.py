"""From the decision to the disk: one writer, and whatever arrives during a commit is the next commit.

The loop hands over a click and waits until it is durable. A thread takes all that is waiting, writes it in
one transaction per day file with `synchronous = full`, and answers them together. When the disk refuses,
the click stays in bounded memory and the visitor is redirected all the same; what had to be given up is
counted.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout the store
from pathlib import Path
from typing import Any, Final, TypeVar

from tnc.errors import NotFoundError, TncError, UnavailableError
from tnc.model import Click, WorkspaceId
from tnc.store.days import DayWriter, day_path, utc_date
from tnc.store.keyring import Keyring

log = logging.getLogger(__name__)

_T = TypeVar("_T")
Day = tuple[WorkspaceId, Date]

WAITING_LIMIT: Final = 50_000
"""Clicks kept in memory while the disk refuses: about 100 MB at the very most."""

_RETRY_SECONDS: Final = 0.5
_STALL_SECONDS: Final = 1.5
_OPEN_DAYS: Final = 4


class Days:
    """The day files as their one writer holds them: opened when needed, the least used closed again."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        self._keyring = keyring
        self._open: OrderedDict[Day, DayWriter] = OrderedDict()

    def writer(self, day: Day) -> DayWriter:
        """The writer of a day; makes its keys and then its file when it is new."""
        found = self._open.get(day)
        if found is None:
            workspace, date = day
            try:
                keys = self._keyring.day(workspace, date)
            except NotFoundError:
                keys = self._keyring.create_day(workspace, date)
            found = self._open[day] = DayWriter(day_path(self.folder, workspace, date), keys)
            while len(self._open) > _OPEN_DAYS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(day)
        return found

    def transact(self, day: Day, work: Callable[[DayWriter], _T]) -> _T:
        """Do `work` in one durable transaction, or not at all."""
        writer = self.writer(day)
        writer.begin()
        try:
            result = work(writer)
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        return result

    def discard(self, day: Day) -> None:
        """Close a day; the next use opens it anew."""
        found = self._open.pop(day, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


@dataclass(slots=True)
class _Job:
    day: Day
    work: Callable[[DayWriter], Any]
    future: "asyncio.Future[Any]"


@dataclass(slots=True)
class _Put:
    day: Day
    click: Click
    future: "asyncio.Future[bool] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How recording is going: `failing` is the reason while the disk refuses."""

    failing: str | None
    waiting: int
    lost: int


class ClickLog:
    """The writer thread. Everything that changes a day file while a server runs goes through here."""

    def __init__(self, days: Days, *, waiting_limit: int = WAITING_LIMIT) -> None:
        self._days = days
        self._limit = waiting_limit
        self._queue: queue.SimpleQueue[_Put | _Job | None] = queue.SimpleQueue()
        self._waiting: deque[_Put] = deque()
        self._lost = 0
        self._lost_told = 0
        self._failing: str | None = None
        self._failed_at = 0.0
        self._busy_since: float | None = None
        self._outstanding: set[asyncio.Future[bool]] = set()
        self._thread = threading.Thread(target=self._run, name="click log", daemon=True)

    # -- on the loop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._watch = self._loop.call_later(_STALL_SECONDS / 3, self._look_for_stall)

    async def close(self) -> None:
        """Write what is there and stop; what the disk still refuses is counted as lost."""
        self._watch.cancel()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def recording(self) -> Recording:
        return Recording(failing=self._failing, waiting=len(self._waiting), lost=self._lost)

    async def put(self, workspace: WorkspaceId, click: Click) -> bool:
        """Record a click. True: it is durable. False: it waits in memory, or was given up and counted."""
        if self._queue.qsize() > self._limit:
            self._lost += 1
            return False
        future: asyncio.Future[bool] = self._loop.create_future()
        self._outstanding.add(future)
        self._queue.put(_Put((workspace, utc_date(click.clicked_at_ms)), click, future))
        try:
            return await future
        finally:
            self._outstanding.discard(future)

    async def count(self, day: Day, name: str) -> None:
        """Add one to a counter of a day; a number that says nothing about anybody may be lost with the disk."""
        try:
            await self.run(day, lambda writer: writer.count(name, 1))
        except UnavailableError:
            log.warning("a count was not stored", extra={"name_of_count": name})

    async def run(self, day: Day, work: Callable[[DayWriter], _T]) -> _T:
        """Do `work` in the writer's thread within a durable transaction.

        Raises what `work` raises (its changes undone), and UnavailableError when the disk refuses.
        """
        future: asyncio.Future[_T] = self._loop.create_future()
        self._queue.put(_Job(day, work, future))
        return await future

    def _look_for_stall(self) -> None:
        """A commit that hangs must not keep visitors waiting: they go on, their clicks stay in line."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > _STALL_SECONDS:
            self._failing = self._failing or "the disk does not answer"
            for future in self._outstanding:
                if not future.done():
                    future.set_result(False)
        self._watch = self._loop.call_later(_STALL_SECONDS / 3, self._look_for_stall)

    def _answer(self, answers: list[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
        for future, result, error in answers:
            if future.done():
                continue  # given up by its caller, or let go by the stall watch
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    # -- in the thread

    def _run(self) -> None:
        open_for_work = True
        while open_for_work:
            batch, open_for_work = self._next_batch()
            self._busy_since = time.monotonic()
            self._write(batch)
            self._busy_since = None
        if self._waiting:
            self._failed_at = 0.0
            self._write([])
            self._lost += len(self._waiting)
            log.error("clicks lost at shutdown", extra={"count": len(self._waiting)})
        self._days.close()

    def _next_batch(self) -> tuple[list[_Put | _Job], bool]:
        batch: list[_Put | _Job] = []
        try:
            item = self._queue.get(timeout=_RETRY_SECONDS if self._waiting else None)
            while item is not None:
                batch.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _write(self, batch: list[_Put | _Job]) -> None:
        if self._waiting and time.monotonic() - self._failed_at >= _RETRY_SECONDS:
            batch = [*self._waiting, *batch]
            self._waiting.clear()
        by_day: dict[Day, list[_Put | _Job]] = {}
        for item in batch:
            by_day.setdefault(item.day, []).append(item)
        for day, items in by_day.items():
            answers = self._write_day(day, items)
            self._loop.call_soon_threadsafe(self._answer, answers)

    def _write_day(self, day: Day, items: list[_Put | _Job]) -> list[tuple["asyncio.Future[Any]", Any, Any]]:
        if self._waiting and self._failing and time.monotonic() - self._failed_at < _RETRY_SECONDS:
            return self._refuse(items, self._failing)
        try:
            writer = self._days.writer(day)
            writer.begin()
        except (sqlite3.Error, OSError, TncError) as error:
            return self._fail(day, items, error)
        try:
            answers = [self._do(writer, item) for item in items]
            if self._lost > self._lost_told:
                writer.count("clicks lost", self._lost - self._lost_told)
            writer.commit()
        except (sqlite3.Error, OSError) as error:
            writer.rollback()
            return self._fail(day, items, error)
        self._lost_told = self._lost
        if self._failing is not None:
            log.warning("clicks are recorded again")
            self._failing = None
        return [answer for answer in answers if answer is not None]

    @staticmethod
    def _do(writer: DayWriter, item: _Put | _Job) -> tuple["asyncio.Future[Any]", Any, BaseException | None] | None:
        if isinstance(item, _Put):
            writer.add_click(item.click)
            return None if item.future is None else (item.future, True, None)
        try:
            return item.future, writer.apart(item.work), None
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for the work
            return item.future, None, error

    def _fail(
        self, day: Day, items: list[_Put | _Job], error: Exception
    ) -> list[tuple["asyncio.Future[Any]", Any, Any]]:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, TncError) else str(error)
        if self._failing is None:
            log.error("clicks cannot be recorded", extra={"reason": reason})
        self._failing = reason
        self._failed_at = time.monotonic()
        self._days.discard(day)
        return self._refuse(items, reason)

    def _refuse(self, items: Iterable[_Put | _Job], reason: str) -> list[tuple["asyncio.Future[Any]", Any, Any]]:
        """Clicks stay in line as far as memory allows, their visitors go on; other work is sent back."""
        answers: list[tuple[asyncio.Future[Any], Any, Any]] = []
        for item in items:
            if isinstance(item, _Job):
                answers.append((item.future, None, UnavailableError(f"could not be stored: {reason}")))
                continue
            if item.future is not None:
                answers.append((item.future, False, None))
            if len(self._waiting) < self._limit:
                self._waiting.append(_Put(item.day, item.click, None))
            else:
                self._lost += 1
        return answers
