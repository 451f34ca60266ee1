"""The backup file: a copy of everything that only the keyring can decrypt.

A ZIP. For each day it holds the sealed records with their numbers, without the blind tokens by which they are searched;
and the control database and the sums of older days, sealed under the installation's key. It holds no key. An erasure
destroys keys in the keyring, so it reaches the records in every backup without touching the files.

The manifest names the size and the SHA-256 of every member and is sealed, so nothing can be taken out, added or
changed unnoticed. Backups of format 1 lack that: only their control database, sums and records are sealed.

A member `<vault>/<workspace>/<date>` is a sequence of messages, each a length and MessagePack: the name of a table with
the names of its columns, then its rows.
"""

import hashlib
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date as Date
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
from msgspec import Struct

from tnc.core import crypto
from tnc.core.errors import FailedError, InvalidError, RefusedError
from tnc.core.models import WorkspaceId
from tnc.privacy.data_map import entries
from tnc.privacy.journal import VaultName
from tnc.store import database as control
from tnc.store.database import Tables, all_tables, read_tables
from tnc.store.days import schema
from tnc.store.days.schema import open_to_read

FORMAT: Final = 2
ENDING: Final = ".tncbackup"

_LENGTH: Final = struct.Struct(">I")
_MANIFEST: Final = "manifest.json"
_SEAL: Final = "manifest.seal"  # the SHA-256 of the manifest, sealed
_LARGEST_MANIFEST: Final = 16 << 20  # bytes; a member takes about 130
_PORTION: Final = 1 << 20
_CONTROL: Final = "control"
_SUMS: Final = "sums"
_SESSIONS: Final = ("sessions",)  # a restore signs everybody out

_CHANGED: Final = (
    "this backup was made by another installation, or was changed: its keyring does not open it. "
    "Name the config.toml of the installation that made it with --config, or use another backup."
)
# What reading a damaged ZIP and the messages in it may raise.
_DAMAGE: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, IndexError, TypeError, ValueError, OverflowError,
    RuntimeError, struct.error, msgspec.MsgspecError,
)  # fmt: skip

Row = tuple[Any, ...]


class Member(Struct, frozen=True, kw_only=True):
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    format: int
    made_at: str
    workspace: WorkspaceId
    clicks: int
    days: dict[VaultName, list[str]]
    sums: list[str]
    # The formats of its tables. Backups from before these fields have the formats below, perhaps without some tables.
    control_schema: int = 2
    day_schema: int = 1
    members: dict[str, Member] = {}  # all but the manifest and its seal; none in format 1


@dataclass(frozen=True, slots=True)
class Table:
    """One table of one day: the columns in the backup, and their rows."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[Row]


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an error of the disk into FailedError."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise FailedError(f"the disk refused ({why}). Nothing was changed; make room, then try again.") from error


class BackupWriter:
    """Writes a backup piece by piece; a file is no backup until `finish`."""

    def __init__(self, path: Path, control_key: bytes, workspace: WorkspaceId) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)  # sealed bytes do not get smaller
        self._key = control_key
        self._workspace = workspace
        self._clicks = 0
        self._members: dict[str, Member] = {}
        self._days: dict[VaultName, list[str]] = {"days": [], "restricted": []}
        self._sums: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        file, self._zip.fp = self._zip.fp, None  # else closing writes a directory, also to a full disk
        if file is not None:
            file.close()

    def add_day(self, vault: VaultName, date: Date, path: Path) -> None:
        """All tables of a day as they are now, without blind tokens."""
        name = f"{vault}/{self._workspace}/{date.isoformat()}"
        with closing(open_to_read(path)) as database, self._zip.open(name, "w", force_zip64=True) as file:
            member = _Digesting(file)
            database.execute("begin")  # one snapshot, while others write
            for table, columns in _kept_columns(database):
                _write(member, [table, columns])
                for row in database.execute(f"select {', '.join(columns)} from {table}"):
                    _write(member, row)
                    self._clicks += table == "clicks"
        self._members[name] = member.member()
        self._days[vault].append(date.isoformat())

    def add_control(self, database: sqlite3.Connection) -> None:
        """Every table but the sessions, sealed."""
        tables = read_tables(database, [name for name in all_tables(database) if name not in _SESSIONS])
        self._add_sealed(_CONTROL, msgspec.msgpack.encode(tables))

    def add_sum(self, path: Path) -> None:
        self._add_sealed(f"{_SUMS}/{path.name}", path.read_bytes())
        self._sums.append(path.name)

    def _add_sealed(self, name: str, content: bytes) -> None:
        sealed = crypto.seal(self._key, content, _place(FORMAT, self._workspace, name))
        self._zip.writestr(name, sealed)
        self._members[name] = Member(size=len(sealed), sha256=hashlib.sha256(sealed).hexdigest())

    def finish(self, made_at: str) -> Manifest:
        manifest = Manifest(
            format=FORMAT,
            made_at=made_at,
            workspace=self._workspace,
            clicks=self._clicks,
            days=self._days,
            sums=self._sums,
            control_schema=control.CONTROL.version,
            day_schema=schema.DAY.version,
            members=self._members,
        )
        text = msgspec.json.encode(manifest)
        self._zip.writestr(_MANIFEST, text)
        place = _place(FORMAT, self._workspace, _SEAL)
        self._zip.writestr(_SEAL, crypto.seal(self._key, hashlib.sha256(text).digest(), place))
        self._zip.close()
        return manifest


class BackupReader:
    """Reads a backup file. Raises InvalidError when it is not a backup, RefusedError when a newer tnc wrote it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._text = self._read_manifest()
            self.manifest = msgspec.json.decode(self._text, type=Manifest)
        except (OSError, *_DAMAGE) as error:
            raise InvalidError(f"{path} is no backup of tnc, or not a whole one; see `tnc backup list`.") from error
        its = self.manifest
        newer = its.control_schema > control.CONTROL.version or its.day_schema > schema.DAY.version
        if its.format > FORMAT or newer:
            raise RefusedError(f"{path} was written by a newer tnc; upgrade tnc.")

    def _read_manifest(self) -> bytes:
        with self._zip.open(_MANIFEST) as member:  # read to a limit, whatever size it says
            text = member.read(_LARGEST_MANIFEST + 1)
        if len(text) > _LARGEST_MANIFEST:
            raise ValueError("the manifest is too large")
        return text

    def authenticate(self, key: bytes) -> None:
        """Check the seal of the manifest, and that every member is as it says. Reads the whole file.

        Raises RefusedError for a changed file and for one of another installation. Format 1 has no seal: its control
        database and sums are sealed by themselves, its days are not.
        """
        if self.manifest.format == 1:
            return
        digest = hashlib.sha256(self._text).digest()
        names = [info.filename for info in self._zip.infolist()]
        if self._sealed(_SEAL, key) != digest or sorted(names) != sorted({*self.manifest.members, _MANIFEST, _SEAL}):
            raise RefusedError(_CHANGED)
        for name, member in self.manifest.members.items():
            if self._zip.getinfo(name).file_size != member.size or self._digest(name) != member.sha256:
                raise RefusedError(_CHANGED)

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._zip.open(name) as member:
            while portion := member.read(_PORTION):
                digest.update(portion)
        return digest.hexdigest()

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn errors of a damaged file into InvalidError."""
        try:
            yield
        except _DAMAGE as error:
            raise InvalidError(f"{self._path} is damaged; use another backup, see `tnc backup list`.") from error

    def day(self, vault: VaultName, date: str) -> Iterator[Table]:
        """The tables of a day; the rows of each must be read before the next."""
        with self._zip.open(f"{vault}/{self.manifest.workspace}/{date}") as member:
            pending = _read(member)
            while pending is not None:
                name, columns = pending
                rows = _Rows(member)
                yield Table(name, tuple(columns), iter(rows))
                pending = rows.following

    def control(self, key: bytes) -> Tables:
        """The tables of the control database."""
        found: Tables = msgspec.msgpack.decode(self._sealed(_CONTROL, key))
        return found

    def sums(self, key: bytes) -> Iterator[tuple[str, bytes]]:
        for name in self.manifest.sums:
            yield name, self._sealed(f"{_SUMS}/{name}", key)

    def _sealed(self, name: str, key: bytes) -> bytes:
        try:
            place = _place(self.manifest.format, self.manifest.workspace, name)
            return crypto.unseal(key, self._zip.read(name), place)
        except crypto.CannotOpenError as error:
            raise RefusedError(_CHANGED) from error


class _Rows:
    """The rows of one table; after the last one, `following` is the header of the next table."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member
        self.following: list[Any] | None = None

    def __iter__(self) -> Iterator[Row]:
        while (message := _read(self._member)) is not None:
            if len(message) == 2 and isinstance(message[1], list):
                self.following = message
                return
            yield tuple(message)


class _Digesting:
    """Writes to a member and knows its size and digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self._digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._size += len(content)
        self._digest.update(content)

    def member(self) -> Member:
        return Member(size=self._size, sha256=self._digest.hexdigest())


def _write(member: _Digesting, message: object) -> None:
    packed = msgspec.msgpack.encode(message)
    member.write(_LENGTH.pack(len(packed)) + packed)


def _read(member: IO[bytes]) -> list[Any] | None:
    head = member.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    found: list[Any] = msgspec.msgpack.decode(member.read(_LENGTH.unpack(head)[0]))
    return found


def _place(form: int, workspace: WorkspaceId, name: str) -> bytes:
    return f"tnc backup {form}|{workspace}|{name}".encode()


def _kept_columns(database: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Each table with its columns that are not blind tokens, by the data map."""
    for (table,) in database.execute("select name from sqlite_master where type = 'table' order by 1").fetchall():
        yield table, [each.column for each in entries("day files", table) if each.kind != "pseudonym"]
