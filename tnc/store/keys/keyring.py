"""The keys: one file a day and workspace, one for the workspace itself, one for the installation.

    KEK (key file outside the data)
     +- ring/<workspace>/<date>   the day's two trees (clicks, events) and its token key
     +- ring/<workspace>/keys     cookie key, and the salts of the visitors without a cookie
     +- ring/installation         sealing key of the control database, pepper of the passwords

Nothing here is ever made anew over something that is there: a file that does not open is refused.
"""

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
from tnc.store.keys.sealed_file import SlotFile, mend, sweep

__all__ = [
    "DayKeys", "InstallationKeys", "Keyring", "Token", "WorkspaceKeys", "new_key_text", "read_key", "read_keys",
]  # fmt: skip

Token = Literal["click", "visitor", "address", "external", "browser"]
_TOKEN_BYTES: Final = 6


class _DayContent(msgspec.Struct):
    clicks: bytes
    events: bytes
    token_key: bytes
    words: bytes = b""


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
    """What opens one day of one workspace."""

    workspace: WorkspaceId
    date: Date
    clicks: PuncturableKey
    events: PuncturableKey
    token_key: bytes
    words: bytes = b""  # what its records need not say again: see `Sealer`
    _hashes: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Begun once for each kind: a click makes five tokens, and the key is most of what there is to hash.
        self._hashes = {
            kind: blake2b(digest_size=_TOKEN_BYTES, key=self.token_key, person=kind.encode())
            for kind in get_args(Token)
        }

    def token(self, kind: Token, value: str) -> int:
        """A blind token: 48 bits that stand for `value` on this day only, as long as the day's key lives.

        Whoever finds a row by it opens the record and compares, so a chance hit is harmless.
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
    """All keys of one installation, opened on demand and kept."""

    def __init__(self, folder: Path, kek: bytes, former: bytes | None = None) -> None:
        """`former` is another key-encryption key that opens too, while it is being changed."""
        self.folder = folder
        self._kek = kek
        self._former = former
        self._changing = threading.RLock()  # one at a time reads a file and writes it back
        self._days: dict[tuple[WorkspaceId, Date], DayKeys] = {}

    def _file(self, name: str, context: str) -> SlotFile:
        return SlotFile(self.folder / name, kek=self._kek, context=context, former=self._former)

    def _all_files(self) -> Iterator[SlotFile]:
        """Every file of the ring that holds keys."""
        if self._installation_file().exists():
            yield self._installation_file()
        for folder in sorted(path for path in self.folder.glob("*") if (path / "keys").exists() or any(_days_in(path))):
            workspace = WorkspaceId(folder.name)
            files = (self._workspace_file(workspace), self.intent_file(workspace))
            yield from (file for file in files if file.exists())
            yield from (self._day_file(workspace, date) for date in self.all_days(workspace))

    def examine(self) -> int:
        """Open every file; how many there are. Raises what the first one refuses with."""
        return sum(1 for file in self._all_files() if file.read() is not None)

    def epochs(self) -> dict[str, int]:
        """How often each file was written, by its name in the folder: every erasure and every other key makes a next
        one, and a copy of an earlier one still opens what was erased since.
        """
        files = (file for file in self._all_files() if file.path.name != "intent")
        return {str(file.path.relative_to(self.folder)): file.generation() for file in files}

    def key_epoch(self) -> int:
        """How many key-encryption keys there have been: only another one has the installation's file written."""
        return self._installation_file().generation()

    def epoch(self, workspace: WorkspaceId, date: Date) -> int | None:
        """Of the file of a day; None when there is none (any more)."""
        file = self._day_file(workspace, date)
        return file.generation() if file.exists() else None

    def take_key(self, kek: bytes) -> None:
        """Seal with another key from now on; the present one opens what `reseal` has not done yet."""
        with self._changing:
            self._kek, self._former = kek, self._kek

    def reseal(self) -> int:
        """Seal every file under the key that seals; how many there are."""
        with self._changing:
            files = list(self._all_files())
            for file in files:
                file.write(file.read())
        return len(files)

    def forget_former_key(self) -> None:
        self._former = None

    def sweep(self) -> None:
        """Finish destroying what was being destroyed when a crash came."""
        for folder in self._folders():
            sweep(folder)

    def mend(self) -> None:
        """At a start, when nobody writes yet: also finish replacing what was being replaced."""
        for folder in self._folders():
            mend(folder)

    def _folders(self) -> list[Path]:
        return [path for path in (self.folder, *self.folder.glob("*")) if path.is_dir()]

    # -- the installation

    def _installation_file(self) -> SlotFile:
        return self._file("installation", "installation")

    def create(self) -> None:
        """Keys of a new installation; refused where there are some."""
        file = self._installation_file()
        if file.exists():
            raise RefusedError(f"there are keys in {self.folder} already; nothing was changed.")
        content = _InstallationContent(*(secrets.token_bytes(32) for _ in range(3)))
        file.write(msgspec.msgpack.encode(content))

    def installation(self) -> InstallationKeys:
        file = self._installation_file()
        if not file.exists():
            raise RefusedError(
                f"the keyring {self.folder} is missing; without it the data cannot be read. Nothing was changed. "
                "Put back the folder from your own copy, or `tnc init` a new data directory elsewhere."
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
                f"there is no workspace {workspace!r}: {file.path} is missing. If it is known here, put back the "
                "newest copy of the folder `ring`."
            )
        return _decode(file, _WorkspaceContent)

    def workspace(self, workspace: WorkspaceId) -> WorkspaceKeys:
        content = self._workspace_content(workspace)
        return WorkspaceKeys(content.cookie_key, content.tomb_key, content.salts)

    def create_workspace(self, workspace: WorkspaceId) -> None:
        file = self._workspace_file(workspace)
        if file.exists():
            raise RefusedError(f"the workspace {workspace!r} has keys already; nothing was changed.")
        file.write(msgspec.msgpack.encode(_WorkspaceContent(secrets.token_bytes(32), secrets.token_bytes(32), {})))

    def turn_salts(self, workspace: WorkspaceId, today: Date) -> dict[str, bytes]:
        """The salts of yesterday, today and tomorrow by ISO date; makes what is missing of the last two.

        Older ones are destroyed for ever. Tomorrow's is there ahead, so that midnight waits for no disk.
        """
        with self._changing:
            content = self._workspace_content(workspace)
            yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
            salts = {
                day: salt for day, salt in content.salts.items() if yesterday <= Date.fromisoformat(day) <= tomorrow
            }
            for day in (today, tomorrow):
                salts.setdefault(day.isoformat(), secrets.token_bytes(16))
            if salts != content.salts:
                content.salts = salts
                self._workspace_file(workspace).write(msgspec.msgpack.encode(content))
            return salts

    def intent_file(self, workspace: WorkspaceId) -> SlotFile:
        """Where an erasure is written down before it begins: gone with it, as keys are, and in no backup."""
        return self._file(f"{workspace}/intent", f"intent|{workspace}")

    # -- a day

    def _day_file(self, workspace: WorkspaceId, date: Date) -> SlotFile:
        name = date.isoformat()
        return self._file(f"{workspace}/{name}", f"day|{workspace}|{name}")

    def has_day(self, workspace: WorkspaceId, date: Date) -> bool:
        return self._day_file(workspace, date).exists()

    def day(self, workspace: WorkspaceId, date: Date) -> DayKeys:
        """The keys of a day that has some; raises NotFoundError otherwise."""
        keys = self._days.get((workspace, date))
        if keys is None:
            keys = self._days[workspace, date] = self.open_day(workspace, date)
        return keys

    def open_day(self, workspace: WorkspaceId, date: Date) -> DayKeys:
        """Like `day`, but a copy of the caller's own: the trees of `DayKeys` are not for two threads."""
        file = self._day_file(workspace, date)
        if not file.exists():
            raise NotFoundError(f"the keyring holds no key for {date} of workspace {workspace!r}.")
        content = _decode(file, _DayContent)
        clicks, events = PuncturableKey.load(content.clicks), PuncturableKey.load(content.events)
        return DayKeys(workspace, date, clicks, events, content.token_key, content.words)

    def create_day(self, workspace: WorkspaceId, date: Date, *, words: bytes = b"") -> DayKeys:
        """New keys for a new day, durable before this returns."""
        if self.has_day(workspace, date):
            raise RefusedError(f"{date} of workspace {workspace!r} has keys already.")
        clicks, events = (PuncturableKey.from_root(secrets.token_bytes(32)) for _ in range(2))
        keys = DayKeys(workspace, date, clicks, events, secrets.token_bytes(32), words)
        self.save_day(keys)
        self._days[workspace, date] = keys
        return keys

    def save_day(self, keys: DayKeys) -> None:
        content = _DayContent(keys.clicks.dump(), keys.events.dump(), keys.token_key, keys.words)
        self._day_file(keys.workspace, keys.date).write(msgspec.msgpack.encode(content))

    def puncture_day(self, workspace: WorkspaceId, date: Date, *, clicks: Iterable[int], events: Iterable[int]) -> None:
        """Make these leaves underivable for ever, durable before this returns; keys opened before are old ones."""
        with self._changing:
            keys = self.open_day(workspace, date)
            punctured = [keys.clicks.puncture(seq) for seq in clicks] + [keys.events.puncture(seq) for seq in events]
            if any(punctured):
                self.save_day(keys)
            else:  # a crash may have come between the writing of the new keys and the end of the old ones
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
            f"the key file {file.path} opens but does not hold keys; it was written by another version of tnc."
        ) from error
