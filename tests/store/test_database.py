"""Versions of the configuration: numbered, sealed, never changed."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tnc.core.errors import FailedError, NotFoundError, RefusedError
from tnc.core.models import MAIN, WorkspaceId
from tnc.store.database import SCHEMA, ConfigVersions, connect, connect_to_read, prepare

KEY = b"c" * 32
OTHER = WorkspaceId("other")
SECRET = b'{"networks":{"good":{"key":"s3cret-canary"}}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


def versions(path: Path, key: bytes = KEY) -> ConfigVersions:
    database = connect(path)
    prepare(database, path)
    return ConfigVersions(database, key, threading.Lock())


def add(store: ConfigVersions, document: bytes, workspace: WorkspaceId = MAIN, at_ms: int = 1_000) -> int:
    return store.add(workspace, document, made_at_ms=at_ms, made_by="command line", note="1 change")


def test_versions_are_numbered_in_each_workspace_and_read_back(path: Path) -> None:
    store = versions(path)

    assert store.latest(MAIN) == 0
    assert [add(store, b"one"), add(store, b"two"), add(store, b"x" * 300_000)] == [1, 2, 3]
    assert add(store, b"theirs", OTHER) == 1

    again = versions(path)
    assert (again.latest(MAIN), again.latest(OTHER)) == (3, 1)
    assert [again.document(MAIN, n) for n in (1, 2, 3)] == [b"one", b"two", b"x" * 300_000]
    assert again.document(OTHER, 1) == b"theirs"


def test_the_list_says_who_and_when_and_nothing_of_the_content(path: Path) -> None:
    store = versions(path)
    add(store, SECRET, at_ms=5)
    add(store, b"{}", at_ms=6)

    listed = store.all_versions(MAIN)

    assert [(each.version, each.made_at_ms, each.made_by, each.note) for each in listed] == [
        (2, 6, "command line", "1 change"),
        (1, 5, "command line", "1 change"),
    ]


def test_a_version_that_is_not_there_is_said_to_be(path: Path) -> None:
    with pytest.raises(NotFoundError, match="no version 7"):
        versions(path).document(MAIN, 7)


def test_no_secret_of_a_configuration_is_in_any_byte(path: Path) -> None:
    store = versions(path)
    for _ in range(20):
        add(store, SECRET)

    assert not any(b"s3cret-canary" in each.read_bytes() for each in path.parent.iterdir())


def test_a_document_does_not_open_under_another_key_or_in_another_place(path: Path) -> None:
    store = versions(path)
    add(store, b"one")
    add(store, b"two")
    with sqlite3.connect(path) as database:
        (first,) = database.execute("select document from config_versions where version = 1").fetchone()
        database.execute("update config_versions set document = ? where version = 2", (first,))

    with pytest.raises(FailedError, match=r"version 2 .* damaged or moved"):
        store.document(MAIN, 2)
    with pytest.raises(FailedError, match="does not open"):
        versions(path, key=b"x" * 32).document(MAIN, 1)


def test_threads_that_add_at_once_get_each_their_own_number(path: Path) -> None:
    store = versions(path)

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(lambda n: add(store, b"%d" % n), range(40)))

    assert sorted(numbers) == list(range(1, 41))
    assert all(store.document(MAIN, number) == b"%d" % n for n, number in enumerate(numbers))


def test_a_failed_version_leaves_nothing_open(path: Path) -> None:
    store = versions(path)
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            add(store, b"one")
        holder.execute("rollback")

    assert add(store, b"one") == 1


def test_a_reader_beside_the_writer_sees_versions_and_changes_none(path: Path) -> None:
    add(versions(path), b"one")
    database = connect_to_read(path)
    reader = ConfigVersions(database, KEY, threading.Lock())

    prepare(database, path)
    assert reader.document(MAIN, 1) == b"one"
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        add(reader, b"two")


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    versions(path)
    with sqlite3.connect(path) as database:
        database.execute(f"pragma user_version = {SCHEMA + 1}")
    for database in (connect(path), connect_to_read(path)):
        with pytest.raises(RefusedError, match=r"newer tnc.*upgrade"):
            prepare(database, path)
        assert database.execute("pragma user_version").fetchone()[0] == SCHEMA + 1


def test_a_damaged_database_is_named(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)

    with pytest.raises(FailedError, match=str(path)):
        prepare(connect_to_read(path), path)
