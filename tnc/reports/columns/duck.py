"""One DuckDB connection that can read and write files below one folder and nowhere else."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import duckdb

from tnc.core.errors import FailedError, UnavailableError

# Small pages of close values: numbers that count up cost next to nothing in version 2.
_PARQUET: Final = "(format parquet, compression zstd, parquet_version v2)"


class UnreadableError(Exception):
    """A column file is missing, torn or not a Parquet file of the right columns. It can be made again."""


class Values:
    """The bound values of one statement: `bind` adds one and returns its placeholder for the SQL text."""

    def __init__(self) -> None:
        self.bound: list[Any] = []

    def bind(self, value: object) -> str:
        self.bound.append(value)
        return f"${len(self.bound)}"

    def parquet(self, files: Sequence[str], columns: Mapping[str, str]) -> str:
        """SQL that reads these files as one relation; without files, an empty relation of these columns."""
        if files:
            return f"read_parquet({self.bind(list(files))})"
        nothing = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
        return f"(select {nothing} where false)"

    def json(self, path: Path, columns: Mapping[str, str]) -> str:
        """SQL that reads a file of one JSON object a line; keys that are missing in a line are null."""
        named = ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items())
        return f"read_json({self.bind(str(path))}, format = 'newline_delimited', columns = {{{named}}})"


class Duck:
    """An in-memory database without extensions and with locked settings. Its temporary files lie below `folder`."""

    def __init__(self, folder: Path, *, memory_mb: int = 256) -> None:
        temporary = folder / "temp"
        try:
            temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_leftovers(temporary)
            self._temporary = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=temporary))
        except OSError as error:
            raise UnavailableError(
                f"reports need to write to {temporary}, and the disk refuses: {error.strerror}. Clicks go on; look at "
                "the disk with `df -h` and `dmesg`."
            ) from error
        self._connection = duckdb.connect(":memory:")
        for setting in (
            f"memory_limit = '{memory_mb}MB'",
            f"temp_directory = {_literal(self._temporary)}",
            f"allowed_directories = [{_literal(folder)}]",
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "allow_community_extensions = false",
            "enable_progress_bar = false",
            "threads = 1",
            "async_threads = 0",
            "timezone = 'UTC'",
            "lock_configuration = true",
        ):
            self._connection.execute(f"set {setting}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def rows(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """All rows of a statement. Raises UnreadableError when a file cannot be read."""
        try:
            return self._connection.execute(sql, values.bound).fetchall()
        except duckdb.OutOfMemoryException as error:
            raise FailedError(
                "this report is too large for the memory that reports may use; "
                "ask for fewer dimensions or a shorter time."
            ) from error
        except duckdb.Error as error:
            raise UnreadableError(str(error)) from error

    def write(self, select: str, values: Values, path: Path, *, durable: bool = True) -> int:
        """Write the rows of a query to a Parquet file, in full or not at all. Returns the number of rows.

        A file that is not `durable` may be torn or missing after a power cut.
        """
        new = path.with_name(path.name + ".new")
        rows = self.rows(f"copy ({select}) to {_literal(new)} {_PARQUET}", values)
        if durable:
            _sync(new)
        new.replace(path)
        if durable:
            _sync(path.parent)
        return int(rows[0][0])


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed."""
    for each in folder.iterdir():
        if not Path("/proc", each.name.partition("-")[0]).exists():
            shutil.rmtree(each, ignore_errors=True)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
