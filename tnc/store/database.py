"""The control database: its tables, how it is opened, and copies of it."""

import sqlite3
from asyncio import AbstractEventLoop
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from tnc.core.errors import FailedError, RefusedError
from tnc.store.accounts import ACCOUNT_TABLES
from tnc.store.alerts import ALERT_TABLE
from tnc.store.erasures import ESCROW_EPOCHS_TABLE, FORGOTTEN_TABLES
from tnc.store.requests import REQUEST_TABLES
from tnc.store.sqlite import Database
from tnc.store.stopped import STOP_TABLE
from tnc.store.terms import TERM_CHANGES_TABLE, TERM_TABLE

SCHEMA: Final = 1
sqlite_version: Final = sqlite3.sqlite_version
_TABLES: Final = (
    """
    create table config_versions (
      workspace  text not null,
      version    integer not null,  -- 1, 2, 3, ... in each workspace
      made_at_ms integer not null,  -- UTC
      made_by    text not null,     -- who or what: an e-mail address of the dashboard, or `command line`
      note       text not null,     -- what changed, in words, without secrets
      document   blob not null,     -- the whole configuration: JSON, compressed, sealed
      primary key (workspace, version)
    ) strict, without rowid
    """,
    *ACCOUNT_TABLES,
    STOP_TABLE,
    *FORGOTTEN_TABLES,
    TERM_TABLE,
    *REQUEST_TABLES,
)
# Tables that an older tnc did not make and does not miss: made where they are not there yet.
_LATER: Final[Mapping[str, str]] = {
    "alerts": ALERT_TABLE,
    "escrow_epochs": ESCROW_EPOCHS_TABLE,
    "term_changes": TERM_CHANGES_TABLE,
}


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write. One process has one, and only while it holds the lock of the data directory."""
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
    """A connection beside a running server's: it can change nothing."""
    database = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, timeout=2.0, isolation_level=None, check_same_thread=False
    )
    with suppress(sqlite3.DatabaseError):  # whoever reads says what is wrong with it
        for table in _missing(database):
            database.execute(table.replace("create table", "create temp table", 1))
    database.execute("pragma query_only = on")
    return database


def _missing(database: sqlite3.Connection) -> list[str]:
    """How to make the later tables that are not there; none in a database that has no tables at all."""
    there = all_tables(database)
    return [table for name, table in _LATER.items() if name not in there] if there else []


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Make or check the tables. Raises RefusedError when a newer tnc wrote them."""
    try:
        version = database.execute("pragma user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise FailedError(f"the control database {path} is damaged ({error}); restore it from a backup.") from error
    if version > SCHEMA:
        raise RefusedError(
            f"{path} was written by a newer tnc (schema {version}, this one knows {SCHEMA}); upgrade tnc."
        )
    if version == 0:
        script = ";".join((*_TABLES, *_LATER.values()))
        database.executescript(f"begin; {script}; pragma user_version = {SCHEMA}; commit;")
    elif not database.execute("pragma query_only").fetchone()[0]:
        for table in _missing(database):
            database.execute(table)


def open_database(path: Path, *, to_write: bool, loop: AbstractEventLoop | None = None) -> Database:
    """A control database with its tables, served by `loop`. Raises FailedError, RefusedError."""
    with ExitStack() as undo:
        opened = connect(path) if to_write else connect_to_read(path)
        undo.callback(opened.close)
        prepare(opened, path)
        database = Database(connect_to_read(path), opened, loop=loop) if to_write else Database(opened, loop=loop)
        undo.pop_all()
    return database


Tables = Mapping[str, tuple[list[str], list[tuple[Any, ...]]]]
"""Columns and rows of tables by name."""


def read_tables(database: sqlite3.Connection, names: Iterable[str]) -> Tables:
    """All of one moment, whatever a server writes meanwhile."""
    found = {}
    database.execute("begin")
    for name in names:
        columns = [row[1] for row in database.execute(f"pragma table_info({name})")]
        found[name] = (columns, database.execute(f"select {', '.join(columns)} from {name}").fetchall())
    database.execute("commit")
    return found


def all_tables(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("select name from sqlite_master where type = 'table' order by 1")]


def put_back(database: sqlite3.Connection, tables: Tables) -> None:
    """Rows of a backup into the tables of a new database; what this version does not know stays out."""
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


# SQLite from 3.7.0 can lose commits when two connections write and checkpoint at once; mended in these and later.
_MENDED: Final = ((3, 44, 6), (3, 50, 7), (3, 51, 3))


def sqlite_is_mended() -> bool:
    """Whether the library in use is free of the write-ahead log's reset bug; tnc keeps to one writer anyway."""
    version = sqlite3.sqlite_version_info
    return version >= _MENDED[-1] or any(version[:2] == each[:2] and version >= each for each in _MENDED)


def damage(path: Path) -> str | None:
    """What SQLite finds wrong with a database; None when it is whole."""
    try:
        with closing(connect_to_read(path)) as database:
            answer = str(database.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if answer == "ok" else answer
