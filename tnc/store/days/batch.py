"""Batches of the click log: what waits for the writer, the results, and how long a batch waits for more clicks."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tnc.core.models import Click
from tnc.store.days.files import Day
from tnc.store.days.writer import ClickRow, ClickSealer, DayWriter


@dataclass(slots=True)
class WriteJob:
    day: Day
    work: Callable[[DayWriter], Any]
    future: "asyncio.Future[Any]"


class ClickCallback(Protocol):
    """Called once, on the loop. `durable`: the click is on disk; else it waits in memory, or was lost and counted."""

    def __call__(self, *, durable: bool) -> None: ...


@dataclass(slots=True, eq=False)
class PendingClick:
    """A click that waits to be written. `row` is its sealed row, or makes the click that is still to be sealed.

    `sealer` is the sealer of its day, when there is one on the loop. `done` is None once the visitor was redirected.
    """

    day: Day
    row: ClickRow | Callable[[], Click]
    done: ClickCallback | None
    sealer: ClickSealer | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Clicks with whether they are durable; jobs with their result, or the error that they raised."""

    clicks: list[tuple[PendingClick, bool]]
    jobs: list[tuple[WriteJob, Any, BaseException | None]]


def resolve(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # its caller was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


BUSY_PER_SECOND: Final = 1_000
MAX_DELAY_SECONDS: Final = 0.006
_DELAY_PER_RATE: Final = 1.5e-6  # seconds for each click a second
_SAMPLE: Final = 32


class CommitDelay:
    """How long a batch waits for more clicks, by the rate of the last 32. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._arrivals: deque[float] = deque(maxlen=_SAMPLE)

    def arrived(self, at_s: float) -> None:
        self._arrivals.append(at_s)

    def delay_s(self) -> float:
        """Seconds until the batch should be written; 0 at up to 1,000 clicks a second."""
        if len(self._arrivals) < _SAMPLE:
            return 0.0
        took_s = self._arrivals[-1] - self._arrivals[0]
        if took_s * BUSY_PER_SECOND > _SAMPLE:
            return 0.0
        per_second = _SAMPLE / max(took_s, 1e-6)
        return min(MAX_DELAY_SECONDS, per_second * _DELAY_PER_RATE)
