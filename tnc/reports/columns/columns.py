"""All report columns below one folder: bring a day up to date, archive it, remove it, read it under a lock."""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date as Date
from pathlib import Path
from typing import Self

from tnc.core.errors import FailedError
from tnc.core.models import WorkspaceId
from tnc.reports.columns.archive import ArchivedDay
from tnc.reports.columns.cardinality import NOTHING_KNOWN, Known, ParameterRecord
from tnc.reports.columns.day_folder import DayFolder, columns_lock, remove_day_folder
from tnc.reports.columns.duck import Duck, UnreadableError, Values
from tnc.reports.columns.feed import CatchUpResult, DaySource, Feed
from tnc.reports.columns.rollup import DayRollup
from tnc.reports.columns.schema import COLUMNS, KINDS

__all__ = ["CatchUpResult", "Columns", "DaySource"]


class Columns:
    """Several processes may use the same folder: one at a time writes to a workspace, and none while another reads."""

    def __init__(self, folder: Path, *, memory_mb: int = 256) -> None:
        self.folder = folder
        self.duck = Duck(folder, memory_mb=memory_mb)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.duck.close()

    def catch_up(
        self,
        workspace: WorkspaceId,
        date: Date,
        source: DaySource,
        *,
        over: bool = False,
        known: Known = NOTHING_KNOWN,
    ) -> CatchUpResult:
        """Write what is new in the source. `over`: the day gets no more clicks, so its files are merged into one
        of each kind. `known`: about its parameters, beside the day.

        A damaged day is made again. Raises FailedError when that does not work either.
        """
        with self._lock(workspace, fcntl.LOCK_EX):
            folder = self._day_folder(workspace, date)
            try:
                return Feed(self.duck, folder, source, known).run(over=over)
            except UnreadableError:
                folder.remove()
            try:
                return Feed(self.duck, self._day_folder(workspace, date), source, known).run(over=over)
            except UnreadableError as error:
                raise FailedError(
                    f"the report columns of {date} cannot be written: {error}. Clicks are not affected. "
                    "Check free space and permissions below the data directory, then run the report again."
                ) from error

    def roll_up(self, workspace: WorkspaceId, date: Date, visitors: Iterable[tuple[int, int | None]]) -> None:
        """Make the archive of a day; its columns must be up to date. For `visitors` see `DayRollup`."""
        with self._lock(workspace, fcntl.LOCK_EX):
            day = ArchivedDay(self.folder / workspace, date)
            DayRollup(self.duck, self._day_folder(workspace, date), day).make(visitors)

    def parameters(self, workspace: WorkspaceId, dates: Iterable[Date]) -> dict[Date, list[ParameterRecord]]:
        """What is known of the free parameters of these days, as far as their columns have come."""
        with self._lock(workspace, fcntl.LOCK_SH):
            return {date: self._day_folder(workspace, date).state.parameters for date in dates}

    def remove(self, workspace: WorkspaceId, date: Date) -> None:
        """Remove a day. The next `catch_up` writes again what its source still has."""
        remove_day_folder(self.folder / workspace, date)

    def remove_unreadable(self, workspace: WorkspaceId, dates: Sequence[Date]) -> None:
        """Remove the days of which some file cannot be read to its end."""
        with self._lock(workspace, fcntl.LOCK_EX):
            for date in dates:
                folder = self._day_folder(workspace, date)
                if not self._is_readable(folder):
                    folder.remove()

    def _is_readable(self, folder: DayFolder) -> bool:
        try:
            for kind in KINDS:
                values = Values()
                self.duck.rows(
                    f"select max(columns(*)) from {values.parquet(folder.files(kind), COLUMNS[kind])}", values
                )
        except UnreadableError:
            return False
        return True

    @contextmanager
    def reading(self, workspace: WorkspaceId, dates: Sequence[Date]) -> Iterator[dict[Date, DayFolder]]:
        """The folders of these days; until the block ends, no process writes or removes a file in them."""
        with self._lock(workspace, fcntl.LOCK_SH):
            yield {date: self._day_folder(workspace, date) for date in dates}

    def _day_folder(self, workspace: WorkspaceId, date: Date) -> DayFolder:
        return DayFolder(self.folder / workspace / date.isoformat())

    def _lock(self, workspace: WorkspaceId, operation: int) -> AbstractContextManager[None]:
        return columns_lock(self.folder / workspace, operation)
