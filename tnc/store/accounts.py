"""The dashboard's users and their sessions."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.store.sqlite import Database, operation

IDLE_MS: Final = 30 * MINUTE_MS
ABSOLUTE_MS: Final = 12 * HOUR_MS
_SEEN_EVERY_MS: Final = MINUTE_MS  # so that a page view a second is not a write a second
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


class Accounts:
    """Users and sessions in the control database. E-mail addresses are compared without regard to case."""

    def __init__(self, database: Database) -> None:
        self.database = database

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
    async def set_verifier(self, *, email: str, verifier: str) -> None:
        """Change a password and end every session that the old one opened. Raises NotFoundError."""
        async with self.database.transaction() as writer:
            changed = await writer.execute("update users set password = ? where email = ?", (verifier, email))
            await writer.execute(
                "delete from sessions where user_id in (select id from users where email = ?)", (email,)
            )
        if not changed.rowcount:
            raise NotFoundError("no user has this e-mail address; look at the spelling")

    @operation
    async def find_user(self, email: str) -> tuple[User, str] | None:
        """The user and the password verifier."""
        row = await self.database.fetch_one("select id, email, password from users where email = ?", (email,))
        return None if row is None else (User(user_id=row[0], email=row[1]), row[2])

    @operation
    async def open_session(self, user: User, *, token_hash: bytes, now_ms: int) -> None:
        """Store a new session and delete those that are over."""
        async with self.database.transaction() as writer:
            await writer.execute(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))
            await writer.execute(
                "insert into sessions (token_hash, user_id, opened_at_ms, seen_at_ms) values (?, ?, ?, ?)",
                (token_hash, user.user_id, now_ms, now_ms),
            )

    @operation
    async def find_session(self, token_hash: bytes, *, now_ms: int) -> User | None:
        """The user of a session that was used within 30 minutes and opened within 12 hours; keeps it open."""
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
        if now_ms - opened_at_ms >= ABSOLUTE_MS or now_ms - seen_at_ms >= IDLE_MS:
            return None
        if now_ms - seen_at_ms >= _SEEN_EVERY_MS:
            await self.database.write("update sessions set seen_at_ms = ? where token_hash = ?", (now_ms, token_hash))
        return User(user_id=user_id, email=email)

    @operation
    async def count_ended_sessions(self, *, now_ms: int) -> int:
        (count,) = await self.database.fetch_one(f"select count(*) {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))
        return int(count)

    @operation
    async def drop_ended_sessions(self, *, now_ms: int) -> None:
        await self.database.write(f"delete {_ENDED}", (now_ms - IDLE_MS, now_ms - ABSOLUTE_MS))

    @operation
    async def close_session(self, token_hash: bytes) -> None:
        await self.database.write("delete from sessions where token_hash = ?", (token_hash,))
