"""Versions of the configuration: numbered, sealed, never changed."""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.store.control import control_database
from tnc.core.errors import FailedError, NotFoundError
from tnc.core.models import MAIN, WorkspaceId
from tnc.store.config_versions import ConfigVersions

KEY = b"c" * 32
OTHER = WorkspaceId("other")
SECRET = b'{"networks":{"good":{"key":"s3cret-canary"}}}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConfigVersions]:
    with control_database(tmp_path) as database:
        yield ConfigVersions(database, KEY)


async def add(store: ConfigVersions, document: bytes, workspace: WorkspaceId = MAIN, at_ms: int = 1_000) -> int:
    return await store.add(workspace, document, made_at_ms=at_ms, made_by="command line", note="1 change")


async def test_versions_are_numbered_in_each_workspace_and_read_back(tmp_path: Path, store: ConfigVersions) -> None:
    assert await store.latest(MAIN) == 0
    assert [await add(store, each) for each in (b"one", b"two", b"x" * 300_000)] == [1, 2, 3]
    assert await add(store, b"theirs", OTHER) == 1
    assert (await store.latest(MAIN), await store.latest(OTHER)) == (3, 1)

    with control_database(tmp_path, to_write=False) as database:
        again = ConfigVersions(database, KEY)
        assert (await again.latest(MAIN), await again.latest(OTHER)) == (3, 1)
        assert [await again.document(MAIN, n) for n in (1, 2, 3)] == [b"one", b"two", b"x" * 300_000]
        assert await again.document(OTHER, 1) == b"theirs"


async def test_the_list_shows_author_and_time_and_nothing_of_the_content(store: ConfigVersions) -> None:
    await add(store, SECRET, at_ms=5)
    await add(store, b"{}", at_ms=6)

    listed = await store.all_versions(MAIN)

    assert [(each.version, each.made_at_ms, each.made_by, each.note) for each in listed] == [
        (2, 6, "command line", "1 change"),
        (1, 5, "command line", "1 change"),
    ]


async def test_an_unknown_version_is_not_found(store: ConfigVersions) -> None:
    with pytest.raises(NotFoundError, match="no version 7"):
        await store.document(MAIN, 7)


async def test_no_secret_of_a_configuration_is_in_any_file(tmp_path: Path, store: ConfigVersions) -> None:
    for _ in range(20):
        await add(store, SECRET)

    assert not any(b"s3cret-canary" in each.read_bytes() for each in tmp_path.iterdir())


async def test_a_document_does_not_open_under_another_key_or_number(tmp_path: Path, store: ConfigVersions) -> None:
    await add(store, b"one")
    await add(store, b"two")
    with sqlite3.connect(tmp_path / "control.db") as database:
        (first,) = database.execute("select document from config_versions where version = 1").fetchone()
        database.execute("update config_versions set document = ? where version = 2", (first,))

    with pytest.raises(FailedError, match=r"version 2 .* damaged or moved"):
        await store.document(MAIN, 2)
    with pytest.raises(FailedError, match="does not open"):
        await ConfigVersions(store.database, b"x" * 32).document(MAIN, 1)


async def test_versions_that_are_added_at_once_get_different_numbers(store: ConfigVersions) -> None:
    assert await store.latest(MAIN) == 0

    numbers = await asyncio.gather(*(add(store, b"%d" % n) for n in range(40)))

    assert sorted(numbers) == list(range(1, 41))
    assert all([await store.document(MAIN, number) == b"%d" % n for n, number in enumerate(numbers)])
    assert await store.latest(MAIN) == store.newest_known(MAIN) == 40


def test_threads_that_add_at_once_get_different_numbers(store: ConfigVersions) -> None:
    def add_in_thread(n: int) -> int:
        return store.add(MAIN, b"%d" % n, made_at_ms=1, made_by="command line", note="").wait()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(add_in_thread, range(40))) == list(range(1, 41))


async def test_a_failed_version_leaves_nothing_open(tmp_path: Path, store: ConfigVersions) -> None:
    holder = sqlite3.connect(tmp_path / "control.db", isolation_level=None)
    holder.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await add(store, b"one")
    holder.execute("rollback")
    holder.close()

    assert await add(store, b"one") == 1


async def test_a_reader_beside_the_writer_sees_new_versions_and_changes_none(
    tmp_path: Path, store: ConfigVersions
) -> None:
    with control_database(tmp_path, to_write=False) as database:
        reader = ConfigVersions(database, KEY)
        assert await reader.latest(MAIN) == 0

        await add(store, b"one")

        assert await reader.latest(MAIN) == 1
        assert await reader.document(MAIN, 1) == b"one"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await add(reader, b"two")
