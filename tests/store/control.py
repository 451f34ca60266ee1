"""A control database in a folder, as a workspace opens it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tnc.store.database import connect, connect_to_read, prepare
from tnc.store.sqlite import Database


@contextmanager
def control_database(folder: Path, *, to_write: bool = True) -> Iterator[Database]:
    path = folder / "control.db"
    writer = connect(path) if to_write else None
    if writer is not None:
        prepare(writer, path)
    database = Database(connect_to_read(path), writer)
    yield database
    database.close()
