"""The dashboard's users and their sessions."""

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.store.sqlite import Database, DatabaseError, operation

log = logging.getLogger(__name__)

IDLE_MS: Final = 30 * MINUTE_MS
ABSOLUTE_MS: Final = 12 * HOUR_MS
_SEEN_EVERY_MS: Final = MINUTE_MS  # so that a page view a second is not a write a second
_PATIENCE_SECONDS: Final = 1.0  # for the disk
_ENDED: Final = "from sessions where seen_at_ms <= ? or opened_at_ms <= ?"

ACCOUNT_TABLES: Final[tuple[str, ...]] = (
    """
    create table users (
      id              integer primary key,
      email           text not null unique collate nocase,
      password        text not null,             -- verifier with its scheme, see tnc.core.passwords
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    user: User
    opened_at_ms: int
    seen_at_ms: int

    def is_over(self, now_ms: int) -> bool:
        return now_ms - self.opened_at_ms >= ABSOLUTE_MS or now_ms - self.seen_at_ms >= IDLE_MS


class Accounts:
    """Users and sessions in the control database. E-mail addresses are compared without regard to case.

    While the disk is full, read-only or hangs, sessions are kept in memory: the owner must be able to sign in and see
    what is wrong. They end with the process.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._unstored: dict[bytes, _Session] = {}  # by token hash: opened or used since the disk refused to store it
        self._closed: dict[bytes, int] = {}  # token hashes of closed sessions that could not be deleted, and when

    @operation
    async def count_users(self) -> int:
        (count,) = await self.database.fetch_one("select count(*) from users")
        return int(count)

    @operation
    async def add_user(self, *, email: str, verifier: str, now_ms: int) -> User:
        """Raises InvalidError when the address is taken or is not an e-mail address."""
        if not 3 <= len(email) <= 254 or "@" not in email[1:-1] or not email.isprintable() or " " in email:
            raise InvalidError("that is not an e-mail address; write one like owner@example.com")
        try:
            async with self.database.transaction() as writer:
                cursor = await writer.execute(
                    "insert into users (email, password, created_at_ms) values (?, ?, ?)", (email, verifier, now_ms)
                )
        except sqlite3.IntegrityError as error:
            raise InvalidError("a user with this e-mail address exists already; choose another address") from error
        return User(user_id=int(cursor.lastrowid or 0), email=email)

    @operation
    async def set_verifier(self, *, email: str, verifier: str) -> tuple[User, int]:
        """Change a password and end every session of the user. Returns the user and how many sessions were ended.

        Raises NotFoundError.
        """
        found = await self.find_user(email)
        if found is None:
            raise NotFoundError("no user has this e-mail address; look at the spelling")
        user = found[0]
        async with self.database.transaction() as writer:
            await writer.execute("update users set password = ? where id = ?", (verifier, user.user_id))
            stored = await writer.execute_fetchall(
                "delete from sessions where user_id = ? returning token_hash", (user.user_id,)
            )
        unstored = [token_hash for token_hash, its in self._unstored.items() if its.user == user]
        for token_hash in unstored:
            del self._unstored[token_hash]
        return user, len({token_hash for (token_hash,) in stored} | set(unstored))

    @operation
    async def find_user(self, email: str) -> tuple[User, str] | None:
        """The user and the password verifier."""
        row = await self.database.fetch_one("select id, email, password from users where email = ?", (email,))
        return None if row is None else (User(user_id=row[0], email=row[1]), row[2])

    @operation
    async def open_session(self, user: User, *, token_hash: bytes, now_ms: int) -> None:
        """Store a new session and delete those that are over."""

        async def store() -> None:
            async with self.database.transaction() as writer:
                await writer.execute(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))
                await writer.execute(
                    "insert into sessions (token_hash, user_id, opened_at_ms, seen_at_ms) values (?, ?, ?, ?)",
                    (token_hash, user.user_id, now_ms, now_ms),
                )

        self._forget_old(now_ms)
        if not await _is_stored(store()):
            self._unstored[token_hash] = _Session(user=user, opened_at_ms=now_ms, seen_at_ms=now_ms)

    @operation
    async def find_session(self, token_hash: bytes, *, now_ms: int) -> User | None:
        """The user of a session that was used within 30 minutes and opened within 12 hours; keeps it open."""
        if token_hash in self._closed:
            return None
        session = self._unstored.get(token_hash) or await self._stored_session(token_hash)
        if session is None or session.is_over(now_ms):
            return None
        if now_ms - session.seen_at_ms >= _SEEN_EVERY_MS:
            sql = (
                "insert into sessions values (?1, ?2, ?3, ?4)"
                " on conflict (token_hash) do update set seen_at_ms = excluded.seen_at_ms"
            )
            values = (token_hash, session.user.user_id, session.opened_at_ms, now_ms)
            # Noted first, so that requests that come while the disk hangs do not write as well.
            self._unstored[token_hash] = replace(session, seen_at_ms=now_ms)
            if await _is_stored(self.database.write(sql, values)):
                self._unstored.pop(token_hash, None)
        return session.user

    async def _stored_session(self, token_hash: bytes) -> _Session | None:
        row = await self.database.fetch_one(
            """
            select users.id, users.email, sessions.opened_at_ms, sessions.seen_at_ms
            from sessions
            join users on users.id = sessions.user_id
            where sessions.token_hash = ?
            """,
            (token_hash,),
        )
        if row is None:
            return None
        user_id, email, opened_at_ms, seen_at_ms = row
        return _Session(user=User(user_id=user_id, email=email), opened_at_ms=opened_at_ms, seen_at_ms=seen_at_ms)

    def _forget_old(self, now_ms: int) -> None:
        self._unstored = {token: its for token, its in self._unstored.items() if not its.is_over(now_ms)}
        self._closed = {token: at_ms for token, at_ms in self._closed.items() if now_ms - at_ms < ABSOLUTE_MS}

    @operation
    async def count_ended_sessions(self, *, now_ms: int) -> int:
        (count,) = await self.database.fetch_one(f"select count(*) {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))
        return int(count)

    @operation
    async def drop_ended_sessions(self, *, now_ms: int) -> None:
        await self.database.write(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))

    @operation
    async def close_session(self, token_hash: bytes, *, now_ms: int) -> None:
        self._unstored.pop(token_hash, None)
        if not await _is_stored(self.database.write("delete from sessions where token_hash = ?", (token_hash,))):
            self._closed[token_hash] = now_ms


async def _is_stored(write: Coroutine[Any, Any, None]) -> bool:
    """Whether a write succeeded. False when the disk refuses it, or after a second in which it did not end."""
    task = asyncio.ensure_future(write)
    done, _ = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
    if not done:
        task.add_done_callback(_read_result)
        log.warning("the control database does not store sessions: its disk hangs")
        return False
    error = task.exception()
    if error is None:
        return True
    if not isinstance(error, DatabaseError):
        raise error
    log.warning("the control database does not store sessions", extra={"reason": str(error)})
    return False


def _read_result(task: asyncio.Future[None]) -> None:
    """So that asyncio does not report an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
