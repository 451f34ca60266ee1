"""A SQLite database that is served by one event loop: awaited there, waited for in threads."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import aiosqlite

DatabaseError = sqlite3.Error

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_P = ParamSpec("_P")

_ROWS_AT_ONCE: Final = 64  # what aiosqlite fetches at a time when a cursor is iterated; none is here


class Database:
    """One connection that writes, one transaction at a time, and one that reads; each has a thread of aiosqlite.

    `reader` and `writer` are open, commit by themselves (`isolation_level=None`) and may be used in any thread
    (`check_same_thread=False`); the database closes them. Without a `writer` it is read only. Both are served by
    `loop`; without one the database runs a loop in a thread of its own until it is closed. To be opened and closed
    in another thread than that of `loop`.
    """

    def __init__(
        self,
        reader: sqlite3.Connection,
        writer: sqlite3.Connection | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop_thread: _LoopThread | None = None
        if loop is None:
            self._loop_thread = _LoopThread()
            loop = self._loop_thread.loop
        self.loop = loop
        self._connections = [aiosqlite.Connection(lambda: reader, _ROWS_AT_ONCE)]
        if writer is not None:
            self._connections.append(aiosqlite.Connection(lambda: writer, _ROWS_AT_ONCE))
        self._reader, self._writer = self._connections[0], self._connections[-1]
        self.writes = writer is not None
        self._writing = asyncio.Lock()
        self.wait(self._start())

    async def _start(self) -> None:
        await asyncio.gather(*self._connections)

    def close(self) -> None:
        """Waits for what is being written. A second time it does nothing."""
        if self._connections:
            self.wait(self._close())
            if self._loop_thread is not None:
                self._loop_thread.stop()

    async def _close(self) -> None:
        async with self._writing:
            # The writer last: the last connection copies the write-ahead log into the file, and a reader cannot.
            connections, self._connections = self._connections, []
            async with AsyncExitStack() as stack:  # each is closed, also when another cannot be
                for connection in reversed(connections):
                    stack.push_async_callback(connection.close)

    # -- on the loop

    async def fetch_all(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        """All rows, in one hop to the reader's thread; one statement sees one state of the database."""
        return list(await self._reader.execute_fetchall(sql, parameters))

    async def fetch_one(self, sql: str, parameters: Iterable[Any] = ()) -> Any:
        """The first row; None when there is none."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def write(self, sql: str, parameters: Iterable[Any] = ()) -> None:
        """One statement that is a transaction of its own; durable when this returns."""
        async with self._writing:
            await self._writer.execute(sql, parameters)

    async def checkpoint(self) -> None:
        """Move the write-ahead log into the file, so that a lost log loses nothing."""
        async with self._writing:
            with suppress(sqlite3.OperationalError):
                await self._writer.execute_fetchall("pragma wal_checkpoint(truncate)")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """All or nothing on the connection that it gives; durable when the block has ended.

        The error that ended the block is raised even when the rollback fails: on a full disk SQLite rolls back by
        itself, and to ask for it again is an error.
        """
        async with self._writing:
            try:
                await self._writer.execute("begin immediate")
                yield self._writer
                await self._writer.execute("commit")
            except BaseException:
                with suppress(sqlite3.OperationalError):
                    await self._writer.execute("rollback")
                raise

    # -- elsewhere

    def wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run `coroutine` on the loop and wait for its result, in any other thread."""
        if _running_loop() is self.loop:
            coroutine.close()
            raise RuntimeError("this thread runs the loop that serves the database: await the operation instead")
        return self._submit(coroutine).result()

    def on_loop(self, coroutine: Coroutine[Any, Any, _T]) -> Awaitable[_T]:
        """`coroutine`, to be awaited on whichever loop is running."""
        if _running_loop() is self.loop:
            return coroutine
        return asyncio.wrap_future(self._submit(coroutine))

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise


class Operation(Awaitable[_T_co]):
    """An operation on a database: `await` it in a coroutine, or `wait()` for it in a thread; else it is not done."""

    __slots__ = ("_coroutine", "_database")

    def __init__(self, database: Database, coroutine: Coroutine[Any, Any, _T_co]) -> None:
        self._database = database
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, _T_co]:
        return self._database.on_loop(self._coroutine).__await__()

    def wait(self) -> _T_co:
        """Raises RuntimeError in the thread that runs the database's loop."""
        return self._database.wait(self._coroutine)


class _OfDatabase(Protocol):
    @property
    def database(self) -> Database: ...


_S = TypeVar("_S", bound=_OfDatabase)


def operation(
    method: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_S, _P], Operation[_T]]:
    """Make a coroutine method of an object with a `database` one that threads can call as well."""

    @wraps(method)
    def call(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> Operation[_T]:
        return Operation(self.database, method(self, *args, **kwargs))

    return call


class _LoopThread:
    """An event loop in a thread of its own, for processes that have none."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="tnc-database", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
