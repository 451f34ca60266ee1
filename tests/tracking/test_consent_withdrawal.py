"""Consent denied on a later visit: which deliveries of earlier clicks are cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tnc.admin.services import Services
from tnc.app import recording
from tnc.core.clock import World
from tnc.core.errors import UnavailableError
from tnc.core.models import CampaignId, Click, DestinationId
from tnc.core.settings import Settings
from tnc.store.days.click_log import ClickLog, Days
from tnc.store.days.files import Day
from tnc.store.days.transactions import OfflineWriter, ServerWriter
from tnc.store.days.writer import DayWriter
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.consent_withdrawal import ConsentWithdrawals
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.pending import PendingWithdrawal
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.request import Request

HOOK = DestinationId("hook")
SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
payout = 3
[[destination]]
id = "hook"
type = "webhook"
url = "https://own.example/hook"
secret = "whsec_bmV2ZXIgc2hvd24gYW55d2hlcmUgYXQgYWxs"
[[campaign]]
id = "summer"
destinations = ["hook"]
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]
"""
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
IP = "203.0.113.7"


@dataclass
class Clock:
    now_ms: int = World().now_ms() // 1000 * 1000 - 7_200_000

    def later(self, seconds: int = 5) -> None:
        self.now_ms += seconds * 1000


_T = TypeVar("_T")


class FullDisk(ServerWriter):
    """Refuses the next `refusals` transactions."""

    refusals = 0

    def transact(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T:
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("could not be stored: no space")
        return super().transact(day, work)


@dataclass
class Place:
    workspace: Workspace
    tracker: Tracker
    log: ClickLog
    services: Services
    clock: Clock
    cookies: dict[str, str] = field(default_factory=dict)  # of a browser, by its address

    def __post_init__(self) -> None:
        self.writer = FullDisk(self.log)
        self.withdrawing = ConsentWithdrawals(self.workspace, self.writer, self.tracker.pending_withdrawals)

    async def visit(self, consent: str, ip: str = IP, *, cookie: bool = False) -> Click:
        """A recorded visit; with `cookie` the browser sends the cookie it has."""
        self.clock.later()
        headers = [("User-Agent", AGENT)]
        if cookie and ip in self.cookies:
            headers.append(("Cookie", f"tnc={self.cookies[ip]}"))
        request = Request.of(
            headers,
            host="go.example",
            target=f"/summer?tnc_consent={consent}",
            peer=ip,
            secure=False,
            arrived_at_ms=self.clock.now_ms,
        )
        arrival = self.tracker.arrive(self.workspace.plan(CampaignId("summer")), request)
        if arrival.cookie is not None:
            self.cookies[ip] = arrival.cookie
        await self.log.put(self.tracker.workspace, arrival.stored)
        return arrival.click

    async def sell(self, click: Click, txid: str = "T") -> None:
        call = PostbackCall(method="GET", path="/postback", params={"cid": click.click_id, "txid": txid}, peer_ip=None)
        assert (await asyncio.to_thread(self.services.conversions.receive, call)).status == 200

    def states(self) -> list[tuple[str, str | None]]:
        """State and reason of all deliveries, oldest first."""
        found: list[tuple[str, str | None]] = []
        for date in self.workspace.histories.dates():
            with self.workspace.histories.day(date) as reader:
                found += [(row.state, row.record.reason) for row in reader.deliveries.newest(HOOK)][::-1]
        return found


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    clock = Clock()
    world = World(now_ms=lambda: clock.now_ms)
    with Workspace.create(Settings(data=tmp_path / "data", key=key), world) as workspace:
        days = Days(workspace.paths.days, workspace.keyring)
        Services(workspace, OfflineWriter(days)).configure.apply(SHOP, file="shop.toml")
        days.close()
        workspace.rotate_salts()
        async with recording(workspace) as log:
            tracker = make_tracker(workspace, visit_reader(workspace))
            tracker.history_loaded = True
            yield Place(workspace, tracker, log, Services(workspace, ServerWriter(log)), clock)


WAITS, CANCELLED, NOT_SENT = ("queued", None), ("cancelled", "consent-denied"), ("dropped", "consent-denied")


@pytest.mark.parametrize("cookie", [True, False])
async def test_waiting_deliveries_are_cancelled_and_later_conversions_not_sent(place: Place, cookie: bool) -> None:
    granted, other = await place.visit("granted"), await place.visit("granted", "198.51.100.7")
    await place.sell(granted)
    await place.sell(other)

    await place.visit("denied", cookie=cookie)
    assert place.states() == [WAITS, WAITS], "the answer waits for nothing"
    await place.withdrawing.cancel_all()
    await place.sell(granted, "another")

    assert place.states() == [CANCELLED, WAITS, NOT_SENT]
    history = place.workspace.histories.get(granted.click_id)
    assert history.withdrawn_at_ms == place.clock.now_ms
    assert history.click.visit.consent == "granted", "it stays what it was"


async def test_earlier_clicks_from_another_address_are_found_by_cookie(place: Place) -> None:
    granted = await place.visit("granted")
    await place.sell(granted)
    place.cookies["192.0.2.1"] = place.cookies[IP]

    await place.visit("denied", "192.0.2.1", cookie=True)
    await place.withdrawing.cancel_all()

    assert place.states() == [CANCELLED]


async def test_a_click_with_new_consent_is_sent(place: Place) -> None:
    await place.sell(await place.visit("granted"))
    await place.visit("denied", cookie=True)
    await place.withdrawing.cancel_all()

    again = await place.visit("granted", cookie=True)
    await place.sell(again)
    await place.withdrawing.cancel_all()
    assert place.states() == [CANCELLED, WAITS]

    await place.visit("denied", cookie=True)
    await place.withdrawing.cancel_all()
    assert place.states() == [CANCELLED, CANCELLED]


async def test_a_visitor_without_earlier_clicks_causes_no_search(place: Place) -> None:
    for _ in range(3):
        await place.visit("denied")
    assert place.tracker.pending_withdrawals.take() == []

    await place.visit("granted")
    await place.visit("denied")
    assert len(place.tracker.pending_withdrawals.take()) == 1
    await place.visit("denied")
    assert place.tracker.pending_withdrawals.take() == []


async def test_a_cookie_whose_last_click_is_withdrawn_causes_no_search(place: Place) -> None:
    await place.visit("granted")
    await place.visit("denied", cookie=True)
    await place.withdrawing.cancel_all()
    await place.visit("denied", cookie=True)

    (denial,) = place.tracker.pending_withdrawals.take()
    assert not await asyncio.to_thread(place.withdrawing._is_new, denial)


async def test_a_withdrawal_refused_by_the_disk_is_tried_again(place: Place) -> None:
    await place.sell(await place.visit("granted"))
    await place.visit("denied")
    place.writer.refusals = 1

    await place.withdrawing.cancel_all()
    assert place.states() == [WAITS]
    await place.withdrawing.cancel_all()

    assert place.states() == [CANCELLED]


async def test_withdrawals_just_before_a_stop_are_carried_out(place: Place) -> None:
    await place.sell(await place.visit("granted"))
    async with place.withdrawing.running():
        await place.visit("denied")

    assert place.states() == [CANCELLED]


async def test_withdrawals_about_removed_clicks_and_days_are_ignored(place: Place) -> None:
    denial = PendingWithdrawal(at_ms=place.clock.now_ms, browser_id="7" * 32, last_click=None, visitors=("8" * 32,))
    place.tracker.pending_withdrawals.add(denial)
    place.tracker.pending_withdrawals.add(denial._replace(last_click=place.workspace.world.new_click_id(0)))

    await place.withdrawing.cancel_all()

    assert place.tracker.pending_withdrawals.take() == []
