"""The folder of one day's columns. `state.json` lists its files; a crash leaves either the old list or the new."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date as Date
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from tnc.reports.columns.cardinality import ParameterRecord
from tnc.reports.columns.schema import KINDS, Kind
from tnc.store.days.opted_out import OptedOutVisits

SCHEMA: Final = 1  # a day whose `state.json` has another number is made again from its clicks


class Part(Struct, frozen=True, kw_only=True):
    """One Parquet file with the rows of the records numbered `first` to `last`."""

    first: int
    last: int
    rows: int
    size: int  # bytes; a torn file has another size


class State(Struct, kw_only=True):
    """How far the columns of a day have come, by the numbers of records; -1 before the first."""

    schema: int = SCHEMA
    clicks: int = -1  # last click that was written
    counted: int = field(name="judged", default=-1)  # last click in `parameters`
    events: int = -1  # last event that was written
    parts: dict[Kind, list[Part]] = {}
    parameters: list[ParameterRecord] = field(name="guard", default_factory=list)
    known: list[tuple[str, str, str]] = []  # source, sub and verdict: what was known about the parameters above
    opted_out: list[OptedOutVisits] = []


class DayFolder:
    """A file that `state.json` does not name is left over from a crash, and is removed."""

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
        """Describe a file that was just written."""
        return Part(first=first, last=last, rows=rows, size=self.path(kind, first, last).stat().st_size)

    def save(self, *, durable: bool = True) -> None:
        """Write the state, then remove every file that it does not name."""
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
        """Remove every file that the state does not name."""
        if not self.folder.is_dir():
            return
        named = {"state.json"} | {Path(file).name for kind in KINDS for file in self.files(kind)}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()

    def reset(self, state: State) -> None:
        """Replace the state and remove the files of the old one."""
        self.state = state
        self.save()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def columns_lock(folder: Path, operation: int) -> Iterator[None]:
    """Hold the lock of a workspace's columns: `LOCK_SH` while reading, `LOCK_EX` to write or remove."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def remove_day_folder(folder: Path, date: Date) -> None:
    """Remove a day's columns below a workspace's folder, as soon as no process reads them."""
    with columns_lock(folder, fcntl.LOCK_EX):
        DayFolder(folder / date.isoformat()).remove()


def column_dates(folder: Path) -> Iterator[Date]:
    """The days of a workspace that have columns; `folder` is the workspace's."""
    for path in folder.glob("????-??-??"):
        with suppress(ValueError):
            yield Date.fromisoformat(path.name)


def files_to_merge(rows: list[int], *, most: int) -> int:
    """How many of the newest files to merge into one, given the rows of each, oldest first; 0 up to `most` files.

    Older files are included as long as they are at most twice as large as what is merged already, so the number
    of times that a row is copied grows with the logarithm of all rows.
    """
    if len(rows) <= most:
        return 0
    count, total = 1, rows[-1]
    while count < len(rows) and (count < 2 or most == 1 or rows[-count - 1] <= 2 * total):
        count += 1
        total += rows[-count]
    return count
