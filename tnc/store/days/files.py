"""The day files as seen by their only writer."""

import os
import secrets
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
from tnc.store.damage import put_day_aside
from tnc.store.days.numbers import SequenceNumbers
from tnc.store.days.writer import ClickSealer, DayWriter, day_path
from tnc.store.keys.keyring import DayKeys, Keyring
from tnc.store.keys.sealed_file import GONE
from tnc.store.migrations import read_uri

_T = TypeVar("_T")
Day = tuple[WorkspaceId, Date]

_OPEN_DAYS: Final = 4
_LOST_DIGITS: Final = 16
_NUMBERS_APART: Final = 1 << 22
_STEP_BYTES: Final = 16 << 20
_PAUSE_SECONDS: Final = 0.005


def has_clicks(path: Path) -> bool:
    """Whether a file holds any click; a damaged one holds none."""
    try:
        with closing(sqlite3.connect(read_uri(path), uri=True)) as database:
            return database.execute("select 1 from clicks limit 1").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


def count_clicks(path: Path) -> int:
    """The number of clicks in a file, without its keys; 0 when the file is damaged."""
    try:
        with closing(sqlite3.connect(read_uri(path), uri=True)) as database:
            return int(database.execute("select count(*) from clicks").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def remove_in_steps(path: Path) -> None:
    """Truncate a large file piece by piece, then unlink it.

    Unlinked at once, the file system frees all its blocks in one transaction, and commits of clicks wait for that:
    measured on ext4 with 437 MB, 90 to 150 ms against 12.
    """
    size = path.stat().st_size
    while size > 0:
        size = max(0, size - _STEP_BYTES)
        os.truncate(path, size)
        time.sleep(_PAUSE_SECONDS)
    path.unlink()


def date_in_path(path: Path) -> str | None:
    """The ISO date in the name of a file or of a folder above it; None when there is none."""
    for part in path.parts:
        with suppress(ValueError):
            return Date.fromisoformat(part[:10]).isoformat()
    return None


class LostClicks:
    """A number of clicks that were lost at a stop, for the next start. Its file is allocated while there is room, so
    that it can be written when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def allocate(self) -> None:
        """Raises OSError."""
        if not self._path.exists():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write(0)

    def read(self) -> int:
        try:
            return max(0, int(self._path.read_bytes()[:_LOST_DIGITS]))
        except (OSError, ValueError):
            return 0

    def write(self, number: int) -> None:
        """In place, durable when this returns. Raises OSError."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, b"%0*d" % (_LOST_DIGITS, number), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class DetachedError(UnavailableError):
    """The day's file is detached: for some seconds another thread works on it."""


class Days:
    """The day files of a data directory for their only writer. Opens them on demand; keeps the last four open."""

    def __init__(self, folder: Path, keyring: Keyring, dictionary: Callable[[], bytes] = bytes) -> None:
        """`dictionary` gives the dictionary for the keys of a new day; see `DayKeys`."""
        self.folder = folder
        self._keyring = keyring
        self._dictionary = dictionary
        self._open: OrderedDict[Day, DayWriter] = OrderedDict()
        self._numbers: dict[Day, SequenceNumbers] = {}
        self._detached: set[Day] = set()

    def writer(self, day: Day) -> DayWriter:
        """The writer of a day; makes the keys and the file of a new day. Raises DetachedError, RefusedError."""
        self._check_attached(day)
        found = self._open.get(day)
        if found is None:
            numbers = self._numbers.setdefault(day, SequenceNumbers())
            path = day_path(self.folder, *day)
            # Far from the numbers of a file that was lost: copies of its rows in backups open by the same key.
            lost = self._keyring.has_day(*day) and not path.exists()
            first = _NUMBERS_APART * (1 + secrets.randbelow(32)) if lost else 0
            found = self._open[day] = DayWriter(path, self._keys(day), numbers, first_seq=first)
            while len(self._open) > _OPEN_DAYS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(day)
        return found

    def restore_deleted(self) -> list[tuple[Day, Path | None]]:
        """Write each open file anew that was deleted or replaced under the server: all its rows can still be read.

        Returns these days, each with the path to which what was in the place of the file was moved. Raises OSError and
        sqlite3.Error; then the file is as it was.
        """
        restored: list[tuple[Day, Path | None]] = []
        for day, writer in list(self._open.items()):
            if not writer.has_file():
                new = writer.copy()
                del self._open[day]
                writer.close()
                aside = put_day_aside(writer.path) if writer.path.exists() else None
                new.replace(writer.path)
                restored.append((day, aside))
        return restored

    def put_aside(self, day: Day) -> Path:
        """Close a damaged file and rename it; the next use begins a new one under the same key."""
        self.close_day(day)
        return put_day_aside(day_path(self.folder, *day))

    def drop(self, day: Day) -> list[Path]:
        """Destroy the keys of a day, then rename its files; returns the files, which the caller removes.

        A crash in between leaves a file without keys, which the next call renames.
        """
        self.close_day(day)
        self._numbers.pop(day, None)
        self._keyring.destroy_day(*day)
        path = day_path(self.folder, *day)
        files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
        return [file.replace(file.with_name(file.name + GONE)) for file in files if file.exists()]

    def removed_files(self, workspace: WorkspaceId) -> list[Path]:
        """Files that `drop` renamed and a crash left."""
        return sorted((self.folder / workspace).glob(f"*{GONE}"))

    def _keys(self, day: Day) -> DayKeys:
        try:
            return self._keyring.day(*day)
        except NotFoundError:
            if day_path(self.folder, *day).exists():
                raise RefusedError(
                    f"there are clicks of {day[1]} but no key for them in {self._keyring.folder}; restore the newest "
                    "copy of that folder."
                ) from None
            return self._keyring.create_day(*day, dictionary=self._dictionary())

    def sealer(self, day: Day) -> ClickSealer:
        """For another thread: makes rows of a day, with its own copy of the keys and the writer's sequence numbers."""
        self.writer(day)
        return ClickSealer(self._keyring.open_day(*day), self._numbers[day])

    def transact(self, day: Day, work: Callable[[DayWriter], _T]) -> _T:
        """Do `work` in one durable transaction; when it raises, its changes are undone."""
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
        """Close a day's file and refuse it until `reattach`: another thread will write it. Raises DetachedError."""
        self.close_day(day)
        self._detached.add(day)

    def reattach(self, day: Day) -> None:
        self._detached.discard(day)

    def is_detached(self, day: Day) -> bool:
        return day in self._detached

    def _check_attached(self, day: Day) -> None:
        if day in self._detached:
            raise DetachedError(f"the file of {day[1]} is being reorganised; try again in a few seconds.")

    def close_day(self, day: Day) -> None:
        """Close a day's file; the next use opens it again. Raises DetachedError."""
        self._check_attached(day)
        found = self._open.pop(day, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
