"""Users sign in, sessions end by themselves, and nothing that a browser holds lies in the database."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tnc.core.clock import MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.store.accounts import ABSOLUTE_MS, ACCOUNT_TABLES, IDLE_MS, Accounts, User

NOON_MS = 1_795_435_200_000
TOKEN = b"t" * 32


def control_database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("pragma foreign_keys = on")
    for table in ACCOUNT_TABLES:
        connection.execute(table)
    return connection


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    accounts = Accounts(control_database)
    yield accounts
    accounts.close()


@pytest.fixture
def owner(accounts: Accounts) -> User:
    return accounts.add_user(email="Owner@Example.com", verifier="v1", now_ms=NOON_MS)


def test_a_user_is_found_whatever_the_case(accounts: Accounts, owner: User) -> None:
    assert accounts.find_user("owner@example.COM") == (owner, "v1")
    assert accounts.find_user("nobody@example.com") is None
    assert accounts.count_users() == 1


@pytest.mark.parametrize("email", ["owner@EXAMPLE.com", "", "owner", "@x", "a b@example.com", "a@\x00b.example"])
def test_a_taken_or_broken_address_is_refused(accounts: Accounts, owner: User, email: str) -> None:
    with pytest.raises(InvalidError, match="e-mail address"):
        accounts.add_user(email=email, verifier="v", now_ms=NOON_MS)


def test_a_session_stays_open_while_it_is_used(accounts: Accounts, owner: User) -> None:
    accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    for minutes in range(20, 12 * 60, 20):
        assert accounts.find_session(TOKEN, now_ms=NOON_MS + minutes * MINUTE_MS) == owner
    assert accounts.find_session(TOKEN, now_ms=NOON_MS + ABSOLUTE_MS) is None


def test_a_session_ends_when_nobody_uses_it(accounts: Accounts, owner: User) -> None:
    accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    assert accounts.find_session(TOKEN, now_ms=NOON_MS + IDLE_MS - 1) == owner
    assert accounts.find_session(TOKEN, now_ms=NOON_MS + 3 * IDLE_MS) is None


def test_a_closed_session_and_an_invented_one_are_nobodys(accounts: Accounts, owner: User) -> None:
    accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)
    accounts.close_session(TOKEN)

    assert accounts.find_session(TOKEN, now_ms=NOON_MS) is None
    assert accounts.find_session(b"invented", now_ms=NOON_MS) is None


def test_a_new_password_ends_the_sessions_of_the_old_one(accounts: Accounts, owner: User) -> None:
    accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    accounts.set_verifier(email="owner@example.com", verifier="v2")

    assert accounts.find_session(TOKEN, now_ms=NOON_MS) is None
    assert accounts.find_user("owner@example.com") == (owner, "v2")
    with pytest.raises(NotFoundError):
        accounts.set_verifier(email="nobody@example.com", verifier="v3")


def test_ended_sessions_are_swept_by_the_next_sign_in() -> None:
    connection = control_database()
    accounts = Accounts(lambda: connection)
    owner = accounts.add_user(email="owner@example.com", verifier="v", now_ms=NOON_MS)
    accounts.open_session(owner, token_hash=TOKEN, now_ms=NOON_MS)

    accounts.open_session(owner, token_hash=b"later", now_ms=NOON_MS + ABSOLUTE_MS)

    assert connection.execute("select token_hash from sessions").fetchall() == [(b"later",)]
    accounts.close()


def test_many_threads_share_one_connection(accounts: Accounts, owner: User) -> None:
    def visit(number: int) -> User | None:
        token = number.to_bytes(32, "big")
        accounts.open_session(owner, token_hash=token, now_ms=NOON_MS)
        return accounts.find_session(token, now_ms=NOON_MS + 120_000)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(visit, range(200))) == {owner}
