"""The backup file: a copy of everything that only the keyring can decrypt.

A ZIP. For each day it holds the sealed records with their numbers, without the blind tokens by which they are searched;
and the control database and the sums of older days, sealed under the installation's key. It holds no key. An erasure
destroys keys in the keyring, so it reaches the records in every backup without touching the files.

A member `<vault>/<workspace>/<date>` is a sequence of messages, each a length and MessagePack: the name of a table with
the names of its columns, then its rows.
"""

import sqlite3
import struct
import zipfile
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

FORMAT: Final = 1
ENDING: Final = ".tncbackup"

_LENGTH: Final = struct.Struct(">I")
_MANIFEST: Final = "manifest.json"
_CONTROL: Final = "control"
_SUMS: Final = "sums"
_SESSIONS: Final = ("sessions",)  # a restore signs everybody out

Row = tuple[Any, ...]


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
        with (
            closing(open_to_read(path)) as database,
            self._zip.open(f"{vault}/{self._workspace}/{date.isoformat()}", "w", force_zip64=True) as member,
        ):
            database.execute("begin")  # one snapshot, while others write
            for table, columns in _kept_columns(database):
                _write(member, [table, columns])
                for row in database.execute(f"select {', '.join(columns)} from {table}"):
                    _write(member, row)
                    self._clicks += table == "clicks"
        self._days[vault].append(date.isoformat())

    def add_control(self, database: sqlite3.Connection) -> None:
        """Every table but the sessions, sealed."""
        tables = read_tables(database, [name for name in all_tables(database) if name not in _SESSIONS])
        self._add_sealed(_CONTROL, msgspec.msgpack.encode(tables))

    def add_sum(self, path: Path) -> None:
        self._add_sealed(f"{_SUMS}/{path.name}", path.read_bytes())
        self._sums.append(path.name)

    def _add_sealed(self, name: str, content: bytes) -> None:
        self._zip.writestr(name, crypto.seal(self._key, content, _place(self._workspace, name)))

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
        )
        self._zip.writestr(_MANIFEST, msgspec.json.encode(manifest))
        self._zip.close()
        return manifest


class BackupReader:
    """Reads a backup file. Raises InvalidError when it is not a backup, RefusedError when a newer tnc wrote it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = msgspec.json.decode(self._zip.read(_MANIFEST), type=Manifest)
        except (OSError, zipfile.BadZipFile, KeyError, msgspec.MsgspecError) as error:
            raise InvalidError(f"{path} is no backup of tnc, or not a whole one; see `tnc backup list`.") from error
        its = self.manifest
        newer = its.control_schema > control.CONTROL.version or its.day_schema > schema.DAY.version
        if its.format > FORMAT or newer:
            raise RefusedError(f"{path} was written by a newer tnc; upgrade tnc.")

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn errors of a damaged file into InvalidError."""
        try:
            yield
        except (zipfile.BadZipFile, EOFError, KeyError, msgspec.MsgspecError) as error:
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
            return crypto.unseal(key, self._zip.read(name), _place(self.manifest.workspace, name))
        except crypto.CannotOpenError as error:
            raise RefusedError(
                "this backup was made by another installation, or was changed: its keyring does not open it. "
                "Name the config.toml of the installation that made it with --config."
            ) from error


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


def _write(member: IO[bytes], message: object) -> None:
    packed = msgspec.msgpack.encode(message)
    member.write(_LENGTH.pack(len(packed)) + packed)


def _read(member: IO[bytes]) -> list[Any] | None:
    head = member.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    found: list[Any] = msgspec.msgpack.decode(member.read(_LENGTH.unpack(head)[0]))
    return found


def _place(workspace: WorkspaceId, name: str) -> bytes:
    return f"tnc backup {FORMAT}|{workspace}|{name}".encode()


def _kept_columns(database: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Each table with its columns that are not blind tokens, by the data map."""
    for (table,) in database.execute("select name from sqlite_master where type = 'table' order by 1").fetchall():
        yield table, [each.column for each in entries("day files", table) if each.kind != "pseudonym"]
