"""Declared crawlers are checked after they were answered, and only the labels of the click change."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tnc.admin.services import Services
from tnc.app import recording
from tnc.core.clock import World
from tnc.core.models import CampaignId, Click, ClickId, Visit
from tnc.core.settings import Settings
from tnc.store.days.click_log import ClickLog, Days
from tnc.store.days.transactions import OfflineWriter
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.crawler_checks import CrawlerChecks
from tnc.tracking.pending import MAX_CHECKS, PendingCrawlerChecks
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.crawlers import DnsAnswer
from tnc.visitors.request import Request

SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
[[offer]]
id = "second"
url = "https://shop.example/again"
[[filter]]
id = "standard"
when = [ { fact = "traffic", is = ["bot"] } ]
[[campaign]]
id = "summer"
filter = "standard"
[[campaign.flow]]
id = "new"
when = [ { fact = "unique_campaign", is = [true] } ]
offers = [ { id = "shoes" } ]
[[campaign.flow]]
id = "rest"
offers = [ { id = "second" } ]
"""
PINTEREST = "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
IP = "54.236.1.11"


@dataclass
class Names:
    """A resolver that knows what it is told."""

    names: dict[str, DnsAnswer | OSError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, ip: str) -> DnsAnswer:
        self.asked.append(ip)
        found = self.names.get(ip, socket.gaierror(socket.EAI_NONAME, "no such name"))
        if isinstance(found, OSError):
            raise found
        return found


@dataclass
class Place:
    workspace: Workspace
    tracker: Tracker
    log: ClickLog
    names: Names
    checks: CrawlerChecks

    async def visit(self, user_agent: str, ip: str = IP) -> Click:
        """Comes, is decided, recorded, and then checked."""
        request = Request.of(
            [("User-Agent", user_agent)],
            host="go.example",
            target="/summer",
            peer=ip,
            secure=False,
            arrived_at_ms=self.workspace.world.now_ms(),
        )
        arrival = self.tracker.arrive(self.workspace.plan(CampaignId("summer")), request)
        await self.log.put(self.tracker.workspace, arrival.stored)
        await self.checks.check_all()
        return self.workspace.histories.get(arrival.click.click_id).click


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    with Workspace.create(Settings(data=tmp_path / "data", key=key), World()) as workspace:
        days = Days(workspace.paths.days, workspace.keyring)
        Services(workspace, OfflineWriter(days)).configure.apply(SHOP, file="shop.toml")
        days.close()
        workspace.rotate_salts()
        async with recording(workspace) as log:
            tracker, names = make_tracker(workspace, visit_reader(workspace)), Names()
            checks = CrawlerChecks(tracker, log, workspace.agents.crawlers, resolve=names)
            yield Place(workspace, tracker, log, names, checks)


@pytest.mark.parametrize(
    ("user_agent", "answer", "expected"),
    [
        (PINTEREST, DnsAnswer("crawl-1.pinterest.com", (IP,)), ("crawler", "crawler_verified", True)),
        (PINTEREST, DnsAnswer("crawl-1.pinterest.com", ("9.9.9.9",)), ("bot", "crawler_failed", False)),
        (PINTEREST, DnsAnswer("crawl-1.evilpinterest.com", (IP,)), ("bot", "crawler_failed", False)),
        (PINTEREST, TimeoutError(), ("crawler", "crawler_claimed", None)),
        (PINTEREST, socket.gaierror(socket.EAI_AGAIN, "busy"), ("crawler", "crawler_claimed", None)),
    ],
)
async def test_a_check_changes_only_the_labels(
    place: Place, user_agent: str, answer: DnsAnswer | OSError, expected: tuple[str, str, bool | None]
) -> None:
    place.names.names = {IP: answer}

    click = await place.visit(user_agent)

    assert (click.visit.traffic, click.visit.reasons[0], click.visit.crawler_verified) == expected
    assert (click.flow, click.offer, click.filter, click.action) == ("new", "shoes", None, "redirect")


async def test_each_address_is_looked_up_once(place: Place) -> None:
    place.names.names = {IP: DnsAnswer("crawl-1.pinterest.com", (IP,))}

    clicks = [await place.visit(PINTEREST) for _ in range(3)]

    assert place.names.asked == [IP]
    assert {click.visit.traffic for click in clicks} == {"crawler"}
    assert len({click.click_id for click in clicks}) == 3


async def test_a_declared_crawler_is_decided_like_a_first_visit_but_is_not_unique(place: Place) -> None:
    clicks = [await place.visit(GOOGLE, "8.8.8.8") for _ in range(3)]

    assert [click.offer for click in clicks] == ["shoes"] * 3
    assert [click.visit.unique_campaign for click in clicks] == [False] * 3
    assert {reason for click in clicks for reason in click.visit.reasons} & {"duplicate", "freq_ip"} == set()


async def test_addresses_of_people_are_not_looked_up(place: Place) -> None:
    await place.visit("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
    await place.visit("curl/8.5.0")

    assert place.names.asked == []


def test_the_queue_of_checks_is_bounded() -> None:
    pending_crawler_checks = PendingCrawlerChecks()
    visit = Visit(visited_at_ms=0, bot="Googlebot", ip="8.8.8.8", reasons=("crawler_claimed",))
    for number in range(MAX_CHECKS + 5):
        click = Click(click_id=ClickId(str(number)), clicked_at_ms=0, campaign=CampaignId("c"), visit=visit)
        pending_crawler_checks.add(click)

    taken = pending_crawler_checks.take()

    assert (len(taken), taken[0].click_id) == (MAX_CHECKS, "5")
    assert pending_crawler_checks.take() == []
