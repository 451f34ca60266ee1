"""The folder of one day's columns: which files count, written so that a crash leaves the old or the new."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date as Date
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tnc.reports.columns.cardinality import TallyRecord
from tnc.reports.columns.schema import KINDS, Kind

SCHEMA: Final = 1  # another number in `state.json`: the day is made again from its clicks


class Part(Struct, frozen=True, kw_only=True):
    """One Parquet file with the rows of these numbers, both ends included."""

    first: int
    last: int
    rows: int
    size: int  # bytes: a torn file has another one


class State(Struct, kw_only=True):
    """How far the columns of a day have come. Numbers are -1 before the first."""

    schema: int = SCHEMA
    clicks: int = -1  # number of the last click that was written
    judged: int = -1  # and of the last one that the guard counted
    events: int = -1
    parts: dict[Kind, list[Part]] = {}
    guard: list[TallyRecord] = []


class DayFolder:
    """What is not named in `state.json` does not exist: leftovers of a crash are swept away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = self._load()

    def _load(self) -> State:
        """The state on disk; a new one when it is missing, damaged, or of another schema."""
        try:
            state = msgspec.json.decode((self.folder / "state.json").read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return State()
        whole = all(self._is_whole(kind, part) for kind, parts in state.parts.items() for part in parts)
        return state if state.schema == SCHEMA and whole else State()

    def _is_whole(self, kind: Kind, part: Part) -> bool:
        path = self.path(kind, part.first, part.last)
        return path.is_file() and path.stat().st_size == part.size

    def path(self, kind: Kind, first: int, last: int) -> Path:
        return self.folder / f"{kind}-{first}-{last}.parquet"

    def parts(self, kind: Kind) -> list[Part]:
        return self.state.parts.setdefault(kind, [])

    def files(self, kind: Kind) -> list[str]:
        return [str(self.path(kind, part.first, part.last)) for part in self.parts(kind)]

    def part(self, kind: Kind, first: int, last: int, *, rows: int) -> Part:
        """The description of a file that was just written."""
        return Part(first=first, last=last, rows=rows, size=self.path(kind, first, last).stat().st_size)

    def save(self, *, durable: bool = True) -> None:
        """What the state does not name is gone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.folder / "state.json.new"
        with new.open("wb") as file:
            file.write(msgspec.json.encode(self.state))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        new.replace(self.folder / "state.json")
        self.sweep()

    def sweep(self) -> None:
        """Drop every file that the state does not name."""
        if not self.folder.is_dir():
            return
        named = {"state.json"} | {Path(file).name for kind in KINDS for file in self.files(kind)}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()

    def start_again(self, state: State) -> None:
        """Forget what was written; `state` says what is still known."""
        self.state = state
        self.save()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def locked_folders(folder: Path, operation: int) -> Iterator[None]:
    """Hold the lock of a workspace's columns: `LOCK_SH` while reading, `LOCK_EX` to write or remove."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def remove_folder(folder: Path, date: Date) -> None:
    """Remove the columns of a day of a workspace, once nobody reads them; what its source still has comes back."""
    with locked_folders(folder, fcntl.LOCK_EX):
        DayFolder(folder / date.isoformat()).remove()


def all_folders(folder: Path) -> Iterator[Date]:
    """Days of a workspace of which there are columns."""
    for path in folder.glob("????-??-??"):
        with suppress(ValueError):
            yield Date.fromisoformat(path.name)


def tail_to_merge(rows: list[int], *, most: int) -> int:
    """How many of the newest files to make one of, given their rows, oldest first; 0 when they are few.

    Older files are taken along while they are not much larger than what is merged already: so a row is
    copied a number of times that grows with the logarithm of all rows only.
    """
    if len(rows) <= most:
        return 0
    count, total = 1, rows[-1]
    while count < len(rows) and (count < 2 or most == 1 or rows[-count - 1] <= 2 * total):
        count += 1
        total += rows[-count]
    return count
