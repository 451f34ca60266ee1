"""The composition root: from settings to a running appliance, and back down in the right order."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import date as Date
from datetime import time as Time
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from tnc import __version__
from tnc.admin.alerts import AlertMailer
from tnc.admin.errands import Errands, errands_of
from tnc.admin.geo_updates import GeoUpdates, newest_in_use
from tnc.admin.jobs import DAY, HOUR, MINUTE, Job, Jobs
from tnc.admin.services import Hooks as KeepingHooks
from tnc.admin.services import Keeping
from tnc.core.clock import World
from tnc.core.conversions import counts_for_cap
from tnc.core.errors import UnavailableError
from tnc.core.formats import ListenAddress
from tnc.core.models import Click, Configuration, Conversion, OfferId
from tnc.core.passwords import Passwords
from tnc.core.process import background_pool, freeze_gc, warm_up_msgspec, yield_gil
from tnc.core.settings import Settings
from tnc.destinations.batch import BatchSender
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.destinations.service import DestinationService
from tnc.destinations.worker import DeliveryWorker, ThreadsafeOutbox
from tnc.privacy.leak_report import LeakSearchSchedule
from tnc.reports.client import ReportClient
from tnc.store.days.click_log import ClickLog, Day, Days
from tnc.store.days.files import LentError
from tnc.store.days.schema import FINISHING, finish
from tnc.store.days.writer import DayWriter, day_path, utc_date
from tnc.store.workspace import Paths, Workspace, locked, served_workspace
from tnc.tracking.configure import Hooks, Operations
from tnc.tracking.consent_withdrawal import ConsentWithdrawals
from tnc.tracking.conversions.inbox import PostbackCall, PostbackReply
from tnc.tracking.crawler_checks import CrawlerChecks
from tnc.tracking.record import RecordedConversion
from tnc.tracking.setup import make_tracker, recount_caps, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.rate import ClickRate
from tnc.web.control import control_app
from tnc.web.dashboard import dashboard_app
from tnc.web.dashboard.maildesk import MailDesk
from tnc.web.dashboard.peopledesk import PeopleDesk
from tnc.web.dashboard.queries import Desk
from tnc.web.sockets import application, listening_socket, local_socket, site, tracking_site, url_of
from tnc.web.tracking import Tracking

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_REMEMBER_AT_ONCE: Final = 4_000  # clicks taken up before the port opens; the others follow while it serves
_REMEMBER_BESIDE: Final = 100
_LENT_SECONDS: Final = 0.2
_NIGHT: Final = Time(3, 10)  # UTC; not at the full hour, when other programs start theirs


class Server:
    """One workspace, served. Holds what the parts tell each other while it runs."""

    def __init__(self, workspace: Workspace, click_log: ClickLog, tracker: Tracker, sender: Sender) -> None:
        self.workspace = workspace
        self.click_log = click_log
        self.tracker = tracker
        self._fed = 0
        self._configuring = threading.Lock()
        self.outbox = DeliveryWorker(
            workspace=workspace.id,
            click_log=click_log,
            histories=workspace.histories,
            stopped_destinations=workspace.stopped_destinations,
            batch_sender=BatchSender(
                sender=sender, world=workspace.world, scale=workspace.settings.retry_scale, objected=self._has_objected
            ),
            versions=self,
        )
        self.forwarding = DestinationService(
            workspace, self.transact, ThreadsafeOutbox(self.outbox, asyncio.get_running_loop())
        )
        self._loop = asyncio.get_running_loop()
        self.keeping = Keeping(
            workspace,
            self.alone,
            KeepingHooks(erasures=self._erasures, objected=self._objected, retiring=self._retire, renewed=self._renew),
        )
        self.operations = Operations(
            workspace,
            self.transact,
            Hooks(configured=self._configured, converted=self._converted, later=self._later),
        )

    def transact(self, day: Day, work: Callable[[DayWriter], _T]) -> _T:
        """For operations, which run in threads: lend them the writer."""
        return asyncio.run_coroutine_threadsafe(self.click_log.run(day, work), self._loop).result()

    def alone(self, work: Callable[[Days], _T]) -> _T:
        """For what must have the day files to itself; clicks wait for it, and it waits for a day that is lent."""
        while True:
            try:
                return asyncio.run_coroutine_threadsafe(self.click_log.alone(work), self._loop).result()
            except LentError:
                time.sleep(_LENT_SECONDS)

    def finish_day(self, date: Date) -> None:
        """Step by step, and between two of them whatever waits for the day has its turn."""
        path = day_path(self.workspace.paths.days, self.workspace.id, date)
        for search in FINISHING:
            work = self.click_log.detach((self.workspace.id, date), partial(finish, path, search))
            asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _retire(self, date: Date) -> None:
        asyncio.run_coroutine_threadsafe(self.click_log.retire((self.workspace.id, date)), self._loop).result()

    def _erasures(self, visitors: frozenset[str]) -> None:
        self._on_loop(lambda: self.tracker.forget(visitors))

    def _renew(self) -> None:
        asyncio.run_coroutine_threadsafe(self.prepare_days(), self._loop).result()

    def _objected(self) -> None:
        held = self.workspace.erasures.opt_outs(now_ms=self.workspace.world.now_ms())
        self._on_loop(lambda: self.tracker.opt_outs.take(held))

    def _has_objected(self, click: Click) -> bool:
        return self.tracker.opt_outs.concern(click.visit)

    def configuration(self) -> tuple[int, Configuration]:
        """The one that visitors are served by."""
        return self.tracker.plans.version, self.tracker.plans.configuration

    def version(self, number: int) -> Configuration:
        return self.workspace.version(number)

    def _later(self, day: Day, work: Callable[[DayWriter], Any]) -> None:
        """What nobody waits for."""

        async def do() -> None:
            try:
                await self.click_log.run(day, work)
            except UnavailableError:
                log.warning("a call could not be kept in the inbox")

        asyncio.run_coroutine_threadsafe(do(), self._loop)

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Do `work` on the loop and wait until it is done: what follows an answer must already see it."""

        async def do() -> None:
            work()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result()

    def _configured(self, version: int) -> None:
        """Visitors are served by it at once; where a cap is another one, conversions are counted meanwhile."""
        with self._configuring:  # one after the other, and the newest stays
            if version <= self.tracker.plans.version:
                return
            plans = self.workspace.plans(version)
            anew: set[OfferId] = set()

            def take() -> None:
                anew.update(self.tracker.take_plans(plans))
                self.outbox.configured()

            self._on_loop(take)
            recount = recount_caps(self.workspace, self.tracker.caps, anew)
            self._on_loop(lambda: self.tracker.caps.counted(recount))

    def _converted(self, recorded: RecordedConversion) -> None:
        self._on_loop(lambda: self._note(recorded))

    def _note(self, recorded: RecordedConversion) -> None:
        """Caps, the condition `converted` and the outbox know of a conversion before its call is answered."""
        outcome = recorded.outcome
        if outcome is None or outcome.change is None or recorded.click is None or recorded.click.test:
            return
        date = utc_date(recorded.click.clicked_at_ms)
        self.outbox.add(date, recorded.deliveries)
        before, after = _counted(outcome.before), _counted(outcome.after)
        if recorded.offer is not None and after != before and outcome.after is not None:
            place = date, recorded.event_seq
            self.tracker.caps.add(recorded.offer, outcome.after.converted_at_ms, after - before, place)
        if after:
            self.tracker.note_conversion(recorded.click, outcome.change.at_ms)

    def feed_columns(self, reporter: ReportClient) -> None:
        """So that the next report has little to catch up; while nothing comes, no child is started for it."""
        written = self.click_log.recording().written
        if written != self._fed:
            self._fed = written
            asyncio.run_coroutine_threadsafe(reporter.catch_up(), self._loop).result()

    def turn_day(self) -> None:
        """Salts and keys of today and tomorrow, ahead of midnight; objections that still hold."""
        self.tracker.take_salts(self.workspace.turn_salts())
        self._objected()
        asyncio.run_coroutine_threadsafe(self.prepare_days(), self._loop).result()

    async def prepare_days(self) -> None:
        today = utc_date(self.workspace.world.now_ms())
        try:
            await self.click_log.prepare((self.workspace.id, today + timedelta(days=n)) for n in range(2))
        except UnavailableError:
            log.exception("the day's file could not be made ready")  # visitors are sent on; their clicks wait

    def tracking(self) -> Tracking:
        return Tracking(
            world=self.workspace.world,
            tracker=self.tracker,
            log=self.click_log,
            histories=self.workspace.histories,
            hear=self.hear,
            file=self.file,
            privacy_requests=self.keeping.privacy_requests,
            clicks_days=lambda: self.workspace.settings.clicks_days,
            version=__version__,
            page_key=self.workspace.keys.control_key,
        )

    def errands(self, tracking_base: str) -> Errands:
        own = {"tracking": lambda: tracking_base}
        return {**errands_of(self.keeping, self.operations, self.forwarding), **own}

    async def file(self, secret: str) -> str | None:
        return await asyncio.to_thread(self.forwarding.file, secret)

    async def hear(self, heard: PostbackCall) -> PostbackReply:
        return await asyncio.to_thread(self.operations.receiving.hear, heard)

    def remember_the_newest(self) -> Iterator[Click]:
        """Take up who was seen last, before the port opens; returns the older clicks for `remember_the_rest`."""
        past = self.workspace.histories.newest_clicks(since_ms=self._horizon_ms())
        for click in islice(past, _REMEMBER_AT_ONCE):
            self.tracker.remember(click)
        return past

    async def remember_the_rest(self, past: Iterator[Click]) -> None:
        """Beside the work: opened in a thread, taken up on the loop in portions that no visitor notices."""
        with background_pool() as thread:
            while some := await self._portion(thread, past):
                for click in some:
                    self.tracker.remember(click)
            self.tracker.knows_the_past = True
            converted = yield_gil(self.workspace.histories.converted_since(self._horizon_ms()))
            while histories := await self._portion(thread, converted):
                for history in histories:
                    for conversion in history.conversions:
                        self.tracker.note_conversion(history.click, conversion.history[-1].at_ms)

    async def _portion(self, thread: Executor, items: Iterator[_T]) -> list[_T]:
        return await self._loop.run_in_executor(thread, lambda: list(islice(items, _REMEMBER_BESIDE)))

    def _horizon_ms(self) -> int:
        return self.workspace.world.now_ms() - self.tracker.seen.window_s * 1000


def _counted(conversion: Conversion | None) -> int:
    return int(conversion is not None and counts_for_cap(conversion))


@asynccontextmanager
async def recording(workspace: Workspace) -> AsyncIterator[ClickLog]:
    warm_up_msgspec()
    click_log = ClickLog(Days(workspace.paths.days, workspace.keyring, workspace.words))
    click_log.start()
    try:
        yield click_log
    finally:
        await click_log.close()


@asynccontextmanager
async def tracking_alone(workspace: Workspace) -> AsyncIterator[str]:
    """While no server runs: the tracking listener by itself, on a free port of this machine; its address."""
    async with recording(workspace) as click_log, open_session(()) as session:
        server = Server(
            workspace, click_log, make_tracker(workspace, visit_reader(workspace)), Sender(session, workspace.world, ())
        )
        await server.prepare_days()
        nearby = ListenAddress(host="127.0.0.1", port=0)
        bound = listening_socket(nearby)
        async with tracking_site(server.tracking(), bound):
            yield url_of(bound, nearby)


def prepare(workspace: Workspace) -> None:
    """Complete what an earlier run left, and check the keys; waits for the control database, hence in a thread."""
    with closing(Days(workspace.paths.days, workspace.keyring)) as days:
        Keeping(workspace, lambda work: work(days)).run_startup_work()
    workspace.check_keys()
    workspace.turn_salts()


async def serve(config: Path, settings: Settings, world: World, *, ready: Callable[[str, str], None]) -> None:
    """Run until SIGTERM or SIGINT. `ready` is told the tracking and the dashboard address once both answer."""
    paths = Paths(settings.data)
    async with AsyncExitStack() as stack:
        workspace = stack.enter_context(Workspace(settings, world, to_write=False))
        stack.enter_context(locked(paths))
        workspace = await stack.enter_async_context(served_workspace(settings, world))
        await asyncio.to_thread(prepare, workspace)
        entrance, back = listening_socket(settings.listen), listening_socket(settings.dashboard)
        readers = visit_reader(workspace), visit_reader(workspace, ClickRate())
        tracker = await asyncio.to_thread(make_tracker, workspace, *readers)
        click_log = await stack.enter_async_context(recording(workspace))
        session = await stack.enter_async_context(open_session(settings.allow_hosts))
        reporter = ReportClient(config)
        stack.push_async_callback(reporter.close)
        sender = Sender(session, world, settings.allow_hosts)
        server = Server(workspace, click_log, tracker, sender)
        await asyncio.to_thread(server.keeping.privacy_requests.refresh_due_dates)
        await server.prepare_days()
        older = server.remember_the_newest()
        desk = Desk(
            workspace,
            tracking_base=url_of(entrance, settings.listen),
            tracker=tracker,
            click_log=click_log,
            reporter=reporter,
            mail=MailDesk(workspace, server.operations, server.forwarding, sender),
            people=PeopleDesk(workspace, server.keeping),
        )
        tracking = server.tracking()
        passwords = Passwords(workspace.keys.pepper)
        dashboard = dashboard_app(desk, workspace.accounts, passwords, world, hosts=(settings.dashboard.host,))
        renewal = GeoUpdates(config, workspace)
        nightly = LeakSearchSchedule(config, workspace)
        jobs = jobs_of(server, renewal, nightly, reporter)
        errands: Errands = {**server.errands(url_of(entrance, settings.listen)), "jobs": jobs.told, "do-job": jobs.do}
        await stack.enter_async_context(local_socket(control_app(server.operations, errands), paths))
        await stack.enter_async_context(site(application(dashboard), back))
        await stack.enter_async_context(tracking_site(tracking, entrance))
        await stack.enter_async_context(server.outbox.running())
        await stack.enter_async_context(
            ConsentWithdrawals(workspace, server.transact, tracker.pending_withdrawals).running()
        )
        await stack.enter_async_context(newest_in_use(workspace, tracker))
        await stack.enter_async_context(CrawlerChecks(tracker, click_log, workspace.agents.crawlers).running())
        stack.callback(renewal.stop)
        stack.callback(nightly.stop)
        await stack.enter_async_context(jobs.running())
        freeze_gc()
        remembering = asyncio.create_task(server.remember_the_rest(older))
        stack.callback(remembering.cancel)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        ready(url_of(entrance, settings.listen), url_of(back, settings.dashboard))
        await stop.wait()
        log.info("stopping")


def jobs_of(server: Server, renewal: GeoUpdates, nightly: LeakSearchSchedule, reporter: ReportClient) -> Jobs:
    """What the appliance does by itself."""
    workspace, keeping = server.workspace, server.keeping

    def finish_days() -> None:
        today = utc_date(workspace.world.now_ms())
        for date in workspace.histories.dates():
            if date < today and not workspace.histories.is_finished(date):
                server.finish_day(date)

    def feed_columns() -> None:
        server.feed_columns(reporter)

    alerting = AlertMailer(workspace, server.click_log.recording)

    # Not all in the same minute, and not all at the full hour: publishers have many who ask.
    renewing = (1 + workspace.world.random()) * HOUR
    return Jobs(
        (
            Job("turn-day", "destroy old salts, have the next day's keys ready", HOUR, server.turn_day),
            Job("finish-days", "make the searches of finished days quick", HOUR, finish_days),
            Job("feed-columns", "copy new clicks into the columns that reports read", 2 * MINUTE, feed_columns),
            Job("forget", "complete erasures that wait for a reader", MINUTE, keeping.eraser.complete),
            Job(
                "look-at-dues",
                "know which requests of people are late",
                MINUTE,
                keeping.privacy_requests.refresh_due_dates,
            ),
            Job("alerts", "mail what needs the owner", MINUTE, alerting.look),
            Job("retention", "let go what has reached its term", MINUTE, keeping.retention.keep_to_terms),
            Job("sums", "make the sums that outlive their clicks", HOUR, keeping.retention.keep_sums),
            Job(
                "search",
                "each night, start to look for what is in the clear",
                DAY,
                nightly.start_if_due,
                daily_at=_NIGHT,
                last_ms=nightly.last_ms(),
            ),
            Job("renew-address-data", "start to fetch what is older than it should be", renewing, renewal.start_if_due),
        ),
        workspace.world,
    )
