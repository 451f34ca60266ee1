"""What was found damaged or missing in a data directory, and what is put aside so that everything else goes on.

A damaged file gets the ending `.damaged`. What was found is noted in `damage.json`, which doctor, the health page and
the dashboard read; deleting that file acknowledges the notes. It holds dates and counts, nothing about a visitor.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import date as Date
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from tnc.core.errors import FailedError, NotFoundError, RefusedError, UnavailableError
from tnc.core.models import WorkspaceId
from tnc.store.days.schema import is_empty, open_to_read
from tnc.store.keys.keyring import Keyring
from tnc.store.keys.sealed_file import overwrite
from tnc.store.migrations import is_damage

log = logging.getLogger(__name__)

DAMAGED: Final = ".damaged"
_TABLES: Final = ("clicks", "events", "deliveries", "inbox")
_LARGEST_NOTES_BYTES: Final = 1 << 20


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found: what is wrong, and what to type."""

    subject: str  # a path in the data directory
    text: str
    fix: str
    found_at_ms: int
    date: str | None = None  # of the day whose clicks are concerned
    aside: str | None = None  # the path that the file has now; the note ends when that file is gone


class _Notes(msgspec.Struct, kw_only=True):
    found: list[Damage] = []
    clicks: dict[str, int] = {}  # clicks by day, as counted last


class DamageNotes:
    """The notes of one data directory. Safe for several threads; a disk that cannot be written loses no note here."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / "damage.json"
        self._lock = Lock()
        self._notes = self._read()
        self._stored = self._path.exists()

    def _read(self) -> _Notes:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST_NOTES_BYTES), type=_Notes)
        except (OSError, msgspec.MsgspecError):
            return _Notes()

    def all(self) -> list[Damage]:
        """Notes whose file was neither put back nor removed; none when the owner has deleted their file."""
        if self._stored and not self._path.exists():
            self._notes.found = []
        return [each for each in self._notes.found if each.aside is None or (self._data / each.aside).exists()]

    def add(self, damage: Damage) -> None:
        """Note what was found; it takes the place of an earlier note of the same subject."""
        log.error("damage was found", extra={"file": damage.subject, "reason": damage.text})
        with self._lock:
            others = [each for each in self._notes.found if each.subject != damage.subject]
            self._notes.found = [*others, damage]
            self._write()

    def end(self, subject: str) -> None:
        """It is in order again."""
        with self._lock:
            others = [each for each in self._notes.found if each.subject != subject]
            if len(others) < len(self._notes.found):
                self._notes.found = others
                self._write()

    def counted(self) -> dict[Date, int]:
        """Clicks by day, as `count` was told last."""
        return {Date.fromisoformat(date): number for date, number in self._notes.clicks.items()}

    def count(self, clicks: dict[Date, int]) -> None:
        """Remember how many clicks each day has; notes of days that are not kept any longer end."""
        listed = {date.isoformat(): number for date, number in clicks.items()}
        with self._lock:
            if listed != self._notes.clicks:
                self._notes.clicks = listed
                self._write()

    def keep_since(self, oldest: Date) -> None:
        """Forget the notes of days before this one, and destroy what was put aside of them: its term is over too."""
        with self._lock:
            kept = [each for each in self._notes.found if each.date is None or each.date >= oldest.isoformat()]
            for each in self._notes.found:
                if each not in kept and each.aside is not None:
                    _destroy(self._data / each.aside)
            if len(kept) < len(self._notes.found):
                self._notes.found = kept
                self._write()

    def _write(self) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.write_bytes(msgspec.json.encode(self._notes))
            new.replace(self._path)
            self._stored = True
        except OSError as error:
            log.warning("notes of damage could not be stored", extra={"reason": error.strerror})


def _destroy(aside: Path) -> None:
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    elif aside.exists():
        overwrite(aside)
        aside.unlink()


# ------------------------------------------------------------------------------------------------- days


def day_damage(path: Path, keyring: Keyring, workspace: WorkspaceId, date: Date) -> tuple[str | None, str | None]:
    """What is wrong with the key and with the file of a day; None for what is in order.

    Looks at the ends of each table only, so that a start does not wait for it. Raises UnavailableError when the file
    cannot be opened for another reason, RefusedError when a newer tnc wrote it.
    """
    return _key_damage(keyring, workspace, date), _file_damage(path)


def _key_damage(keyring: Keyring, workspace: WorkspaceId, date: Date) -> str | None:
    try:
        keyring.open_day(workspace, date)
    except NotFoundError:
        return "its key is missing"
    except (FailedError, RefusedError) as error:
        return f"its key does not open: {error}"
    return None


def _file_damage(path: Path) -> str | None:
    if path.is_dir():
        return "a directory is in its place"
    try:
        with closing(open_to_read(path)) as database:
            if not is_empty(database):
                for table in _TABLES:
                    for order in ("asc", "desc"):
                        database.execute(f"select * from {table} order by seq {order} limit 1").fetchall()
                database.execute("select * from numbers").fetchall()
    except UnavailableError:
        raise
    except FailedError as error:
        return str(error)
    except sqlite3.DatabaseError as error:
        if not is_damage(error) and not isinstance(error, sqlite3.OperationalError):
            raise
        return str(error)  # a table that is not there is an OperationalError
    return None


def put_aside(path: Path) -> Path:
    """Rename a file, or what is in its place, to a name that nothing reads; the new path."""
    number, aside = 1, path.with_name(path.name + DAMAGED)
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{DAMAGED}{number}")
    path.replace(aside) if not path.is_dir() else os.rename(path, aside)  # noqa: PTH104 - also for a directory
    return aside


def put_day_aside(path: Path) -> Path:
    """A day file with its write-ahead log; the new path of the file."""
    aside = put_aside(path)
    for ending in ("-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            os.rename(beside, aside.with_name(aside.name + ending))  # noqa: PTH104 - may be a directory
    return aside


def put_damaged_days_aside(
    notes: DamageNotes, data: Path, folder: Path, keyring: Keyring, workspace: WorkspaceId, *, now_ms: int
) -> None:
    """At a start, while no day file is open: put damaged days aside, take back those that were repaired."""
    _take_back(notes, folder, keyring, workspace, data)
    for path in sorted((folder / workspace).glob("????-??-??.db")):
        try:
            date = Date.fromisoformat(path.stem)
            for beside in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                if beside.is_dir():
                    put_aside(beside)
            key, file = day_damage(path, keyring, workspace, date)
        except (RefusedError, UnavailableError, OSError, ValueError) as error:
            log.error("a day file cannot be examined", extra={"file": path.name, "reason": str(error)})  # noqa: TRY400
            continue
        if key is None and file is None:
            continue
        try:
            if key is not None and keyring.has_day(workspace, date):
                put_aside(keyring.day_path(workspace, date))
            aside = put_day_aside(path)
        except OSError as error:
            log.error("a damaged day could not be put aside", extra={"file": path.name, "reason": error.strerror})  # noqa: TRY400
            continue
        notes.add(_of_day(path.relative_to(data), date, file or key or "", aside.relative_to(data), now_ms=now_ms))


def _of_day(path: Path, date: Date, why: str, aside: Path, *, now_ms: int) -> Damage:
    return Damage(
        subject=str(path),
        text=f"The clicks of {date} are damaged and were put aside as {aside}: {why.rstrip('.')}. Other days go on.",
        fix=f"Restore {date} from a backup (tnc backup restore), or delete {aside} to go without it.",
        found_at_ms=now_ms,
        date=date.isoformat(),
        aside=str(aside),
    )


def _take_back(notes: DamageNotes, folder: Path, keyring: Keyring, workspace: WorkspaceId, data: Path) -> None:
    """A day that was put aside because of its key is whole again when its key is back."""
    for aside in sorted((folder / workspace).glob(f"????-??-??.db{DAMAGED}")):
        path = aside.with_name(aside.name.removesuffix(DAMAGED))
        if path.exists() or aside.is_dir():
            continue
        try:
            whole = day_damage(aside, keyring, workspace, Date.fromisoformat(path.stem)) == (None, None)
        except (RefusedError, UnavailableError, OSError, ValueError):
            continue
        if whole:
            for ending in ("-wal", "-shm", ""):
                beside = aside.with_name(aside.name + ending)
                if beside.exists():
                    beside.replace(path.with_name(path.name + ending))
            notes.end(str(path.relative_to(data)))


def note_vanished(
    notes: DamageNotes, counted: Iterable[tuple[Date, int]], present: dict[Date, int], folder: Path, *, now_ms: int
) -> None:
    """Note each day that had clicks, and has no file or an empty one now. `folder`: of the day files, in messages."""
    known = {each.subject for each in notes.all()}
    for date, clicks in counted:
        name = f"{folder}/{date}.db"
        if clicks and not present.get(date) and name not in known:
            notes.add(
                Damage(
                    subject=name,
                    text=f"{name} is missing or empty; {clicks} clicks of {date} were recorded in it.",
                    fix=f"Put the file back, or restore {date} from a backup (tnc backup restore). To acknowledge the "
                    "loss, delete damage.json in the data directory.",
                    found_at_ms=now_ms,
                    date=date.isoformat(),
                )
            )
        elif present.get(date) and name in known:
            aside = {each.subject: each.aside for each in notes.all()}[name]
            if aside is None and present[date] >= clicks > 0:
                notes.end(name)
