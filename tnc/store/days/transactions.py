"""Writing to the day files: in a running server, in an offline command, or not at all; and in short transactions."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

from tnc.core.clock import World
from tnc.core.errors import UnavailableError
from tnc.store.days.click_log import ClickLog, Day, Days
from tnc.store.days.files import DetachedError
from tnc.store.days.writer import DayWriter

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_Item = TypeVar("_Item")

_PORTION_MS: Final = 5
_DETACHED_SECONDS: Final = 0.2


class Writer(Protocol):
    """Runs work on the day files of a workspace. Its methods block: call them from a thread, not on the event loop."""

    def transact(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T:
        """Do `work` in one durable transaction; when it raises, its changes are undone."""

    def exclusive(self, work: Callable[[Days], _T], /) -> _T:
        """Do `work` with the day files while no other code writes to them, outside any transaction."""

    def later(self, day: Day, work: Callable[[DayWriter], object], /) -> None:
        """Do `work` in a transaction soon, without waiting for it; a refusal by the disk is only logged."""


class Exclusive(Protocol):
    """The method `exclusive` of a Writer."""

    def __call__(self, work: Callable[[Days], _T], /) -> _T: ...


class OfflineWriter:
    """For a command that holds the lock of the data directory: everything is done at once."""

    def __init__(self, days: Days) -> None:
        self._days = days

    def transact(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T:
        return self._days.transact(day, work)

    def exclusive(self, work: Callable[[Days], _T], /) -> _T:
        return work(self._days)

    def later(self, day: Day, work: Callable[[DayWriter], object], /) -> None:
        self._days.transact(day, work)


class ReadOnly:
    """For a command that only reads, beside a running server: every attempt to write is a bug."""

    def transact(self, _day: Day, _work: Callable[[DayWriter], _T], /) -> _T:
        raise AssertionError("a command that only reads must not write")

    def exclusive(self, _work: Callable[[Days], _T], /) -> _T:
        raise AssertionError("a command that only reads must not write")

    def later(self, _day: Day, _work: Callable[[DayWriter], object], /) -> None:
        raise AssertionError("a command that only reads must not write")


class ServerWriter:
    """For the threads of a running server: hands the work to the click log and waits for it.

    Made on the event loop of the click log, and used in other threads.
    """

    def __init__(self, click_log: ClickLog) -> None:
        self._click_log = click_log
        self._loop = asyncio.get_running_loop()

    def transact(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T:
        return asyncio.run_coroutine_threadsafe(self._click_log.run(day, work), self._loop).result()

    def exclusive(self, work: Callable[[Days], _T], /) -> _T:
        """Clicks wait while `work` runs, and `work` waits while the file of its day is detached."""
        while True:
            try:
                return asyncio.run_coroutine_threadsafe(self._click_log.exclusive(work), self._loop).result()
            except DetachedError:
                time.sleep(_DETACHED_SECONDS)

    def later(self, day: Day, work: Callable[[DayWriter], object], /) -> None:
        asyncio.run_coroutine_threadsafe(self._log_refusal(day, work), self._loop)

    async def _log_refusal(self, day: Day, work: Callable[[DayWriter], Any]) -> None:
        try:
            await self._click_log.run(day, work)
        except UnavailableError as error:
            log.warning("a background write was refused", extra={"reason": str(error)})

    def detached(self, day: Day, work: Callable[[], _T], /) -> _T:
        """Do `work` on the file of a day while the click log leaves that file alone; clicks of that day wait."""
        return asyncio.run_coroutine_threadsafe(self._click_log.detach(day, work), self._loop).result()


def in_portions(
    writer: Writer, day: Day, items: Sequence[_Item], do: Callable[[DayWriter, _Item], _T], *, world: World
) -> Iterator[list[_T]]:
    """Do `do` for each item, in transactions of about 5 ms, so that clicks in between hardly wait.

    Yields the results of each transaction once it is durable; the next transaction starts when they were taken.
    """
    done = 0

    def work(writer: DayWriter) -> list[_T]:
        ends_ms = world.steady_ms() + _PORTION_MS
        results = [do(writer, items[done])]
        while (place := done + len(results)) < len(items) and world.steady_ms() < ends_ms:
            results.append(do(writer, items[place]))
        return results

    while done < len(items):
        results = writer.transact(day, work)
        done += len(results)
        yield results
