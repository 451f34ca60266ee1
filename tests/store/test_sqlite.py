"""The database behind an event loop: transactions, threads, loops and closing."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tnc.store.database import connect, connect_to_read
from tnc.store.sqlite import Database, Operation, operation


class Words:
    """A table with one column."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @operation
    async def all(self) -> list[str]:
        return [word for (word,) in await self.database.fetch_all("select word from words")]

    @operation
    async def add(self, *words: str, fail: Exception | None = None) -> None:
        async with self.database.transaction() as writer:
            for word in words:
                await writer.execute("insert into words values (?)", (word,))
                await asyncio.sleep(0)
            if fail is not None:
                raise fail


def writer(folder: Path) -> sqlite3.Connection:
    opened = connect(folder / "a.db")
    opened.execute("create table if not exists words (word)")
    return opened


@pytest.fixture
def words(tmp_path: Path) -> Iterator[Words]:
    opened = writer(tmp_path)
    database = Database(connect_to_read(tmp_path / "a.db"), opened)
    yield Words(database)
    database.close()


@asynccontextmanager
async def served_here(folder: Path) -> AsyncIterator[Words]:
    """Words in a database that the running loop serves."""
    opened = writer(folder)
    loop = asyncio.get_running_loop()
    database = await asyncio.to_thread(Database, connect_to_read(folder / "a.db"), opened, loop=loop)
    yield Words(database)
    await asyncio.to_thread(database.close)


def test_a_failed_transaction_leaves_nothing(words: Words) -> None:
    with pytest.raises(ValueError, match="half way"):
        words.add("one", fail=ValueError("half way")).wait()
    words.add("two").wait()

    assert words.all().wait() == ["two"]


def test_a_full_disk_is_reported_as_full(words: Words) -> None:
    """SQLite has rolled back by then: that there is nothing to roll back is not the error to report."""

    async def fill() -> None:
        async with words.database.transaction() as writer:
            await writer.execute("insert into words values (zeroblob(100000))")

    (pages,) = words.database.wait(words.database.fetch_one("pragma page_count"))
    words.database.wait(words.database.write(f"pragma max_page_count = {pages}"))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        words.database.wait(fill())
    assert words.all().wait() == []


async def test_transactions_wait_for_each_other(tmp_path: Path) -> None:
    async with served_here(tmp_path) as words:
        await asyncio.gather(words.add("a", "a", "a"), words.add("b", "b", "b"), words.add("c", "c", "c"))

        assert await words.all() == list("aaabbbccc")


async def test_a_cancelled_transaction_is_rolled_back_and_the_next_one_works(tmp_path: Path) -> None:
    async def never_ends() -> None:
        async with words.database.transaction() as writer:
            await writer.execute("insert into words values ('one')")
            started.set()
            await asyncio.Event().wait()

    async with served_here(tmp_path) as words:
        started = asyncio.Event()
        task = asyncio.create_task(never_ends())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await words.add("two")

        assert await words.all() == ["two"]


async def test_a_read_does_not_wait_for_a_transaction(tmp_path: Path) -> None:
    async with served_here(tmp_path) as words:
        await words.add("one")
        async with words.database.transaction() as writer:
            await writer.execute("insert into words values ('two')")
            assert await words.all() == ["one"]

        assert await words.all() == ["one", "two"]


async def test_an_operation_can_be_awaited_on_any_loop_and_waited_for_in_any_other_thread(
    tmp_path: Path, words: Words
) -> None:
    (tmp_path / "here").mkdir()
    async with served_here(tmp_path / "here") as here:
        await here.add("awaited here")
        await asyncio.to_thread(lambda: here.add("waited for in a thread").wait())
        await words.add("awaited beside the loop that serves it")
        words.add("waited for beside the loop that serves it").wait()

        assert await here.all() == ["awaited here", "waited for in a thread"]
        assert len(await words.all()) == 2


async def test_waiting_on_the_serving_loop_is_refused(tmp_path: Path) -> None:
    """It would wait for itself for ever."""
    async with served_here(tmp_path) as words:
        with pytest.raises(RuntimeError, match="await the operation"):
            words.all().wait()


def test_a_read_only_database_refuses_to_write(tmp_path: Path) -> None:
    writer(tmp_path).close()
    reader = Words(Database(connect_to_read(tmp_path / "a.db")))

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.add("one").wait()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.database.wait(reader.database.write("insert into words values ('one')"))
    assert reader.all().wait() == []
    reader.database.close()


def test_closing_ends_all_threads_and_leaves_one_file(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    opened = writer(tmp_path)
    database = Database(connect_to_read(tmp_path / "a.db"), opened)
    Words(database).add("one").wait()
    assert (tmp_path / "a.db-wal").exists()
    database.close()
    database.close()

    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert set(threading.enumerate()) <= before
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_an_operation_on_a_closed_database_fails(tmp_path: Path) -> None:
    database = Database(connect_to_read(writer_path(tmp_path)))
    words: Operation[list[str]] = Words(database).all()
    database.close()

    with pytest.raises(RuntimeError, match="closed"):
        words.wait()


def writer_path(folder: Path) -> Path:
    writer(folder).close()
    return folder / "a.db"
