"""The tables of a day file, and how it is opened, migrated and finished."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from tnc.store.days.deliveries import DELIVERY_TABLES
from tnc.store.days.inbox import INBOX_TABLES
from tnc.store.migrations import Migration, Schema, read_uri

_TABLES: Final[tuple[str, ...]] = (
    """
create table clicks (
  seq      integer primary key,  -- number of the leaf that seals the row
  sealed   blob not null,
  click    integer not null,     -- blind tokens: of the click id,
  visitor  integer,              -- the pseudonym,
  address  integer,              -- the address (as stored: whole or cut),
  external integer,              -- the source's click id,
  browser  integer               -- the browser's cookie
) strict
""",
    "create index clicks_click on clicks(click)",
    """
create table events (
  seq       integer primary key,
  click_seq integer not null,
  kind      integer not null,    -- 1 lander click, 2 conversion, 3 change of label, filter or consent
  at_ms     integer not null,    -- UTC
  sealed    blob not null
) strict
""",
    "create index events_click on events(click_seq)",
    "create index conversions_at on events(at_ms) where kind = 2",
    """
create table numbers (           -- numbers that are handed out or counted, by name
  name  text primary key,
  value integer not null
) strict, without rowid
""",
)

DAY: Final = Schema(
    "day file",
    (Migration(number=1, name="the first tables", statements=(*_TABLES, *DELIVERY_TABLES, *INBOX_TABLES)),),
)
"""Never change the tables of a migration that was released: write the next migration.

Day files are migrated in place, in one transaction, and clicks may wait for it. So a migration must not touch rows: it
adds a nullable column or a table (measured: 60 ms for a file of a million clicks). Its `shown` lets readers use files
that are not migrated yet.
"""

_WAL_PAGES: Final = 4_000  # 32 MB: a checkpoint takes 10 to 20 ms, so there should be few
_PRAGMAS: Final = (
    "page_size = 8192",  # half as large pages would waste twelve more bytes a click at their ends
    "journal_mode = wal",
    "synchronous = full",
    "secure_delete = on",
    "temp_store = memory",
    f"wal_autocheckpoint = {_WAL_PAGES}",
    "cache_size = -4000",
)

# Indexes made when the day is over, so that clicks do not pay for them. Until then these searches read the table.
FINISHING: Final = ("visitor", "address", "external", "browser")
"""The searches that get an index when a day is over."""


def finish(path: Path, search: str) -> None:
    """Make the index of one search of `FINISHING`, while no writer has the file open. A million clicks take seconds.

    Does nothing when it exists.
    """
    # Never create the file: that of a day that was just removed would have no key.
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)) as database:
        for pragma in ("synchronous = full", "secure_delete = on", "temp_store = memory"):
            database.execute(f"pragma {pragma}")
        database.execute(f"create index if not exists clicks_{search} on clicks({search}) where {search} is not null")


def is_finished(database: sqlite3.Connection) -> bool:
    rows = database.execute("select name from sqlite_master where type = 'index'")
    return {f"clicks_{search}" for search in FINISHING} <= {name for (name,) in rows}


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection beside the writer's, which can neither change nor checkpoint anything.

    A file of an older format is shown in the current one. An empty file, which is just being created, has no tables.
    Raises DamagedError when the file is damaged, UnavailableError when it cannot be opened,
    RefusedError when a newer tnc wrote it.
    """
    database = sqlite3.connect(read_uri(path), uri=True, timeout=5.0, check_same_thread=False)
    try:
        version = DAY.read_version(database, path)
        if 0 < version < DAY.version:
            database.execute("pragma temp_store = memory")
            DAY.show_as_current(database, version)
        database.execute("pragma query_only = on")
    except BaseException:
        database.close()
        raise
    return database


def is_empty(database: sqlite3.Connection) -> bool:
    return int(database.execute("pragma user_version").fetchone()[0]) == 0


def open_to_write(path: Path, *, cached_statements: int = 128, up_to: int | None = None) -> sqlite3.Connection:
    """The connection that commits to a day's file. Creates its tables, or migrates them to the current format.

    `up_to`: stop at this older format, into which the rows of an old backup are inserted before they are migrated.
    """
    database = sqlite3.connect(
        path, timeout=0.25, isolation_level=None, check_same_thread=False, cached_statements=cached_statements
    )
    try:
        DAY.read_version(database, path)
        for pragma in _PRAGMAS:
            database.execute(f"pragma {pragma}")
        DAY.migrate(database, up_to=up_to)
    except BaseException:
        database.close()
        raise
    return database


def needs_migration(path: Path) -> bool:
    with closing(sqlite3.connect(read_uri(path), uri=True)) as database:
        return 0 < DAY.read_version(database, path) < DAY.version


def migrate(path: Path) -> None:
    """Migrate a day's file to the current format while no writer has it open."""
    open_to_write(path).close()
