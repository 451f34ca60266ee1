"""Who may open the dashboard, and who has it open just now."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.store.sqlite import transaction

IDLE_MS: Final = 30 * MINUTE_MS
ABSOLUTE_MS: Final = 12 * HOUR_MS
_SEEN_EVERY_MS: Final = MINUTE_MS  # a page view a second must not be a write a second
_ENDED: Final = "from sessions where seen_at_ms <= ? or opened_at_ms <= ?"

ACCOUNT_TABLES: Final[tuple[str, ...]] = (
    """
    create table users (
      id              integer primary key,
      email           text not null unique collate nocase,
      password        text not null,             -- verifier with its scheme, see tnc.passwords
      created_at_ms   integer not null
    ) strict
    """,
    """
    create table sessions (
      token_hash      blob primary key,          -- SHA-256 of what the browser holds
      user_id         integer not null references users (id) on delete cascade,
      opened_at_ms    integer not null,
      seen_at_ms      integer not null           -- to the minute
    ) strict, without rowid
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    user_id: int
    email: str


class Accounts:
    """Users and their sessions in the control database, for any thread, one at a time.

    `connect` is called once; its connection commits by itself (`isolation_level=None`), may be used by any
    thread (`check_same_thread=False`) and enforces foreign keys. Whoever else uses it shares `lock`.
    E-mail addresses are compared without regard to case.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], lock: AbstractContextManager[bool] | None = None
    ) -> None:
        self._connection = connect()
        self._lock = lock or threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def count_users(self) -> int:
        with self._lock:
            (count,) = self._connection.execute("select count(*) from users").fetchone()
        return int(count)

    def add_user(self, *, email: str, verifier: str, now_ms: int) -> User:
        """Raises InvalidError when the address is taken or is none."""
        if not 3 <= len(email) <= 254 or "@" not in email[1:-1] or not email.isprintable() or " " in email:
            raise InvalidError("that is not an e-mail address; write one like owner@example.com")
        try:
            with transaction(self._connection, self._lock):
                cursor = self._connection.execute(
                    "insert into users (email, password, created_at_ms) values (?, ?, ?)", (email, verifier, now_ms)
                )
        except sqlite3.IntegrityError as error:
            raise InvalidError("a user with this e-mail address exists already; choose another address") from error
        return User(user_id=int(cursor.lastrowid or 0), email=email)

    def set_verifier(self, *, email: str, verifier: str) -> None:
        """Change a password and end every session that the old one opened. Raises NotFoundError."""
        with transaction(self._connection, self._lock):
            changed = self._connection.execute("update users set password = ? where email = ?", (verifier, email))
            self._connection.execute(
                "delete from sessions where user_id in (select id from users where email = ?)", (email,)
            )
        if not changed.rowcount:
            raise NotFoundError("no user has this e-mail address; look at the spelling")

    def find_user(self, email: str) -> tuple[User, str] | None:
        """The user and the password verifier."""
        with self._lock:
            row = self._connection.execute("select id, email, password from users where email = ?", (email,)).fetchone()
        return None if row is None else (User(user_id=row[0], email=row[1]), row[2])

    def open_session(self, user: User, *, token_hash: bytes, now_ms: int) -> None:
        """Remember a new session, and forget those that have ended by themselves."""
        with transaction(self._connection, self._lock):
            self._connection.execute(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))
            self._connection.execute(
                "insert into sessions (token_hash, user_id, opened_at_ms, seen_at_ms) values (?, ?, ?, ?)",
                (token_hash, user.user_id, now_ms, now_ms),
            )

    def find_session(self, token_hash: bytes, *, now_ms: int) -> User | None:
        """The user of a session that was used within 30 minutes and opened within 12 hours; keeps it open."""
        with self._lock:
            row = self._connection.execute(
                """
                select users.id, users.email, sessions.opened_at_ms, sessions.seen_at_ms
                from sessions
                join users on users.id = sessions.user_id
                where sessions.token_hash = ?
                """,
                (token_hash,),
            ).fetchone()
            if row is None:
                return None
            user_id, email, opened_at_ms, seen_at_ms = row
            if now_ms - opened_at_ms >= ABSOLUTE_MS or now_ms - seen_at_ms >= IDLE_MS:
                return None
            if now_ms - seen_at_ms >= _SEEN_EVERY_MS:
                self._connection.execute(
                    "update sessions set seen_at_ms = ? where token_hash = ?", (now_ms, token_hash)
                )
        return User(user_id=user_id, email=email)

    def count_ended_sessions(self, *, now_ms: int) -> int:
        with self._lock:
            row = self._connection.execute(
                f"select count(*) {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS)
            ).fetchone()
        return int(row[0])

    def drop_ended_sessions(self, *, now_ms: int) -> None:
        with transaction(self._connection, self._lock):
            self._connection.execute(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))

    def close_session(self, token_hash: bytes) -> None:
        with transaction(self._connection, self._lock):
            self._connection.execute("delete from sessions where token_hash = ?", (token_hash,))
