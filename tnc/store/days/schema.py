"""The tables of a day file, and whether a file is one that we can use."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from tnc.core.errors import FailedError, RefusedError
from tnc.store.days.deliveries import DELIVERY_TABLES
from tnc.store.days.inbox import INBOX_TABLES

SCHEMA: Final = 1
_TABLES: Final = """
create table clicks (
  seq      integer primary key,  -- number of the leaf that seals the row
  sealed   blob not null,
  click    integer not null,     -- blind tokens: of the click id,
  visitor  integer,              -- the pseudonym,
  address  integer,              -- the address (as stored: whole or cut),
  external integer,              -- the source's click id,
  browser  integer               -- the browser's cookie
) strict;
create index clicks_click on clicks(click);
create table events (
  seq       integer primary key,
  click_seq integer not null,
  kind      integer not null,    -- 1 lander click, 2 conversion, 3 what it is called, or may be told
  at_ms     integer not null,    -- UTC
  sealed    blob not null
) strict;
create index events_click on events(click_seq);
create index conversions_at on events(at_ms) where kind = 2;
create table numbers (           -- numbers that are handed out or counted, by name
  name  text primary key,
  value integer not null
) strict, without rowid;
"""
# Made when the day is over, so that the click path does not pay for them; until then these searches read the table.
FINISHING: Final = ("visitor", "address", "external", "browser")
"""The searches that are made quick when a day is over, and no new rows are expected."""


def finish(path: Path, search: str) -> None:
    """One step of `FINISHING`, on a day that its writer has let go: of a million clicks it takes seconds.

    Done once more, it does nothing.
    """
    # Never made: a file of a day that has just gone would be one without a key.
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)) as database:
        for pragma in ("synchronous = full", "secure_delete = on", "temp_store = memory"):
            database.execute(f"pragma {pragma}")
        database.execute(f"create index if not exists clicks_{search} on clicks({search}) where {search} is not null")


def is_finished(database: sqlite3.Connection) -> bool:
    rows = database.execute("select name from sqlite_master where type = 'index'")
    return {f"clicks_{search}" for search in FINISHING} <= {name for (name,) in rows}


def make_tables(database: sqlite3.Connection) -> None:
    tables = f"{_TABLES} {DELIVERY_TABLES} {INBOX_TABLES}"
    database.executescript(f"begin; {tables} pragma user_version = {SCHEMA}; commit;")


def check_schema(database: sqlite3.Connection, path: Path) -> int:
    """The schema's version, 0 in a new file. Raises FailedError or RefusedError when it is none that we can use."""
    try:
        version = int(database.execute("pragma user_version").fetchone()[0])
    except sqlite3.DatabaseError as error:
        database.close()
        raise FailedError(f"the day file {path} is damaged ({error}); restore it from a backup.") from error
    if version > SCHEMA:
        database.close()
        raise RefusedError(
            f"{path} was written by a newer tnc (schema {version}, this one knows {SCHEMA}); upgrade tnc."
        )
    return version
