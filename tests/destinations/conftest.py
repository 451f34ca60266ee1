"""Receivers on real sockets, and a sender that sends to them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.destinations.examples import NOW_MS
from tnc.campaigns.platforms.base import Delivery
from tnc.core.clock import World
from tnc.core.models import Destination
from tnc.destinations.http import open_session
from tnc.destinations.sender import DeliveryResult, Sender

ALLOWED = ("127.0.0.1",)

Listen = Callable[[web.Application], Awaitable[str]]
Send = Callable[[str, Sequence[Delivery]], Awaitable[list[DeliveryResult]]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Serve an application on a free port; returns its base URL."""
    servers: list[TestServer] = []

    async def start(app: web.Application) -> str:
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with open_session(ALLOWED) as session:
        yield Sender(session, World(now_ms=lambda: NOW_MS), ALLOWED)


def at(destination: Destination, address: str) -> Destination:
    """The same destination with its requests sent to another base URL."""
    settings: dict[str, Any] = dict(destination.settings)
    if isinstance(url := settings.get("url"), str):
        settings["url"] = address + url.removeprefix("https://ads.example").removeprefix("https://own.example")
    if "refresh_token" in settings:
        settings["token_url"] = f"{address}/token"
    return replace(destination, base_url=address, settings=settings)


@pytest.fixture
def send_all(sender: Sender) -> Send:
    async def send_to(address: str, batch: Sequence[Delivery]) -> list[DeliveryResult]:
        moved = [replace(each, destination=at(each.destination, address)) for each in batch]
        return await sender.deliver(moved)

    return send_to
