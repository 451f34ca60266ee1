"""Installations to look at, and ways into their dashboards."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar

from tests.web.dashboard.installed import Installation, installed
from tests.web.dashboard.week import Week, a_week

FROM_HERE: Final = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Client:
    """A browser that follows redirects and keeps cookies, and does nothing else."""

    session: ClientSession
    address: str

    async def request(self, method: str, path: str, **options: Any) -> ClientResponse:
        return await self.session.request(method, self.address + path, **options)

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.request("GET", path, **options)

    async def post(self, path: str, data: Any = None, **options: Any) -> ClientResponse:
        """A form of the dashboard's own, unless other headers are given."""
        return await self.request("POST", path, data=data, **{"headers": FROM_HERE, **options})

    async def text(self, path: str, **options: Any) -> str:
        """A page that is there."""
        answer = await self.get(path, **options)
        assert answer.status == 200, path
        return await answer.text()

    async def send(self, path: str, data: Any = None) -> str:
        """A form that is taken; where it leads to."""
        answer = await self.post(path, data, allow_redirects=False)
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]


Open = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="session")
def week() -> Iterator[Week]:
    """Only to be looked at: all tests share it."""
    with a_week() as made:
        yield made


@pytest.fixture(scope="session")
def shared(week: Week) -> Installation:
    return week.installation


@pytest.fixture(scope="session")
def bare() -> Iterator[Installation]:
    """Nothing is configured, and nothing happened. Only to be looked at: all tests share it."""
    with installed("") as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[Installation]:
    """The configuration of shop.toml, and no visit yet; a test's own."""
    with installed() as made:
        yield made


@pytest.fixture
async def browse() -> AsyncIterator[Callable[[str], Client]]:
    """Makes a client for an address."""
    sessions: list[ClientSession] = []

    def open_session(address: str) -> Client:
        sessions.append(ClientSession(cookie_jar=CookieJar(unsafe=True)))  # addresses that are numbers have cookies too
        return Client(sessions[-1], address)

    yield open_session
    for session in sessions:
        await session.close()


@pytest.fixture
def stranger(browse: Callable[[str], Client]) -> Open:
    """Opens a dashboard of its own with a client that has not signed in."""

    async def start(installation: Installation, **parts: Any) -> Client:
        return browse(installation.serve(installation.dashboard(**parts)))

    return start


@pytest.fixture
def owner(browse: Callable[[str], Client], stranger: Open) -> Open:
    """Opens a client with a session of its own: on the dashboard that all tests of the installation share, or on one
    with `parts` of its own.
    """

    async def start(installation: Installation, **parts: Any) -> Client:
        client = await stranger(installation, **parts) if parts else browse(installation.address)
        client.session.cookie_jar.update_cookies({"tnc_session": installation.open_session()})
        return client

    return start
