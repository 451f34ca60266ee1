"""Makes the demo's month: each visit, postback and delivery goes through the code of the server, at a past time.

Only the visitors, the networks, the receiver and the clock are invented. Visits are decided by the version of the
configuration that was live at their time, and conversions come as postbacks. The salts of the past days are only in
memory, so they are destroyed with this process, as the server destroys them after two days.
"""

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from tnc.admin.demo.crowd import Arrival, Crowd, Person
from tnc.admin.demo.history import OWNER, POSTBACK_KEY, versions
from tnc.admin.demo.receiver import receiver_address, receiving
from tnc.admin.demo.traffic import SEED, Buyers, Report
from tnc.admin.services import Services
from tnc.core.clock import DAY_MS, HOUR_MS, World, new_id
from tnc.core.errors import RefusedError
from tnc.core.models import Click
from tnc.core.process import warm_up_msgspec
from tnc.core.settings import Settings
from tnc.destinations.batch import BatchSender
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.destinations.worker import DeliveryWorker, ThreadsafeOutbox
from tnc.rules import LanderOffer
from tnc.store.days.click_log import ClickLog, Days
from tnc.store.days.transactions import ServerWriter
from tnc.store.days.writer import utc_date
from tnc.store.paths import locked
from tnc.store.workspace import Workspace, served_workspace
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.identity import Pseudonyms
from tnc.tracking.live import LiveConfiguration, LiveState
from tnc.tracking.record import record_lander_click
from tnc.tracking.setup import make_tracker
from tnc.tracking.tracker import Tracker
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.geo.geo import UNKNOWN_PLACE, Geo, Place
from tnc.visitors.rate import ClickRate
from tnc.visitors.visit import VisitReader

DAYS: Final = 30

_NETWORK_IP: Final = "203.0.113.250"  # of the networks that send postbacks
_POLL_SECONDS: Final = 0.001

Happening = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class PastClock:
    """Shows the time of the step that is being made."""

    now_ms: int

    def read(self) -> int:
        return self.now_ms


class InventedGeo(Geo):
    """Places of the generated visitors: their addresses are reserved for documentation and have none."""

    def __init__(self) -> None:
        super().__init__()
        self._known: tuple[str, Place] = ("", UNKNOWN_PLACE)

    def expect(self, ip: str, place: Place) -> None:
        self._known = (ip, place)

    def lookup(self, ip: str) -> Place:
        known, place = self._known
        return place if ip == known else super().lookup(ip)


@dataclass(slots=True, kw_only=True)
class Month:
    """A workspace at a past time, and what is going to happen in it."""

    clock: PastClock
    workspace: Workspace
    tracker: Tracker
    geo: InventedGeo
    click_log: ClickLog
    outbox: DeliveryWorker
    services: Services
    chance: random.Random
    buyers: Buyers
    _planned: list[tuple[int, int, Happening]] = field(default_factory=list)  # a heap by time
    _numbers: "count[int]" = field(default_factory=count)
    _writes: list[asyncio.Task[Any]] = field(default_factory=list)  # under way
    _salts: dict[str, bytes] = field(default_factory=dict)
    _known: Person | None = None  # the visitor with a cookie who came last

    # -- time

    def plan(self, at_ms: int, happening: Happening) -> None:
        heapq.heappush(self._planned, (at_ms, next(self._numbers), happening))

    async def until(self, time_ms: int) -> None:
        """Let everything happen that is planned before that time."""
        while self._planned and self._planned[0][0] < time_ms:
            at_ms, _, happening = heapq.heappop(self._planned)
            await self._move_to(at_ms)
            await happening()
            await self._deliver()
        await self._move_to(time_ms)

    async def _move_to(self, now_ms: int) -> None:
        date = utc_date(now_ms).isoformat()
        if date not in self._salts:
            self._salts[date] = self.chance.randbytes(16)
            self.tracker.take_salts(dict(list(self._salts.items())[-2:]))
        self.clock.now_ms = now_ms
        await self._deliver()

    async def _deliver(self) -> None:
        """Wait until all deliveries that are due now are sent."""
        if not self.outbox.is_idle():
            self.outbox.configured()  # wakes it: it waits by the real clock
        while not self.outbox.is_idle():  # noqa: ASYNC110 - it has no event for this, and only the demo waits for it
            await asyncio.sleep(_POLL_SECONDS)

    async def stored(self) -> None:
        """Wait until everything that happened so far is on disk. Raises what a write raised."""
        writes, self._writes = self._writes, []
        await asyncio.gather(*writes)

    def _write(self, work: Awaitable[Any]) -> None:
        self._writes.append(asyncio.ensure_future(work))

    # -- visitors

    async def visit(self, arrival: Arrival) -> None:
        """A visit as the tracking domain handles it, and what follows from it later."""
        self.geo.expect(arrival.request.peer, arrival.place)
        arrived = self.tracker.arrive(self.tracker.plans.by_id[arrival.campaign], arrival.request)
        click = arrived.click
        if click.visit.mode == "none":
            self._write(self.click_log.count_opted_out(self.workspace.id, click))
            return
        self._write(self.click_log.put(self.workspace.id, arrived.stored))
        await asyncio.sleep(0)
        if arrival.person is not None and arrived.cookie is not None:
            arrival.person.cookie = arrived.cookie
            self._known = arrival.person
        if click.lander is None:
            self._expect_reports(click, self._offer_of(click), click.clicked_at_ms, arrival.mood)
        elif (at_ms := self.buyers.goes_on_ms(click, arrival.mood)) is not None:
            self.plan(at_ms, lambda: self._go_on(click, arrival.mood))

    def _offer_of(self, click: Click) -> LanderOffer | None:
        if click.offer is None or click.stopped:
            return None
        return self.tracker.plans.by_id[click.campaign].lander_offer(click)

    async def _go_on(self, click: Click, mood: float) -> None:
        """From the lander to the offer, which is chosen by the present caps."""
        now_ms = self.clock.now_ms
        plan = self.tracker.plans.by_id[click.campaign]
        offer = plan.lander_offer(click, capped=self.tracker.caps.full(now_ms))
        if offer is None:
            return
        record = partial(
            record_lander_click,
            click_id=click.click_id,
            at_ms=now_ms,
            offer=offer.offer,
            network=offer.network,
            number=None,
            found_by="cid",
        )
        self._write(self.click_log.run((click.workspace, utc_date(click.clicked_at_ms)), record))
        self._expect_reports(click, offer, now_ms, mood)

    def _expect_reports(self, click: Click, offer: LanderOffer | None, at_ms: int, mood: float) -> None:
        known = None if offer is None else self.tracker.plans.configuration.offers[offer.offer]
        for report in self.buyers.reports(click, known, at_ms, mood):
            self.plan(report.at_ms, partial(self._report, click.click_id, report))

    # -- networks

    async def _report(self, click_id: str, report: Report) -> None:
        await self.postback({"cid": click_id, **report.params, "key": POSTBACK_KEY})

    async def postback(self, params: dict[str, str]) -> None:
        await self.stored()
        call = PostbackCall(method="GET", path="/postback", params=params, peer_ip=_NETWORK_IP)
        await asyncio.to_thread(self.services.conversions.receive, call)

    def plan_mishaps(self, start_ms: int) -> None:
        """What goes wrong in any month: unknown clicks, a macro that was not replaced, a wrong key, a new status."""
        for days, hours in ((6, 3), (19, 15), (28, 5)):
            at_ms = start_ms + days * DAY_MS + hours * HOUR_MS
            unknown = new_id(at_ms - 4 * HOUR_MS, self.chance.randbytes(8))
            params = {"cid": unknown, "status": "sale", "payout": "18", "key": POSTBACK_KEY}
            self.plan(at_ms, partial(self.postback, params))
        macro = {"cid": "{aff_sub}", "status": "approved", "payout": "12.5", "key": POSTBACK_KEY}
        self.plan(start_ms + DAY_MS, partial(self.postback, macro))
        # A network whose postback URL was not changed when it got a key, and one with a status that has no meaning yet.
        self.plan(start_ms + 2 * DAY_MS + 10 * HOUR_MS, partial(self._of_newest, {"status": "sale", "payout": "18"}))
        exchange = {"status": "size-exchanged", "txid": "T00000001", "key": POSTBACK_KEY}
        self.plan(start_ms + 26 * DAY_MS + 15 * HOUR_MS, partial(self._of_newest, exchange))

    async def _of_newest(self, params: dict[str, str]) -> None:
        """A postback about the newest visitor who was sent straight to an offer."""
        await self.stored()
        newest = (history.click for history in self.workspace.histories.newest())
        click = next(each for each in newest if each.offer is not None and each.lander is None and not each.stopped)
        await self.postback({"cid": click.click_id, **params})

    # -- the owner, and requests of visitors

    def plan_versions(self, start_ms: int) -> None:
        for after_ms, text in versions(receiver_address(self.workspace.settings)):
            self.plan(start_ms + after_ms, partial(self._apply, text))

    async def _apply(self, text: str) -> None:
        await self.stored()
        apply = partial(self.services.configure.apply, text, file="campaign.toml", by=OWNER)
        await asyncio.to_thread(apply)

    def plan_privacy(self, start_ms: int) -> None:
        requests = self.services.privacy_requests
        self.plan(start_ms + 18 * DAY_MS + 16 * HOUR_MS, partial(self._of_known, requests.erase))
        self.plan(start_ms + 22 * DAY_MS + 19 * HOUR_MS, partial(self._of_known, requests.object))
        self.plan(start_ms + 27 * DAY_MS + 13 * HOUR_MS, self._ask_for_a_copy)

    async def _of_known(self, do: Callable[[str], object]) -> None:
        """What the page /privacy does for the visitor with the cookie."""
        person = self._known
        known = None if person is None else self.tracker.pseudonyms.read_cookie(person.cookie or "")
        if known is not None and known.browser_id is not None:
            await self.stored()
            await asyncio.to_thread(do, known.browser_id)

    async def _ask_for_a_copy(self) -> None:
        ask = partial(
            self.services.privacy_requests.submit,
            "access",
            text="Please send me a copy of the data that you have about me.",
            contact="visitor@example.com",
        )
        await asyncio.to_thread(ask)


async def make_month(settings: Settings, *, until_ms: int, seed: int = SEED, days: int = DAYS) -> None:
    """Fill a new data directory with the `days` days before `until_ms`. The same seed gives the same month.

    Raises RefusedError when it is not new.
    """
    start_ms = until_ms - days * DAY_MS
    async with _workspace_at(settings, start_ms, seed) as month:
        if await month.workspace.versions.latest(month.workspace.id):
            raise RefusedError(f"{settings.data} is in use; the demo fills only a new data directory.")
        month.plan_versions(start_ms)
        month.plan_mishaps(start_ms)
        month.plan_privacy(start_ms)
        await month.until(start_ms + 1)
        crowd = Crowd(random.Random(seed))  # noqa: S311 - must be the same every time
        for arrival in crowd.arrivals(from_ms=start_ms + 1, until_ms=until_ms):
            await month.until(arrival.request.arrived_at_ms)
            await month.visit(arrival)
        await month.until(until_ms)
        await month.stored()


@asynccontextmanager
async def _workspace_at(settings: Settings, start_ms: int, seed: int) -> AsyncIterator[Month]:
    """The parts of a server, connected, with the receiver of its conversions, at a past time."""
    clock, tokens = PastClock(start_ms), random.Random(seed + 1)  # noqa: S311 - as above
    world = World(now_ms=clock.read, steady_ms=clock.read, token=tokens.randbytes)
    warm_up_msgspec()
    with Workspace(settings, world, to_write=False) as reading, locked(reading.paths):
        async with (
            served_workspace(settings, world) as workspace,
            receiving(receiver_address(settings)),
            open_session(settings.allow_hosts) as session,
            _recording(workspace) as click_log,
        ):
            month = await _connected(workspace, click_log, Sender(session, world, settings.allow_hosts), clock, seed)
            async with month.outbox.running():
                yield month


@asynccontextmanager
async def _recording(workspace: Workspace) -> AsyncIterator[ClickLog]:
    click_log = ClickLog(Days(workspace.paths.days, workspace.keyring, workspace.dictionary))
    click_log.start()
    try:
        yield click_log
    finally:
        await click_log.close()


async def _connected(workspace: Workspace, click_log: ClickLog, sender: Sender, clock: PastClock, seed: int) -> Month:
    chance, geo, world = random.Random(seed + 2), InventedGeo(), workspace.world  # noqa: S311 - as above
    reader = VisitReader(client_ip=ClientIpReader(()), geo=geo, user_agents=workspace.agents, click_rate=ClickRate())
    tracker = await asyncio.to_thread(make_tracker, workspace, reader)
    # Draws depend on the pseudonyms of visitors, so that these must be the same every time.
    tracker.pseudonyms = Pseudonyms(workspace.id, chance.randbytes(32))
    outbox = DeliveryWorker(
        workspace=workspace.id,
        click_log=click_log,
        histories=workspace.histories,
        stopped_destinations=workspace.stopped_destinations,
        batch_sender=BatchSender(
            sender=sender,
            world=world,
            scale=workspace.settings.retry_scale,
            objected=lambda click: tracker.opt_outs.match_visit(click.visit),
        ),
        versions=LiveConfiguration(workspace, tracker),
    )
    services = Services(
        workspace,
        ServerWriter(click_log),
        outbox=ThreadsafeOutbox(outbox, asyncio.get_running_loop()),
        listener=LiveState(workspace, tracker, outbox, click_log),
    )
    return Month(
        clock=clock,
        workspace=workspace,
        tracker=tracker,
        geo=geo,
        click_log=click_log,
        outbox=outbox,
        services=services,
        chance=chance,
        buyers=Buyers(random.Random(seed + 3)),  # noqa: S311 - as above
    )
