"""A dashboard over invented traffic, and a way into it."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_story
from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.store.accounts import ACCOUNT_TABLES, Accounts
from tnc.web.dashboard import dashboard_app

EMAIL, PASSWORD = "owner@example.com", "correct horse battery"

Client = TestClient[web.Request, web.Application]
Open = Callable[..., Awaitable[Client]]


@dataclass
class Clock:
    """The time of a test: it moves when told to."""

    now_ms: int = NOW_MS

    def later(self, *, seconds: int) -> None:
        self.now_ms += seconds * 1000


def control_database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("pragma foreign_keys = on")
    for table in ACCOUNT_TABLES:
        connection.execute(table)
    return connection


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords(b"pepper" * 6, rounds=4)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(passwords: Passwords) -> Accounts:
    accounts = Accounts(control_database)
    accounts.add_user(email=EMAIL, verifier=passwords.hash(PASSWORD), now_ms=NOW_MS)
    return accounts


@pytest.fixture
def appliance() -> InventedAppliance:
    return InventedAppliance(told=[invent_story(NOW_MS - number * 600_000, number) for number in range(1, 131)])


@pytest.fixture
def stranger(
    aiohttp_client: Callable[..., Awaitable[Client]], accounts: Accounts, passwords: Passwords, clock: Clock
) -> Open:
    """Opens a client that has not signed in."""

    async def start(appliance: InventedAppliance) -> Client:
        world = World(now_ms=lambda: clock.now_ms)
        return await aiohttp_client(dashboard_app(appliance, accounts, passwords, world, hosts=("track.example",)))

    return start


@pytest.fixture
def owner(stranger: Open) -> Open:
    """Opens a client that has signed in."""

    async def start(appliance: InventedAppliance) -> Client:
        client = await stranger(appliance)
        answer = await client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}, allow_redirects=False)
        assert answer.status == 303
        return client

    return start
