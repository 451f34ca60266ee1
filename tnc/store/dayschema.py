"""The tables of a day file, and whether a file is one that we can use."""

import sqlite3
from pathlib import Path
from typing import Final

from tnc.errors import FailedError, RefusedError
from tnc.store.deliveries import DELIVERY_TABLES
from tnc.store.inbox import INBOX_TABLES

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
  kind      integer not null,    -- 1 lander click, 2 conversion, 3 what it is called
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
CLOSED_INDEXES: Final = (
    "create index if not exists clicks_visitor on clicks(visitor) where visitor is not null",
    "create index if not exists clicks_address on clicks(address) where address is not null",
    "create index if not exists clicks_external on clicks(external) where external is not null",
    "create index if not exists clicks_browser on clicks(browser) where browser is not null",
)


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
