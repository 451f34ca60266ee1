"""A control database in a folder, as a workspace opens it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tnc.store.database import open_database
from tnc.store.sqlite import Database


@contextmanager
def control_database(folder: Path, *, to_write: bool = True) -> Iterator[Database]:
    database = open_database(folder / "control.db", to_write=to_write)
    yield database
    database.close()
