"""Commands reach the running server over its socket, and its refusals come back as they were raised."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tnc.admin.remote import Remote
from tnc.admin.services import Services
from tnc.core.clock import World
from tnc.core.errors import FailedError, NotFoundError
from tnc.core.settings import Settings
from tnc.store.days.files import Days
from tnc.store.days.transactions import OfflineWriter
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.web.control import control_app
from tnc.web.sockets import local_socket

OFFER = '[[offer]]\nid = "shoes"\nurl = "https://shop.example/"\n'
CLICK = {"click_id": "a", "clicked_at": "2026-11-24T05:00:00Z", "campaign": "summer", "offer": "shoes"}
NOW_MS = 1_795_500_000_000


def broken() -> None:
    raise ZeroDivisionError


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    settings = Settings(data=tmp_path / "data", key=key)
    with (
        Workspace.create(settings, World(now_ms=lambda: NOW_MS)) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring)) as days,
    ):
        services = Services(workspace, OfflineWriter(days))
        app = control_app({**services.commands(), "broken": broken}, services.imports)
        async with local_socket(app, workspace.paths):
            yield Remote(workspace.paths.socket)


async def test_a_command_gives_its_result(remote: Remote) -> None:
    applied = await asyncio.to_thread(remote.call, "apply", text=OFFER, file="shop.toml", prune=False, secrets={})

    assert (applied["version"], applied["changed"]) == (1, True)


async def test_clicks_are_imported_line_by_line(remote: Remote) -> None:
    lines = [json.dumps(CLICK).encode(), b"not JSON", b""]

    result = await asyncio.to_thread(remote.import_clicks, lines, file="old & new.jsonl", first=8_001)

    assert (result["added"], result["refused"]) == (1, 1)
    assert result["errors"][0].startswith("old & new.jsonl, line 8002: this is not JSON")


async def test_a_refusal_is_raised_in_the_command(remote: Remote) -> None:
    with pytest.raises(NotFoundError, match="there is no version 7; `tnc versions` lists them"):
        await asyncio.to_thread(remote.call, "roll-back", version=7)


async def test_a_server_without_the_command_is_to_be_restarted(remote: Remote) -> None:
    with pytest.raises(FailedError, match="another version of tnc without this command; restart it"):
        await asyncio.to_thread(remote.call, "from-the-future")


async def test_a_command_that_crashes_is_reported(remote: Remote) -> None:
    with pytest.raises(FailedError, match="could not do it; see its log"):
        await asyncio.to_thread(remote.call, "broken")


def test_without_a_socket_no_server_answers(tmp_path: Path) -> None:
    assert not Remote(tmp_path / "socket").answers()
