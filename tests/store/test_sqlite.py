"""All of it or nothing, and what went wrong is told."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tnc.store.sqlite import transaction


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as opened:
        opened.execute("create table words (word)")
        yield opened


def words(database: sqlite3.Connection) -> list[str]:
    return [word for (word,) in database.execute("select word from words")]


def fail_half_way(database: sqlite3.Connection) -> None:
    database.execute("insert into words values ('one')")
    raise ValueError("half way")


def test_what_fails_half_way_leaves_nothing(database: sqlite3.Connection) -> None:
    lock = threading.Lock()

    with pytest.raises(ValueError, match="half way"), transaction(database, lock):
        fail_half_way(database)
    with transaction(database, lock):
        database.execute("insert into words values ('two')")

    assert words(database) == ["two"]
    assert not lock.locked()


def test_a_full_disk_is_told_as_one(database: sqlite3.Connection) -> None:
    """SQLite has rolled back by then: that there is nothing to roll back is not what went wrong."""
    (pages,) = database.execute("pragma page_count").fetchone()
    database.execute(f"pragma max_page_count = {pages}")

    with pytest.raises(sqlite3.OperationalError, match="full"), transaction(database, threading.Lock()):
        database.execute("insert into words values (zeroblob(100000))")

    assert words(database) == []
