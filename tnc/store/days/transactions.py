"""Work done in the writer's transactions, one or many short ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from tnc.core.clock import World
from tnc.store.days.click_log import Day
from tnc.store.days.writer import DayWriter

_T = TypeVar("_T")
_Item = TypeVar("_Item")

_PORTION_MS: Final = 5


class Transact(Protocol):
    """Whoever has the writer lends it: for `work` in one durable transaction."""

    def __call__(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T: ...


def in_portions(
    transact: Transact, day: Day, items: Sequence[_Item], do: Callable[[DayWriter, _Item], _T], *, world: World
) -> Iterator[list[_T]]:
    """Do something to each of many, in transactions so short that whoever clicks meanwhile does not notice.

    What each transaction gave, as soon as it is durable; the next one begins when that was taken.
    """
    done = 0

    def work(writer: DayWriter) -> list[_T]:
        ends_ms = world.steady_ms() + _PORTION_MS
        given = [do(writer, items[done])]
        while (place := done + len(given)) < len(items) and world.steady_ms() < ends_ms:
            given.append(do(writer, items[place]))
        return given

    while done < len(items):
        given = transact(day, work)
        done += len(given)
        yield given


def no_writing(_day: Day, _work: Callable[[DayWriter], _T]) -> _T:
    """For those who only look."""
    raise AssertionError("looking writes nothing")
