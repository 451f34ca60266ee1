"""The keyring: one key file per day and workspace, one per workspace, one for the installation.

    key-encryption key (key file outside the data directory)
     +- ring/<workspace>/<date>   the day's two trees (clicks, events), its token key and its dictionary
     +- ring/<workspace>/keys     cookie key, tombstone key, and the salts for visitors without a cookie
     +- ring/installation         keys of the control database and of receipts, pepper of the passwords

Existing keys are never replaced by new ones: a file that does not open is an error.
"""

import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from tnc.core.errors import FailedError, NotFoundError, RefusedError
from tnc.core.models import WorkspaceId
from tnc.store.keys.key_file import new_key_text, read_key, read_keys
from tnc.store.keys.puncturable import PuncturableKey
from tnc.store.keys.sealed_file import SlotFile, finish_destroying, recover

__all__ = [
    "DayKeys", "InstallationKeys", "Keyring", "Token", "WorkspaceKeys", "new_key_text", "read_key", "read_keys",
]  # fmt: skip

Token = Literal["click", "visitor", "address", "external", "browser"]
_TOKEN_BYTES: Final = 6


class _DayContent(msgspec.Struct):
    clicks: bytes
    events: bytes
    token_key: bytes
    dictionary: bytes = msgspec.field(name="words", default=b"")


class _WorkspaceContent(msgspec.Struct):
    cookie_key: bytes
    tomb_key: bytes
    salts: dict[str, bytes]


class _InstallationContent(msgspec.Struct):
    control_key: bytes
    pepper: bytes
    receipt_key: bytes


@dataclass(slots=True)
class DayKeys:
    """The keys of one day of one workspace. Its trees are not thread-safe."""

    workspace: WorkspaceId
    date: Date
    clicks: PuncturableKey
    events: PuncturableKey
    token_key: bytes
    dictionary: bytes = b""  # ids that the records of the day refer to; see `Sealer`
    _hashes: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # One hash per kind, copied for each token: a click has five tokens, and the key is most of the input.
        self._hashes = {
            kind: blake2b(digest_size=_TOKEN_BYTES, key=self.token_key, person=kind.encode())
            for kind in get_args(Token)
        }

    def token(self, kind: Token, value: str) -> int:
        """A blind token: 48 bits that stand for `value` on this day only, and mean nothing without the day's key.

        Callers open the records that they find by it and compare, so a collision is harmless.
        """
        hashed = self._hashes[kind].copy()
        hashed.update(value.encode())
        return int.from_bytes(hashed.digest(), "big") - (1 << 47)  # SQLite stores 48 signed bits in six bytes


@dataclass(frozen=True, slots=True)
class WorkspaceKeys:
    cookie_key: bytes
    tomb_key: bytes
    salts: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class InstallationKeys:
    control_key: bytes
    pepper: bytes
    receipt_key: bytes


class Keyring:
    """All keys of one installation, opened on demand. Day keys stay in memory."""

    def __init__(self, folder: Path, kek: bytes, former: bytes | None = None) -> None:
        """`kek` is the key-encryption key; `former` opens files too, while the key is being changed."""
        self.folder = folder
        self._kek = kek
        self._former = former
        self._changing = threading.RLock()  # a file is read and written back by one thread at a time
        self._days: dict[tuple[WorkspaceId, Date], DayKeys] = {}

    def _file(self, name: str, context: str) -> SlotFile:
        return SlotFile(self.folder / name, kek=self._kek, context=context, former=self._former)

    def _all_files(self) -> Iterator[SlotFile]:
        """Every file with keys."""
        if self._installation_file().exists():
            yield self._installation_file()
        for folder in sorted(path for path in self.folder.glob("*") if (path / "keys").exists() or any(_days_in(path))):
            workspace = WorkspaceId(folder.name)
            files = (self._workspace_file(workspace), self.intent_file(workspace))
            yield from (file for file in files if file.exists())
            yield from (self._day_file(workspace, date) for date in self.all_days(workspace))

    def examine(self) -> int:
        """Open every file; how many there are. Raises the error of the first one that does not open."""
        return sum(1 for file in self._all_files() if file.read() is not None)

    def epochs(self) -> dict[str, int]:
        """How often each file was written, by its path in the folder.

        An erasure writes a file anew, so a copy with a lower number opens what was erased since.
        """
        files = (file for file in self._all_files() if file.path.name != "intent")
        return {str(file.path.relative_to(self.folder)): file.generation() for file in files}

    def key_epoch(self) -> int:
        """The number of key-encryption keys so far: only a change of the key writes the installation's file again."""
        return self._installation_file().generation()

    def epoch(self, workspace: WorkspaceId, date: Date) -> int | None:
        """How often the file of a day was written; None when there is no such file."""
        file = self._day_file(workspace, date)
        return file.generation() if file.exists() else None

    def use_key(self, kek: bytes) -> None:
        """Seal with another key from now on; the current one opens files that `reseal` has not reached yet."""
        with self._changing:
            self._kek, self._former = kek, self._kek

    def reseal(self) -> int:
        """Write every file again, sealed with the current key; how many there are."""
        with self._changing:
            files = list(self._all_files())
            for file in files:
                file.write(file.read())
        return len(files)

    def drop_former_key(self) -> None:
        self._former = None

    def finish_destroying(self) -> None:
        """Complete deletions that a crash interrupted."""
        for folder in self._folders():
            finish_destroying(folder)

    def recover(self) -> None:
        """At a start, before anything is written: complete deletions and replacements that a crash interrupted."""
        for folder in self._folders():
            recover(folder)

    def _folders(self) -> list[Path]:
        return [path for path in (self.folder, *self.folder.glob("*")) if path.is_dir()]

    # -- the installation

    def _installation_file(self) -> SlotFile:
        return self._file("installation", "installation")

    def create(self) -> None:
        """Make the keys of a new installation. Raises RefusedError where there are keys."""
        file = self._installation_file()
        if file.exists():
            raise RefusedError(f"{self.folder} already contains keys; nothing was changed.")
        content = _InstallationContent(*(secrets.token_bytes(32) for _ in range(3)))
        file.write(msgspec.msgpack.encode(content))

    def installation(self) -> InstallationKeys:
        file = self._installation_file()
        if not file.exists():
            raise RefusedError(
                f"the keyring {self.folder} is missing; without it the data cannot be read. Nothing was changed. "
                "Restore the folder from your own copy, or make a new data directory elsewhere with `tnc init`."
            )
        content = _decode(file, _InstallationContent)
        return InstallationKeys(content.control_key, content.pepper, content.receipt_key)

    # -- a workspace

    def _workspace_file(self, workspace: WorkspaceId) -> SlotFile:
        return self._file(f"{workspace}/keys", f"workspace|{workspace}")

    def _workspace_content(self, workspace: WorkspaceId) -> _WorkspaceContent:
        file = self._workspace_file(workspace)
        if not file.exists():
            raise NotFoundError(
                f"there is no workspace {workspace!r}: {file.path} is missing. If it should exist, restore the "
                "newest copy of the folder `ring`."
            )
        return _decode(file, _WorkspaceContent)

    def workspace(self, workspace: WorkspaceId) -> WorkspaceKeys:
        content = self._workspace_content(workspace)
        return WorkspaceKeys(content.cookie_key, content.tomb_key, content.salts)

    def create_workspace(self, workspace: WorkspaceId) -> None:
        file = self._workspace_file(workspace)
        if file.exists():
            raise RefusedError(f"the workspace {workspace!r} already has keys; nothing was changed.")
        file.write(msgspec.msgpack.encode(_WorkspaceContent(secrets.token_bytes(32), secrets.token_bytes(32), {})))

    def rotate_salts(self, workspace: WorkspaceId, today: Date, *, keep_others: bool = False) -> dict[str, bytes]:
        """The salts of yesterday, today and tomorrow by ISO date; makes the last two where they are missing.

        Others are destroyed for good, unless `keep_others`. Tomorrow's is made ahead, so that no click waits for the
        disk at midnight.
        """
        with self._changing:
            content = self._workspace_content(workspace)
            yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
            salts = {
                day: salt for day, salt in content.salts.items() if yesterday <= Date.fromisoformat(day) <= tomorrow
            }
            for day in (today, tomorrow):
                salts.setdefault(day.isoformat(), secrets.token_bytes(16))
            stored = content.salts | salts if keep_others else salts
            if stored != content.salts:
                content.salts = stored
                if not os.access(self.folder, os.W_OK):  # a read-only file system: salts of this process alone
                    return salts
                self._workspace_file(workspace).write(msgspec.msgpack.encode(content))
            return salts

    def intent_file(self, workspace: WorkspaceId) -> SlotFile:
        """The journal of an erasure that is under way; destroyed like a key when it is done, and in no backup."""
        return self._file(f"{workspace}/intent", f"intent|{workspace}")

    # -- a day

    def _day_file(self, workspace: WorkspaceId, date: Date) -> SlotFile:
        name = date.isoformat()
        return self._file(f"{workspace}/{name}", f"day|{workspace}|{name}")

    def day_path(self, workspace: WorkspaceId, date: Date) -> Path:
        return self._day_file(workspace, date).path

    def has_day(self, workspace: WorkspaceId, date: Date) -> bool:
        return self._day_file(workspace, date).exists()

    def day(self, workspace: WorkspaceId, date: Date) -> DayKeys:
        """The keys of a day, kept in memory. Raises NotFoundError."""
        keys = self._days.get((workspace, date))
        if keys is None:
            keys = self._days[workspace, date] = self.open_day(workspace, date)
        return keys

    def open_day(self, workspace: WorkspaceId, date: Date) -> DayKeys:
        """The keys of a day for the caller alone, since the trees are not thread-safe. Raises NotFoundError."""
        file = self._day_file(workspace, date)
        if not file.exists():
            raise NotFoundError(f"the keyring has no key for {date} of workspace {workspace!r}.")
        content = _decode(file, _DayContent)
        clicks, events = PuncturableKey.load(content.clicks), PuncturableKey.load(content.events)
        return DayKeys(workspace, date, clicks, events, content.token_key, content.dictionary)

    def create_day(self, workspace: WorkspaceId, date: Date, *, dictionary: bytes = b"") -> DayKeys:
        """Make the keys of a new day; durable when this returns. Raises RefusedError where there are keys."""
        if self.has_day(workspace, date):
            raise RefusedError(f"{date} of workspace {workspace!r} already has keys.")
        clicks, events = (PuncturableKey.from_root(secrets.token_bytes(32)) for _ in range(2))
        keys = DayKeys(workspace, date, clicks, events, secrets.token_bytes(32), dictionary)
        self.save_day(keys)
        self._days[workspace, date] = keys
        return keys

    def save_day(self, keys: DayKeys) -> None:
        content = _DayContent(keys.clicks.dump(), keys.events.dump(), keys.token_key, keys.dictionary)
        self._day_file(keys.workspace, keys.date).write(msgspec.msgpack.encode(content))

    def puncture_day(self, workspace: WorkspaceId, date: Date, *, clicks: Iterable[int], events: Iterable[int]) -> None:
        """Puncture these leaves; durable when this returns. `DayKeys` that were opened before still derive them."""
        with self._changing:
            keys = self.open_day(workspace, date)
            punctured = [keys.clicks.puncture(seq) for seq in clicks] + [keys.events.puncture(seq) for seq in events]
            if any(punctured):
                self.save_day(keys)
            else:  # a crash may have come between the write of the new keys and the overwriting of the old ones
                self._day_file(workspace, date).finish_replacing()
            self._days.pop((workspace, date), None)

    def destroy_day(self, workspace: WorkspaceId, date: Date) -> None:
        with self._changing:
            self._days.pop((workspace, date), None)
            self._day_file(workspace, date).destroy()

    def all_days(self, workspace: WorkspaceId) -> Iterator[Date]:
        """Days that have keys, oldest first."""
        return (Date.fromisoformat(path.name) for path in _days_in(self.folder / workspace))


def _days_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??-??"))


_T = TypeVar("_T")


def _decode(file: SlotFile, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(file.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise FailedError(
            f"the key file {file.path} opens but contains no keys; it was written by another version of tnc."
        ) from error
