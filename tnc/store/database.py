"""The control database: its tables, how it is opened, and copies of it."""

import sqlite3
from asyncio import AbstractEventLoop
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from tnc.store.accounts import ACCOUNT_TABLES
from tnc.store.alerts import ALERT_TABLE
from tnc.store.erasures import ERASURE_TABLES, ESCROW_EPOCHS_TABLE
from tnc.store.migrations import Migration, Schema, copy_in_memory, read_uri, upgrade
from tnc.store.requests import REQUEST_TABLES
from tnc.store.sqlite import Database
from tnc.store.stopped import STOP_TABLE
from tnc.store.terms import TERM_CHANGES_TABLE, TERM_TABLE

sqlite_version: Final = sqlite3.sqlite_version
_VERSIONS_TABLE: Final = """
create table config_versions (
  workspace  text not null,
  version    integer not null,  -- 1, 2, 3, ... in each workspace
  made_at_ms integer not null,  -- UTC
  made_by    text not null,     -- an e-mail address of the dashboard, or `command line`
  note       text not null,     -- what changed, as text without secrets
  document   blob not null,     -- the whole configuration: JSON, compressed, sealed
  primary key (workspace, version)
) strict, without rowid
"""

CONTROL: Final = Schema(
    "control database",
    (
        Migration(
            number=1,
            name="the first tables",
            statements=(
                _VERSIONS_TABLE,
                *ACCOUNT_TABLES,
                STOP_TABLE,
                *ERASURE_TABLES,
                TERM_TABLE,
                *REQUEST_TABLES,
            ),
        ),
        Migration(
            number=2,
            name="tables that were added to format 1 without a new number",
            statements=tuple(
                table.replace("create table", "create table if not exists", 1)
                for table in (ALERT_TABLE, ESCROW_EPOCHS_TABLE, TERM_CHANGES_TABLE)
            ),
        ),
    ),
)
"""Never change the tables of a migration that was released: write the next migration."""


def connect(path: Path) -> sqlite3.Connection:
    """The connection that writes: one, in the process that holds the lock of the data directory."""
    database = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode = wal",
        "synchronous = full",
        "secure_delete = on",
        "temp_store = memory",
        "foreign_keys = on",
    ):
        database.execute(f"pragma {pragma}")
    return database


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, beside that of a running server.

    Of a database that is not migrated yet it is a copy in memory, migrated.
    """
    database = sqlite3.connect(read_uri(path), uri=True, timeout=2.0, isolation_level=None, check_same_thread=False)
    with suppress(sqlite3.DatabaseError):  # the first read raises what is wrong with it
        if 0 < database.execute("pragma user_version").fetchone()[0] < CONTROL.version:
            database.close()
            database = copy_in_memory(path, CONTROL)
    database.execute("pragma query_only = on")
    return database


def prepare(database: sqlite3.Connection, path: Path, *, up_to: int | None = None) -> None:
    """Create the tables of a new database; check the format of another. Raises RefusedError when a newer tnc wrote it.

    `up_to`: create them in this older format, for the rows of an old backup.
    """
    if CONTROL.read_version(database, path) == 0:
        CONTROL.migrate(database, up_to=up_to)


def open_database(path: Path, *, to_write: bool, loop: AbstractEventLoop | None = None) -> Database:
    """A control database with its tables, served by `loop`; one `to_write` is migrated first.

    Raises FailedError, RefusedError.
    """
    if to_write:
        upgrade(path, CONTROL)
    with ExitStack() as undo:
        opened = connect(path) if to_write else connect_to_read(path)
        undo.callback(opened.close)
        prepare(opened, path)
        database = Database(connect_to_read(path), opened, loop=loop) if to_write else Database(opened, loop=loop)
        undo.pop_all()
    return database


def open_in_memory(copied: Path | None, *, loop: AbstractEventLoop | None = None) -> Database:
    """A control database in memory, for a server that cannot use the file: with the rows of `copied`, or empty."""
    if copied is None:
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        CONTROL.migrate(memory)
    else:
        memory = copy_in_memory(copied, CONTROL)
    return Database(memory, loop=loop)


Tables = Mapping[str, tuple[list[str], list[tuple[Any, ...]]]]
"""Columns and rows of tables by name."""


def read_tables(database: sqlite3.Connection, names: Iterable[str]) -> Tables:
    """The tables in one state, while a server may be writing."""
    found = {}
    database.execute("begin")
    for name in names:
        columns = [row[1] for row in database.execute(f"pragma table_info({name})")]
        found[name] = (columns, database.execute(f"select {', '.join(columns)} from {name}").fetchall())
    database.execute("commit")
    return found


def all_tables(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("select name from sqlite_master where type = 'table' order by 1")]


def insert_tables(database: sqlite3.Connection, tables: Tables) -> None:
    """Insert rows of a backup into a new database, without tables and columns that this version does not know."""
    known = all_tables(database)
    database.execute("begin")
    database.execute("pragma defer_foreign_keys = on")  # tables come in the order of their names
    for table, (columns, rows) in tables.items():
        if table in known:
            there = {row[1] for row in database.execute(f"pragma table_info({table})")}
            kept = [at for at, column in enumerate(columns) if column in there]
            names, marks = ", ".join(columns[at] for at in kept), ", ".join("?" * len(kept))
            database.executemany(
                f"insert or replace into {table} ({names}) values ({marks})", [[row[at] for at in kept] for row in rows]
            )
    database.execute("commit")


# SQLite from 3.7.0 on can lose commits when two connections write and checkpoint at once; fixed in these versions.
_FIXED_IN: Final = ((3, 44, 6), (3, 50, 7), (3, 51, 3))


def has_wal_reset_fix() -> bool:
    """Whether the SQLite in use has the fix of the WAL-reset bug. tnc has one writer per file in any case."""
    version = sqlite3.sqlite_version_info
    return version >= _FIXED_IN[-1] or any(version[:2] == each[:2] and version >= each for each in _FIXED_IN)


def damage(path: Path) -> str | None:
    """What SQLite finds wrong with a database; None when nothing is."""
    try:
        with closing(connect_to_read(path)) as database:
            answer = str(database.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if answer == "ok" else answer
