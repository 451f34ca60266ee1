"""What stands in line for the writer of clicks, and what became of it."""

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
    """Told once, on the loop, what became of a click: durable, or in line, or given up and counted."""

    def __call__(self, *, durable: bool) -> None: ...


@dataclass(slots=True, eq=False)
class PendingClick:
    """A click in line: sealed on the loop, where a sealer of its day was ready, else as it is.

    `done` is called once, on the loop; None when its visitor went on already.
    """

    day: Day
    row: ClickRow | Callable[[], Click]
    done: ClickCallback | None
    sealer: ClickSealer | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: clicks with whether they are durable, other work with what it gave or why not."""

    clicks: list[tuple[PendingClick, bool]]
    jobs: list[tuple[WriteJob, Any, BaseException | None]]


def resolve(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # given up by its caller
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


BUSY_PER_SECOND: Final = 1_000
LONGEST_SECONDS: Final = 0.006
_SECONDS_FOR_EACH_PER_SECOND: Final = 1.5e-6
_LOOKED_AT: Final = 32


class CommitDelay:
    """Times are seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._arrivals: deque[float] = deque(maxlen=_LOOKED_AT)

    def arrived(self, at_s: float) -> None:
        self._arrivals.append(at_s)

    def delay_s(self) -> float:
        """How long what is in line should still wait; 0: not at all."""
        if len(self._arrivals) < _LOOKED_AT:
            return 0.0
        took_s = self._arrivals[-1] - self._arrivals[0]
        if took_s * BUSY_PER_SECOND > _LOOKED_AT:
            return 0.0
        per_second = _LOOKED_AT / max(took_s, 1e-6)
        return min(LONGEST_SECONDS, per_second * _SECONDS_FOR_EACH_PER_SECOND)
