"""What stands in line for the writer of clicks, and what became of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tnc.model import Click
from tnc.store.dayfiles import Day
from tnc.store.days import ClickRow, ClickSealer, DayWriter


@dataclass(slots=True)
class Job:
    day: Day
    work: Callable[[DayWriter], Any]
    future: "asyncio.Future[Any]"


class Done(Protocol):
    """Told once, on the loop, what became of a click: durable, or in line, or given up and counted."""

    def __call__(self, *, durable: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Put:
    """A click in line: sealed on the loop, where a sealer of its day was ready, else as it is.

    `done` is called once, on the loop; None when its visitor went on already.
    """

    day: Day
    row: ClickRow | Callable[[], Click]
    done: Done | None
    sealer: ClickSealer | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: clicks with whether they are durable, other work with what it gave or why not."""

    clicks: list[tuple[Put, bool]]
    jobs: list[tuple[Job, Any, BaseException | None]]


def settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # given up by its caller
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
