"""A tracking listener on a real socket, with a real data directory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tnc.admin.services import Services
from tnc.app import Server, recording
from tnc.core.clock import World
from tnc.core.formats import ListenAddress
from tnc.core.models import ClickHistory
from tnc.core.settings import Settings
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.store.days.click_log import ClickLog
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.rate import ClickRate
from tnc.web.sockets import listening_socket, tracking_site

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)

SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes?s={click_id}"

[[lander]]
id = "quiz"
url = "https://land.example/quiz?k={click_id}"

[[campaign]]
id = "summer"
referrer_policy = "no-referrer"
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "lander"
[[campaign.flow]]
id = "rest"
landers = [ { id = "quiz" } ]
offers = [ { id = "shoes" } ]

[[campaign]]
id = "meta"
redirect = "meta"
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "double"
redirect = "double-meta"
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "script"
redirect = "js"
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "nowhere"
[[campaign.flow]]
id = "nobody"
when = [ { fact = "device", is = ["console"] } ]
offers = [ { id = "shoes" } ]

[[campaign]]
id = "gone"
archived = true
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "still"
paused = true
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class Shop:
    """A running listener and what it recorded."""

    workspace: Workspace
    port: int
    log: ClickLog
    services: Services
    tracker: Tracker

    def histories(self) -> list[ClickHistory]:
        return list(self.workspace.histories.newest())

    async def send(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send a request and return all bytes until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            return await asyncio.wait_for(reader.read(), 120)
        finally:
            writer.close()

    async def get(self, target: str, *, method: str = "GET", **headers: str) -> Answer:
        return read_answer(await self.send(request(target, method=method, **headers)))


def request(target: str, *, method: str = "GET", connection: str = "close", **headers: str) -> bytes:
    named = {"Host": "go.example", "Connection": connection, "User-Agent": PHONE, "Accept-Language": "en"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def read_answer(text: bytes) -> Answer:
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body.decode())


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    world = World()
    key = tmp_path / "key"
    key.write_text(new_key_text())
    settings = Settings(data=tmp_path / "data", key=key)
    with Workspace.create(settings, world) as workspace:
        workspace.rotate_salts()
        tracker = make_tracker(workspace, visit_reader(workspace), visit_reader(workspace, ClickRate()))
        async with recording(workspace) as log, open_session(()) as session:
            server = Server(workspace, log, tracker, Sender(session, world, ()))
            await server.live.prepare_days()
            await asyncio.to_thread(server.services.configure.apply, SHOP, file="shop.toml")
            bound = listening_socket(ListenAddress(host="127.0.0.1", port=0))
            async with tracking_site(server.tracking(), bound):
                yield Shop(workspace, bound.getsockname()[1], log, server.services, tracker)
