"""A transaction on a connection that several threads share."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


@contextmanager
def transaction(database: sqlite3.Connection, lock: AbstractContextManager[object]) -> Iterator[None]:
    """All of it or nothing, while no other thread uses the connection; durable when the block has ended.

    What went wrong is what is raised: on a full disk SQLite rolls back by itself, and to ask for it again is an error.
    """
    with lock:
        database.execute("begin immediate")
        try:
            yield
            database.execute("commit")
        except BaseException:
            if database.in_transaction:
                database.execute("rollback")
            raise
