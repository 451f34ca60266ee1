"""Users and sessions: what is found, what ends a session, what is refused."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.store.control import control_database
from tnc.core.clock import MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.store.accounts import ABSOLUTE_MS, IDLE_MS, Accounts, User
from tnc.store.sqlite import Database

NOON_MS = 1_795_435_200_000
TOKEN = b"t" * 32


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with control_database(tmp_path) as database:
        yield Accounts(database)


@pytest.fixture
def owner(accounts: Accounts) -> User:
    return accounts.add_user(email="Owner@Example.com", verifier="v1", now_ms=NOON_MS).wait()


async def test_a_user_is_found_in_any_case_of_letters(accounts: Accounts, owner: User) -> None:
    assert await accounts.find_user("owner@example.COM") == (owner, "v1")
    assert await accounts.find_user("nobody@example.com") is None
    assert await accounts.count_users() == 1


@pytest.mark.parametrize("email", ["owner@EXAMPLE.com", "", "owner", "@x", "a b@example.com", "a@\x00b.example"])
async def test_a_taken_or_broken_address_is_refused(accounts: Accounts, owner: User, email: str) -> None:
    with pytest.raises(InvalidError, match="e-mail address"):
        await accounts.add_user(email=email, verifier="v", now_ms=NOON_MS)


async def test_a_session_stays_open_while_it_is_used(accounts: Accounts, owner: User) -> None:
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    for minutes in range(20, 12 * 60, 20):
        assert await accounts.find_session(TOKEN, now_ms=NOON_MS + minutes * MINUTE_MS) == owner
    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + ABSOLUTE_MS) is None


async def test_a_session_ends_after_30_minutes_without_use(accounts: Accounts, owner: User) -> None:
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + IDLE_MS - 1) == owner
    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + 3 * IDLE_MS) is None


async def test_a_closed_or_unknown_session_has_no_user(accounts: Accounts, owner: User) -> None:
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)
    await accounts.close_session(TOKEN, now_ms=NOON_MS)

    assert await accounts.find_session(TOKEN, now_ms=NOON_MS) is None
    assert await accounts.find_session(b"invented", now_ms=NOON_MS) is None


async def test_a_new_password_ends_the_sessions_of_the_old_one(accounts: Accounts, owner: User) -> None:
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    await accounts.set_verifier(email="owner@example.com", verifier="v2")

    assert await accounts.find_session(TOKEN, now_ms=NOON_MS) is None
    assert await accounts.find_user("owner@example.com") == (owner, "v2")
    with pytest.raises(NotFoundError):
        await accounts.set_verifier(email="nobody@example.com", verifier="v3")


async def test_signing_in_deletes_sessions_that_are_over(tmp_path: Path) -> None:
    with control_database(tmp_path) as database:
        accounts = Accounts(database)
        owner = await accounts.add_user(email="owner@example.com", verifier="v", now_ms=NOON_MS)
        await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

        await accounts.open_session(owner, token_hash=b"later", now_ms=NOON_MS + ABSOLUTE_MS)

        assert await database.fetch_all("select token_hash from sessions") == [(b"later",)]


async def test_sign_ins_at_the_same_time_do_not_mix_their_transactions(accounts: Accounts, owner: User) -> None:
    async def visit(number: int) -> User | None:
        token = number.to_bytes(32, "big")
        await accounts.open_session(owner, token_hash=token, now_ms=NOON_MS)
        return await accounts.find_session(token, now_ms=NOON_MS + 2 * MINUTE_MS)

    assert await asyncio.gather(*map(visit, range(50))) == [owner] * 50


def test_threads_can_use_accounts_too(accounts: Accounts, owner: User) -> None:
    def visit(number: int) -> User | None:
        token = number.to_bytes(32, "big")
        accounts.open_session(owner, token_hash=token, now_ms=NOON_MS).wait()
        return accounts.find_session(token, now_ms=NOON_MS + 2 * MINUTE_MS).wait()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(visit, range(50))) == [owner] * 50


# ---------------------------------------------------------------------------------- while the disk refuses writes


class RefusingDisk:
    """Makes every write of a database fail, or hang, from `begin` on."""

    def __init__(self, database: Database, patched: pytest.MonkeyPatch) -> None:
        self._database = database
        self._patched = patched
        self._released = asyncio.Event()

    def begin(self, *, hanging: bool) -> None:
        async def refuse(*_: object) -> None:
            if hanging:
                await self._released.wait()
            raise sqlite3.OperationalError("database or disk is full")

        @asynccontextmanager
        async def refuse_transaction() -> AsyncIterator[None]:
            await refuse()
            yield

        self._patched.setattr(self._database, "write", refuse)
        self._patched.setattr(self._database, "transaction", refuse_transaction)

    def end(self) -> None:
        self._patched.undo()
        self._released.set()


@pytest.fixture
def disk(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[RefusingDisk]:
    made = RefusingDisk(accounts.database, monkeypatch)
    yield made
    made.end()


@pytest.mark.parametrize("hanging", [False, True])
async def test_a_session_is_opened_used_and_closed_while_the_disk_refuses(
    accounts: Accounts, owner: User, disk: RefusingDisk, hanging: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tnc.store.accounts._PATIENCE_SECONDS", 0.05)
    disk.begin(hanging=hanging)

    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    for minutes in range(20, 12 * 60, 20):
        assert await accounts.find_session(TOKEN, now_ms=NOON_MS + minutes * MINUTE_MS) == owner
    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + ABSOLUTE_MS) is None
    await accounts.open_session(owner, token_hash=b"u" * 32, now_ms=NOON_MS)
    await accounts.close_session(b"u" * 32, now_ms=NOON_MS)
    assert await accounts.find_session(b"u" * 32, now_ms=NOON_MS) is None


async def test_a_stored_session_stays_open_and_can_be_closed_while_the_disk_refuses(
    accounts: Accounts, owner: User, disk: RefusingDisk
) -> None:
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)
    disk.begin(hanging=False)

    for minutes in range(20, 120, 20):
        assert await accounts.find_session(TOKEN, now_ms=NOON_MS + minutes * MINUTE_MS) == owner
    await accounts.close_session(TOKEN, now_ms=NOON_MS + 100 * MINUTE_MS)

    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + 101 * MINUTE_MS) is None


async def test_a_session_of_the_full_disk_is_stored_when_there_is_room_and_ends_with_the_password(
    accounts: Accounts, owner: User, disk: RefusingDisk
) -> None:
    disk.begin(hanging=False)
    await accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)
    await accounts.open_session(owner, token_hash=b"u" * 32, now_ms=NOON_MS)
    disk.end()

    assert await accounts.find_session(TOKEN, now_ms=NOON_MS + MINUTE_MS) == owner
    assert await Accounts(accounts.database).find_session(TOKEN, now_ms=NOON_MS + MINUTE_MS) == owner

    assert await accounts.set_verifier(email=owner.email, verifier="v2") == (owner, 2)
    for token in (TOKEN, b"u" * 32):
        assert await accounts.find_session(token, now_ms=NOON_MS + MINUTE_MS) is None
