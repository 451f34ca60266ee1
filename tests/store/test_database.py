"""The control database: its tables are made and checked."""

import sqlite3
from pathlib import Path

import pytest

from tnc.core.errors import FailedError, RefusedError
from tnc.store.database import CONTROL, connect, connect_to_read, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


def new_database(path: Path) -> sqlite3.Connection:
    database = connect(path)
    prepare(database, path)
    return database


def test_a_database_of_a_newer_format_is_refused_and_not_changed(path: Path) -> None:
    new_database(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"pragma user_version = {CONTROL.version + 1}")
    for database in (connect(path), connect_to_read(path)):
        with pytest.raises(RefusedError, match=r"newer tnc.*upgrade"):
            prepare(database, path)
        assert database.execute("pragma user_version").fetchone()[0] == CONTROL.version + 1


def test_the_path_of_a_damaged_database_is_in_the_message(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)

    with pytest.raises(FailedError, match=str(path)):
        prepare(connect_to_read(path), path)
