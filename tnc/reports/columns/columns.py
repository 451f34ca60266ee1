"""Columns for reports: per day the clicks and what became of them, without a word about a person.

They are a copy that can be thrown away: fed by number from the day files, made again when they are torn,
gone with the day by removing its folder. Three kinds of Parquet files lie there, each row with every
dimension of its click: `clicks`, `landers` (somebody went on from a lander), `conversions` (as they stand).
"""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date as Date
from pathlib import Path
from typing import Self

from tnc.core.errors import FailedError
from tnc.core.models import WorkspaceId
from tnc.reports.columns.archive import ArchivedDay
from tnc.reports.columns.day_folder import DayFolder, locked_folders, remove_folder
from tnc.reports.columns.duck import Duck, UnreadableError, Values
from tnc.reports.columns.feed import CatchUp, DaySource, Feed
from tnc.reports.columns.rollup import Rollup
from tnc.reports.columns.schema import COLUMNS, KINDS

__all__ = ["CatchUp", "Columns", "DaySource"]


class Columns:
    """All columns below one folder. Of each workspace one process writes at a time, and none while one reads."""

    def __init__(self, folder: Path, *, memory_mb: int = 256) -> None:
        self.folder = folder
        self.duck = Duck(folder, memory_mb=memory_mb)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.duck.close()

    def catch_up(self, workspace: WorkspaceId, date: Date, source: DaySource, *, over: bool = False) -> CatchUp:
        """Write what is new in the source. `over`: the day gets no more clicks, so few files will do.

        A torn or unreadable day is made again. Raises FailedError when that does not work either.
        """
        with self._lock(workspace, fcntl.LOCK_EX):
            shelf = self._shelf(workspace, date)
            try:
                return Feed(self.duck, shelf, source).run(over=over)
            except UnreadableError:
                shelf.remove()
            try:
                return Feed(self.duck, self._shelf(workspace, date), source).run(over=over)
            except UnreadableError as error:
                raise FailedError(
                    f"the report columns of {date} cannot be written: {error}. Clicks are not concerned. "
                    "Look for free space and rights below the data directory, then ask again."
                ) from error

    def roll_up(self, workspace: WorkspaceId, date: Date, people: Iterable[tuple[int, int | None]]) -> None:
        """Make the sums of a day that outlive its clicks; its columns must be caught up. See `columns.rollup`."""
        with self._lock(workspace, fcntl.LOCK_EX):
            day = ArchivedDay(self.folder / workspace, date)
            Rollup(self.duck, self._shelf(workspace, date), day).make(people)

    def forget(self, workspace: WorkspaceId, date: Date) -> None:
        """Remove a day. What its source still has comes back with the next `catch_up`."""
        remove_folder(self.folder / workspace, date)

    def forget_unreadable(self, workspace: WorkspaceId, dates: Sequence[Date]) -> None:
        """Remove those of the days that cannot be read through to the end."""
        with self._lock(workspace, fcntl.LOCK_EX):
            for date in dates:
                shelf = self._shelf(workspace, date)
                if not self._is_readable(shelf):
                    shelf.remove()

    def _is_readable(self, shelf: DayFolder) -> bool:
        try:
            for kind in KINDS:
                values = Values()
                self.duck.rows(
                    f"select max(columns(*)) from {values.parquet(shelf.files(kind), COLUMNS[kind])}", values
                )
        except UnreadableError:
            return False
        return True

    @contextmanager
    def reading(self, workspace: WorkspaceId, dates: Sequence[Date]) -> Iterator[dict[Date, DayFolder]]:
        """The shelves of these days; while they are held, nobody writes or removes a file of them."""
        with self._lock(workspace, fcntl.LOCK_SH):
            yield {date: self._shelf(workspace, date) for date in dates}

    def _shelf(self, workspace: WorkspaceId, date: Date) -> DayFolder:
        return DayFolder(self.folder / workspace / date.isoformat())

    def _lock(self, workspace: WorkspaceId, operation: int) -> AbstractContextManager[None]:
        return locked_folders(self.folder / workspace, operation)
