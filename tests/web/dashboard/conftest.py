"""A dashboard over invented traffic, and a way into it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.store.control import control_database
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_story
from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.store.accounts import Accounts
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


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords(b"pepper" * 6, rounds=4)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, passwords: Passwords) -> Iterator[Accounts]:
    with control_database(tmp_path) as database:
        accounts = Accounts(database)
        accounts.add_user(email=EMAIL, verifier=passwords.hash(PASSWORD), now_ms=NOW_MS).wait()
        yield accounts


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
