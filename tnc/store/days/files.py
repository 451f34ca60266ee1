"""The day files as their one writer holds them."""

import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date as Date
from pathlib import Path
from typing import Final, TypeVar

from tnc.core.errors import NotFoundError, RefusedError, UnavailableError
from tnc.core.models import WorkspaceId
from tnc.store.days.writer import ClickSealer, DayWriter, SequenceNumbers, day_path
from tnc.store.keys.keyring import DayKeys, Keyring
from tnc.store.keys.sealed_file import GONE

_T = TypeVar("_T")
Day = tuple[WorkspaceId, Date]

_OPEN_DAYS: Final = 4
_PIECE: Final = 16 << 20
_PAUSE_SECONDS: Final = 0.005


def count_clicks(path: Path) -> int:
    """How many clicks a file holds, without its keys; a damaged one holds none that anybody could read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute("select count(*) from clicks").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def remove_in_steps(path: Path) -> None:
    """Unlink a large file a piece at a time.

    At once, the file system frees all its blocks in one transaction, for which the commits of clicks wait: measured on
    ext4 with 437 MB, 90 to 150 ms against 12.
    """
    size = path.stat().st_size
    while size > 0:
        size = max(0, size - _PIECE)
        os.truncate(path, size)
        time.sleep(_PAUSE_SECONDS)
    path.unlink()


def date_in_path(path: Path) -> str | None:
    """The day to which a file belongs, by its name or that of a folder."""
    for part in path.parts:
        with suppress(ValueError):
            return Date.fromisoformat(part[:10]).isoformat()
    return None


class DetachedError(UnavailableError):
    """Somebody else has the day's file for some seconds."""


class Days:
    """The day files as their one writer holds them: opened when needed, the least used closed again."""

    def __init__(self, folder: Path, keyring: Keyring, dictionary: Callable[[], bytes] = bytes) -> None:
        """`words` are those that the records of a new day need not say again."""
        self.folder = folder
        self._keyring = keyring
        self._dictionary = dictionary
        self._open: OrderedDict[Day, DayWriter] = OrderedDict()
        self._numbers: dict[Day, SequenceNumbers] = {}
        self._detached: set[Day] = set()

    def writer(self, day: Day) -> DayWriter:
        """The writer of a day; makes its keys and then its file when it is new. Raises LentError."""
        self._check_here(day)
        found = self._open.get(day)
        if found is None:
            numbers = self._numbers.setdefault(day, SequenceNumbers())
            found = self._open[day] = DayWriter(day_path(self.folder, *day), self._keys(day), numbers)
            while len(self._open) > _OPEN_DAYS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(day)
        return found

    def drop(self, day: Day) -> list[Path]:
        """Destroy the key of a day, then take its files out of sight; they are returned, to be removed at leisure.

        A crash on the way leaves a file without a key, which the next call takes away.
        """
        self.close_day(day)
        self._numbers.pop(day, None)
        self._keyring.destroy_day(*day)
        path = day_path(self.folder, *day)
        files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
        return [file.replace(file.with_name(file.name + GONE)) for file in files if file.exists()]

    def removed_files(self, workspace: WorkspaceId) -> list[Path]:
        """Files that were taken out of sight before a crash."""
        return sorted((self.folder / workspace).glob(f"*{GONE}"))

    def _keys(self, day: Day) -> DayKeys:
        try:
            return self._keyring.day(*day)
        except NotFoundError:
            if day_path(self.folder, *day).exists():
                raise RefusedError(
                    f"there are clicks of {day[1]} but no key for them in {self._keyring.folder}; put the newest copy "
                    "of that folder back."
                ) from None
            return self._keyring.create_day(*day, dictionary=self._dictionary())

    def sealer(self, day: Day) -> ClickSealer:
        """For another thread: makes rows of a day with keys of its own and the writer's numbers."""
        self.writer(day)
        return ClickSealer(self._keyring.open_day(*day), self._numbers[day])

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

    def detach(self, day: Day) -> None:
        """Let somebody else have a day's file to write, until it is taken back. Raises LentError when somebody has."""
        self.close_day(day)
        self._detached.add(day)

    def reattach(self, day: Day) -> None:
        self._detached.discard(day)

    def is_detached(self, day: Day) -> bool:
        return day in self._detached

    def _check_here(self, day: Day) -> None:
        if day in self._detached:
            raise DetachedError(f"the clicks of {day[1]} are being put in order; try again in a few seconds.")

    def close_day(self, day: Day) -> None:
        """Close a day; the next use opens it anew. Raises LentError: whoever asks wants nobody to have it open."""
        self._check_here(day)
        found = self._open.pop(day, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
