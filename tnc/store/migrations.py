"""Migrations: numbered changes of the disk format. Each database keeps its number in `pragma user_version`.

A new database is created by the same list that migrates an old one, so both end up with the same tables.

There are two ways to migrate. The control database is small: `replacing` migrates a copy, checks it and puts it in the
place of the file; the previous file stays beside it for a while. A day file may hold a million clicks: it is migrated
in place, in one transaction, by statements that do not touch its rows. Until then readers see its tables in the current
format through temporary views. After a crash at any point a database is in its old format or in the new one.
"""

import logging
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tnc.core.errors import DamagedError, FailedError, RefusedError, UnavailableError
from tnc.store.keys.sealed_file import overwrite

log = logging.getLogger(__name__)

_NEW: Final = ".new"
_PREVIOUS: Final = ".v"  # and the number of its format
_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The step to format `number` from the one before. Never changed once it was released.

    `shown`, for day files: a query by table that shows `{table}` of the format before in this format.
    `recounted`: tables whose number of rows may change.
    """

    number: int
    name: str
    statements: tuple[str, ...]
    shown: Mapping[str, str] = field(default_factory=dict)
    recounted: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The formats of one kind of database, oldest first."""

    store: str  # its name in messages
    migrations: tuple[Migration, ...]

    @property
    def version(self) -> int:
        return self.migrations[-1].number

    def read_version(self, database: sqlite3.Connection, path: Path) -> int:
        """0 for a new file.

        Raises DamagedError when it is damaged, UnavailableError when it cannot be opened, RefusedError when a newer tnc
        wrote it.
        """
        try:
            version = int(database.execute("pragma user_version").fetchone()[0])
        except sqlite3.DatabaseError as error:
            if is_damage(error) or path.is_dir():
                raise DamagedError(
                    f"the {self.store} {path} is damaged ({error}); restore it from a backup."
                ) from error
            raise UnavailableError(
                f"the {self.store} {path} cannot be opened ({error}). Look at the disk: df -h {path.parent}; "
                f"ls -l {path}"
            ) from error
        if version > self.version:
            raise RefusedError(
                f"{path} was written by a newer tnc (schema {version}, this one knows {self.version}); upgrade tnc."
            )
        return version

    def migrate(self, database: sqlite3.Connection, *, up_to: int | None = None) -> None:
        """Create the tables of a new database, or migrate those of an older one, in one transaction."""
        for _ in self.migrating(database, up_to=up_to):
            pass

    def migrating(self, database: sqlite3.Connection, *, up_to: int | None = None) -> Iterator[str]:
        """`migrate` step by step; yields the name of each step when it is done."""
        have = int(database.execute("pragma user_version").fetchone()[0])
        wanted = self.version if up_to is None else up_to
        due = [each for each in self.migrations if have < each.number <= wanted]
        if not due:
            return
        database.execute("begin immediate")
        try:
            before = _row_counts(database)
            for migration in due:
                for number, statement in enumerate(migration.statements, 1):
                    database.execute(statement)
                    yield f"{migration.number}.{number} {migration.name}"
            _check(database, before, {table for migration in due for table in migration.recounted})
            database.execute(f"pragma user_version = {wanted}")
            yield "numbered"
            database.execute("commit")
        except BaseException:
            if database.in_transaction:
                database.execute("rollback")
            raise
        yield "committed"

    def show_as_current(self, database: sqlite3.Connection, version: int) -> None:
        """Let a reader use an older database in the current format, through temporary views over its tables."""
        views: dict[str, str] = {}
        for migration in self.migrations:
            if migration.number > version:
                for table, query in migration.shown.items():
                    before = f"({views[table]})" if table in views else f"main.{table}"
                    views[table] = query.format(table=before)
        for table, query in views.items():
            database.execute(f"create temp view {table} as {query}")


def read_uri(path: Path) -> str:
    """For `sqlite3.connect(..., uri=True)`: a connection that changes nothing, also on a read-only file system.

    There SQLite cannot make the index of a write-ahead log, so a database without one is opened as immutable.
    """
    log_, index = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    needs_log = log_.exists() and log_.stat().st_size > 0 and index.exists()
    immutable = "" if needs_log or os.access(path.parent, os.W_OK) else "&immutable=1"
    return f"file:{path}?mode=ro{immutable}"


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the content of the file is damaged. All other errors may pass: a full disk, a lock, missing rights."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _row_counts(database: sqlite3.Connection) -> dict[str, int]:
    tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
    return {table: int(database.execute(f"select count(*) from {table}").fetchone()[0]) for (table,) in tables}


def _check(database: sqlite3.Connection, before: Mapping[str, int], recounted: Collection[str]) -> None:
    after = _row_counts(database)
    lost = [table for table, count in before.items() if table not in recounted and after.get(table) != count]
    if lost:
        raise FailedError(f"the number of rows has changed in: {', '.join(sorted(lost))}")
    if loose := database.execute("pragma foreign_key_check").fetchone():
        raise FailedError(f"a row of {loose[0]} refers to a row of {loose[2]} that is missing")


# ------------------------------------------------------------------------------------------ a file that is replaced


def upgrade(path: Path, schema: Schema) -> None:
    """Migrate a database. Only for the process that may write to it, and while it has no connection to it.

    Raises FailedError when the migration fails, RefusedError when another process reads the file or a newer tnc wrote
    it; the file is not changed then.
    """
    _remove_copy(path)  # of an attempt that crashed
    if not path.exists():
        return
    with closing(_open_to_read(path)) as database:
        version = schema.read_version(database, path)
    if version in (0, schema.version):
        return
    try:
        for _ in replacing(path, schema):
            pass
    except (sqlite3.Error, OSError, FailedError) as error:
        raise FailedError(
            f"the {schema.store} {path} could not be migrated from format {version} to {schema.version} ({error}). "
            "It was not changed. If the disk is full, free some space and start again; else start the previous version."
        ) from error
    finally:
        _remove_copy(path)
    log.info("a database was migrated", extra={"store": schema.store, "before": version})


def replacing(path: Path, schema: Schema) -> Iterator[str]:
    """`upgrade` step by step; yields the name of each step when it is done."""
    new = path.with_name(path.name + _NEW)
    with closing(_open(path)) as database, closing(_open(new)) as copy:
        try:
            # Moves the write-ahead log into the file. Fails while another process has the database open.
            database.execute("pragma journal_mode = delete")
        except sqlite3.OperationalError as error:
            raise RefusedError(
                f"another command is still reading {path}, which has to be migrated; end it, then start again."
            ) from error
        yield "alone"
        version = schema.read_version(database, path)
        # A copy that is cut off is thrown away, so its journal need not be on the disk, where rows would stay behind.
        for pragma in ("journal_mode = memory", "synchronous = full", "secure_delete = on", "temp_store = memory"):
            copy.execute(f"pragma {pragma}")
        database.backup(copy)
        yield "copied"
        yield from schema.migrating(copy)
        if (found := copy.execute("pragma integrity_check(1)").fetchone()[0]) != "ok":
            raise FailedError(f"the copy is damaged: {found}")
        yield "checked"
    new.chmod(path.stat().st_mode & 0o777)
    _sync(new)
    yield "synced"
    previous = path.with_name(f"{path.name}{_PREVIOUS}{version}")
    previous.unlink(missing_ok=True)
    os.link(path, previous)
    os.utime(previous)  # retention deletes it by its age
    yield "kept"
    new.replace(path)
    yield "replaced"
    _sync(path.parent)
    yield "done"


def previous_files(path: Path) -> list[Path]:
    """The files that `upgrade` kept of a database, as they were before each migration."""
    return sorted(path.parent.glob(f"{path.name}{_PREVIOUS}*"))


def remove_previous(files: Iterable[Path], *, kept_before_ms: int | None = None) -> None:
    """Overwrite and delete them: they still hold what is erased, or reaches its term, after the migration.

    `kept_before_ms`: only those that `upgrade` kept before this time.
    """
    for file in files:
        with suppress(FileNotFoundError):  # another thread removed it
            found = file.stat()
            if kept_before_ms is None or found.st_mtime_ns <= kept_before_ms * 1_000_000:
                if found.st_nlink == 1:  # else `upgrade` crashed before the new file took the place of this one
                    overwrite(file)
                file.unlink()


def copy_in_memory(path: Path, schema: Schema) -> sqlite3.Connection:
    """A copy of an older database in the current format, to read. The file is not changed."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(_open_to_read(path)) as database:
        database.backup(memory)
    schema.migrate(memory)
    return memory


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(read_uri(path), uri=True, timeout=_PATIENCE_SECONDS)


def _remove_copy(path: Path) -> None:
    new = path.with_name(path.name + _NEW)
    if new.exists():
        remove_previous([new])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
