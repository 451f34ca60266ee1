"""The sorting room: deliveries are opened and sealed in a thread of their own, beside the writer and the loop.

Opening a hundred takes twenty milliseconds, for which no click shall wait in line.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from typing import Final, TypeVar

from tnc.deliver.leases import Sealed
from tnc.errors import NotFoundError
from tnc.model import Click, ConversionChange
from tnc.process import giving_way
from tnc.store.days import DayReader
from tnc.store.deliveries import DeliveryRow
from tnc.store.stories import Stories, click_now
from tnc.world import World

_T = TypeVar("_T")

_KEPT_MS: Final = 500
"""A day is kept open so long: whatever was claimed is still there, and what was erased is soon not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A delivery that may go now, with all that it is made from.

    `click` is by what it is called now, so that nobody is told any more of who turned out to be no person; None when
    it is gone. `is_known`: an earlier word about its conversion may be there.
    """

    row: DeliveryRow
    click: Click | None
    changes: Sequence[ConversionChange]
    is_known: bool


class SortingRoom:
    def __init__(self, stories: Stories, world: World) -> None:
        self._stories = stories
        self._world = world
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sorting")
        self._open = ExitStack()
        self._day: tuple[Date, int, DayReader] | None = None

    async def open(self, date: Date, seqs: Sequence[int]) -> list[Taken]:
        """What was claimed, in its order; what was erased since is left out."""

        def work() -> list[Taken]:
            found = (_taken(self._reader(date), seq) for seq in giving_way(seqs))
            return [each for each in found if each is not None]

        return await self._do(work)

    async def seal(self, date: Date, rows: Iterable[DeliveryRow]) -> list[Sealed]:
        def work() -> list[Sealed]:
            sealed = ((row, self._reader(date).deliveries.seal(row)) for row in giving_way(rows))
            return [(row, part) for row, part in sealed if part is not None]

        return await self._do(work)

    async def _do(self, work: Callable[[], list[_T]]) -> list[_T]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except NotFoundError:
            return []  # the day is over its retention, and its deliveries with it

    def close(self) -> None:
        self._thread.submit(self._open.close).result()
        self._thread.shutdown()

    def _reader(self, date: Date) -> DayReader:
        now_ms = self._world.steady_ms()
        if self._day is not None and self._day[0] == date and now_ms < self._day[1]:
            return self._day[2]
        self._open.close()
        self._day = None
        reader = self._open.enter_context(self._stories.day(date))
        self._day = (date, now_ms + _KEPT_MS, reader)
        return reader


def _taken(reader: DayReader, seq: int) -> Taken | None:
    row = reader.deliveries.find(seq)
    if row is None:
        return None
    events = reader.events_of(row.click_seq, up_to=row.event_seq)
    changes = [each for each in events if isinstance(each, ConversionChange)]
    return Taken(row=row, click=click_now(reader, row.click_seq), changes=changes, is_known=_is_known(reader, row))


def _is_known(reader: DayReader, row: DeliveryRow) -> bool:
    if row.seq == row.first_seq:
        return False
    earlier = (each for each in reader.deliveries.of_click(row.click_seq) if each.seq < row.seq)
    return any(each.may_be_there for each in earlier if each.first_seq == row.first_seq)
