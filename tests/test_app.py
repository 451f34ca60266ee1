"""What a running server keeps in memory agrees with what is on disk."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from tnc.app import Server, recording
from tnc.core.clock import World
from tnc.core.models import CampaignId, Click, ClickId, OfferId, Visit
from tnc.core.settings import Settings
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.caps import Caps
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.setup import make_tracker, visit_reader

SHOES = OfferId("shoes")
SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/"
cap = {{ conversions = 1000, per = "{per}" }}
[[campaign]]
id = "summer"
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    world = World()
    with Workspace.create(Settings(data=tmp_path / "data", key=key), world) as workspace:
        workspace.rotate_salts()
        async with recording(workspace) as log, open_session(()) as session:
            yield Server(workspace, log, make_tracker(workspace, visit_reader(workspace)), Sender(session, world, ()))


async def clicks(server: Server, count: int) -> list[ClickId]:
    world = server.workspace.world
    now_ms = world.now_ms()
    made = [
        Click(
            click_id=world.new_click_id(now_ms),
            clicked_at_ms=now_ms,
            campaign=CampaignId("summer"),
            offer=SHOES,
            visit=Visit(visited_at_ms=now_ms),
        )
        for _ in range(count)
    ]

    def add(writer: DayWriter) -> None:
        for click in made:
            writer.add_click(click)

    await server.click_log.run((server.workspace.id, utc_date(now_ms)), add)
    return [click.click_id for click in made]


async def apply(server: Server, per: str) -> None:
    await asyncio.to_thread(server.services.configure.apply, SHOP.format(per=per), file="shop.toml")


async def tell(server: Server, click_id: ClickId, **said: str) -> None:
    params = {"cid": click_id, "txid": "T", **said}
    answered = await asyncio.to_thread(
        server.services.conversions.receive, PostbackCall(method="GET", path="/postback", params=params, peer_ip=None)
    )
    assert answered.status == 200


async def test_conversions_stored_during_a_recount_of_caps_count_once(server: Server) -> None:
    await apply(server, "total")
    known = await clicks(server, 400)
    sold, refunded = known[:300], known[:60]
    for click_id in known[300:]:
        await tell(server, click_id)

    async def sell(lane: int) -> None:
        for click_id in sold[lane::4]:
            await tell(server, click_id)
            if click_id in refunded:
                await tell(server, click_id, status="rejected")

    network = asyncio.gather(*(sell(lane) for lane in range(4)))
    for per in cycle(("day", "month", "total")):
        await apply(server, per)
        if network.done():
            break
    await network

    caps: Caps = server.tracker.caps
    now_ms = server.workspace.world.now_ms()
    assert caps.count(SHOES, now_ms) == 400 - len(refunded)
    for per in islice(cycle(("day", "total")), 2):
        await apply(server, per)
        assert caps.count(SHOES, now_ms) == 400 - len(refunded)


async def test_exclusive_work_waits_while_a_day_is_detached(server: Server) -> None:
    await clicks(server, 1)
    day = server.workspace.id, utc_date(server.workspace.world.now_ms())
    detached, go_on = threading.Event(), threading.Event()

    def works() -> None:
        detached.set()
        go_on.wait()

    detaching = asyncio.create_task(server.click_log.detach(day, works))
    await asyncio.to_thread(detached.wait)
    waiting = asyncio.create_task(asyncio.to_thread(server.writer.exclusive, lambda days: days.close_day(day)))
    await asyncio.sleep(0.3)
    assert not waiting.done()

    go_on.set()
    await detaching
    await waiting


async def test_finishing_a_day_keeps_its_clicks(server: Server) -> None:
    await clicks(server, 3)
    date = utc_date(server.workspace.world.now_ms())

    await asyncio.to_thread(server.finish_day, date)

    assert server.workspace.histories.is_finished(date)
    assert len(list(server.workspace.histories.newest())) == 3
    assert len(await clicks(server, 1)) == 1
