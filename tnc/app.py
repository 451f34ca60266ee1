"""The composition root: builds the server from settings, starts its parts and stops them in reverse order."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, nullcontext
from dataclasses import fields
from datetime import date as Date
from datetime import time as Time
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from tnc.admin.alerts import AlertMailer
from tnc.admin.doctor import others_may_read
from tnc.admin.geo_updates import GeoUpdates, newest_in_use, use_newest
from tnc.admin.jobs import DAY, HOUR, MINUTE, Job, Jobs
from tnc.admin.services import Commands, Services
from tnc.core.clock import World
from tnc.core.errors import PartlyDoneError, RefusedError, TncError
from tnc.core.formats import ListenAddress
from tnc.core.passwords import Passwords
from tnc.core.process import freeze_gc, warm_up_msgspec
from tnc.core.settings import Settings, load
from tnc.destinations.batch import BatchSender
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.destinations.worker import DeliveryWorker, ThreadsafeOutbox
from tnc.privacy.leak_report import LeakSearchSchedule
from tnc.reports.client import ReportClient
from tnc.store.days.click_log import ClickLog, Days
from tnc.store.days.schema import FINISHING, finish, migrate
from tnc.store.days.transactions import OfflineWriter, ServerWriter
from tnc.store.days.writer import day_path, utc_date
from tnc.store.migrations import previous_files, remove_previous
from tnc.store.missed_paths import add_missed_paths
from tnc.store.paths import Paths, locked
from tnc.store.sqlite import DatabaseError
from tnc.store.workspace import Workspace, served_workspace
from tnc.tracking.consent_withdrawal import ConsentWithdrawals
from tnc.tracking.crawler_checks import CrawlerChecks
from tnc.tracking.live import LiveConfiguration, LiveState
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.rate import ClickRate
from tnc.web.control import control_app
from tnc.web.dashboard import dashboard_app
from tnc.web.dashboard.queries import Queries
from tnc.web.sockets import application, listening_socket, local_socket, site, tracking_site, url_of
from tnc.web.tracking import Tracking
from tnc.web.tracking.paths import UnknownPaths

log = logging.getLogger(__name__)

_START_PATIENCE_SECONDS: Final = 2.0  # how long an erasure that a crash cut off waits for readers of a day file
_NIGHT: Final = Time(3, 10)  # UTC; not at the full hour, when many other programs start their jobs


class Server:
    """The parts of a running server for one workspace, connected. Made on the event loop."""

    def __init__(self, workspace: Workspace, click_log: ClickLog, tracker: Tracker, sender: Sender) -> None:
        self.workspace = workspace
        self.click_log = click_log
        self.tracker = tracker
        self.writer = ServerWriter(click_log)
        self.unknown_paths = UnknownPaths()
        self.outbox = DeliveryWorker(
            workspace=workspace.id,
            click_log=click_log,
            histories=workspace.histories,
            stopped_destinations=workspace.stopped_destinations,
            batch_sender=BatchSender(
                sender=sender,
                world=workspace.world,
                scale=workspace.settings.retry_scale,
                objected=lambda click: tracker.opt_outs.match_visit(click.visit),
            ),
            versions=LiveConfiguration(workspace, tracker),
        )
        self.live = LiveState(workspace, tracker, self.outbox, click_log)
        outbox = ThreadsafeOutbox(self.outbox, asyncio.get_running_loop())
        self.services = Services(workspace, self.writer, outbox=outbox, listener=self.live)

    def tracking(self) -> Tracking:
        return Tracking(self.services, self.tracker, self.click_log, self.unknown_paths)

    def note_missed_paths(self) -> None:
        """Store the unknown paths that look like a campaign's."""
        new = self.unknown_paths.take_similar(self.tracker.plans.by_path.keys())
        if new:
            add_missed_paths(self.workspace.paths.missed_paths, new, now_ms=self.workspace.world.now_ms())

    def commands(self, own: Commands) -> Commands:
        """Those of the services and `own`. Without the control database every one that changes something is refused."""
        commands = {**self.services.commands(), **own}
        why = self.workspace.degraded
        if why is None:
            return commands
        kept = {"tracking", "jobs"}
        return {name: work if name in kept else partial(_refuse, why) for name, work in commands.items()}

    def delivering(self) -> AbstractAsyncContextManager[None]:
        """Without the control database nothing is sent: it lists the destinations that are stopped."""
        return self.outbox.running() if self.workspace.degraded is None else nullcontext()

    def finish_days(self) -> None:
        """Index past days for searches. Clicks of such a day wait during a step and are written between two steps."""
        workspace = self.workspace
        today = utc_date(workspace.world.now_ms())
        for date in workspace.histories.dates():
            if date < today and not workspace.histories.is_finished(date):
                self.finish_day(date)

    def finish_day(self, date: Date) -> None:
        path = day_path(self.workspace.paths.days, self.workspace.id, date)
        for search in FINISHING:
            self.writer.detached((self.workspace.id, date), partial(finish, path, search))

    def migrate_days(self) -> None:
        """Migrate day files to which nothing was written since an upgrade."""
        workspace = self.workspace
        for date in workspace.histories.dates():
            if workspace.histories.needs_migration(date):
                path = day_path(workspace.paths.days, workspace.id, date)
                self.writer.detached((workspace.id, date), partial(migrate, path))
        self.services.eraser.migrate_restricted()


@asynccontextmanager
async def recording(workspace: Workspace) -> AsyncIterator[ClickLog]:
    warm_up_msgspec()
    click_log = ClickLog(
        Days(workspace.paths.days, workspace.keyring, workspace.dictionary), report=workspace.note_day_file
    )
    click_log.start()
    try:
        yield click_log
    finally:
        await click_log.close()


@asynccontextmanager
async def offline_tracking(workspace: Workspace) -> AsyncIterator[str]:
    """Serve the tracking domain on a free local port while no server runs; yields its URL."""
    async with recording(workspace) as click_log, open_session(()) as session:
        server = Server(
            workspace, click_log, make_tracker(workspace, visit_reader(workspace)), Sender(session, workspace.world, ())
        )
        await server.live.prepare_days()
        address = ListenAddress(host="127.0.0.1", port=0)
        bound = listening_socket(address)
        async with tracking_site(server.tracking(), bound):
            yield url_of(bound, address)


def run_startup_work(workspace: Workspace) -> None:
    """Before anything is served: put damaged days aside, complete what a crash cut off, remove what is past its term.

    Waits for the control database, so it runs in a thread. Without the control database nothing is removed: how long
    clicks are kept is in it.
    """
    key = workspace.settings.key
    if others_may_read(key.stat()):
        log.warning("others on this machine can read the key file", extra={"fix": f"chmod 600 {key}"})
    for ring in (workspace.keyring, workspace.restricted_keyring):
        _attempt("the keyring could not be looked through", ring.recover)
    workspace.examine_days()
    workspace.recover_versions()
    if workspace.degraded is None:
        _attempt("what was under way could not be finished", lambda: _finish_work(workspace))
    else:
        log.error("the server runs degraded: no change is stored", extra={"reason": workspace.degraded})
    workspace.rotate_salts()


def _attempt(what: str, work: Callable[[], object]) -> None:
    """A damaged file must not stop a start: jobs and `tnc doctor` say what is wrong with it."""
    try:
        work()
    except (TncError, OSError, DatabaseError):
        log.exception(what)


def _finish_work(workspace: Workspace) -> None:
    with closing(Days(workspace.paths.days, workspace.keyring)) as days:
        services = Services(workspace, OfflineWriter(days))
        services.keys.complete_change()
        try:
            services.eraser.resume(patience_seconds=_START_PATIENCE_SECONDS)
        except PartlyDoneError:
            log.warning("an erasure waits for a reader of a day file")  # its keys are destroyed; a job completes it
        services.retention.remove_expired()


@asynccontextmanager
async def _ready_workspace(settings: Settings, world: World) -> AsyncIterator[Workspace]:
    """Open for reading first, which reports what is wrong with the data directory; for writing only under its lock."""
    with Workspace(settings, world, to_write=False, degraded=True) as reading, locked(reading.paths):
        async with served_workspace(settings, world) as workspace:
            await asyncio.to_thread(run_startup_work, workspace)
            yield workspace


async def serve(config: Path, settings: Settings, world: World, *, ready: Callable[[str, str], None]) -> None:
    """Run until SIGTERM or SIGINT. Calls `ready` with the URLs of tracking and dashboard once both accept requests."""
    previous = previous_files(Paths(settings.data).control)
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(_ready_workspace(settings, world))
        tracking_socket, dashboard_socket = listening_socket(settings.listen), listening_socket(settings.dashboard)
        readers = visit_reader(workspace), visit_reader(workspace, ClickRate())
        tracker = await asyncio.to_thread(make_tracker, workspace, *readers)
        click_log = await stack.enter_async_context(recording(workspace))
        session = await stack.enter_async_context(open_session(settings.allow_hosts))
        reporter = ReportClient(config)
        stack.push_async_callback(reporter.close)
        sender = Sender(session, world, settings.allow_hosts)
        server = Server(workspace, click_log, tracker, sender)
        await asyncio.to_thread(server.services.privacy_requests.refresh_due_dates)
        await server.live.prepare_days()
        older_clicks = server.live.remember_newest()
        tracking = server.tracking()
        tracking_base = url_of(tracking_socket, settings.listen)
        queries = Queries(workspace, tracker, click_log.recording, tracking_port=tracking_socket.getsockname()[1])
        dashboard = dashboard_app(
            server.services,
            queries,
            reports=reporter,
            sender=sender,
            passwords=Passwords(workspace.keys.pepper),
            hosts=(settings.dashboard.host,),
        )
        geo_updates = GeoUpdates(config, workspace)
        leak_search = LeakSearchSchedule(config, workspace)
        jobs = jobs_of(server, geo_updates, leak_search, reporter)
        own: Commands = {"tracking": lambda: tracking_base, "jobs": jobs.to_json, "run-job": jobs.do}
        commands = server.commands(own)
        await stack.enter_async_context(local_socket(control_app(commands, server.services.imports), workspace.paths))
        await stack.enter_async_context(
            site(application(dashboard), dashboard_socket, is_trusted=tracking.proxies.is_trusted)
        )
        await stack.enter_async_context(tracking_site(tracking, tracking_socket))
        await stack.enter_async_context(server.delivering())
        await stack.enter_async_context(
            ConsentWithdrawals(workspace, server.writer, tracker.pending_withdrawals).running()
        )
        await stack.enter_async_context(newest_in_use(workspace, tracker))
        await stack.enter_async_context(CrawlerChecks(tracker, click_log, workspace.agents.crawlers).running())
        stack.callback(geo_updates.stop)
        stack.callback(leak_search.stop)
        await stack.enter_async_context(jobs.running())
        freeze_gc()
        remembering = asyncio.create_task(server.live.remember_older(older_clicks))
        stack.callback(remembering.cancel)
        await stack.enter_async_context(reload_on_hangup(config, settings, server))
        stop = _stop_signal()
        remove_previous(previous if workspace.degraded is None else ())
        ready(tracking_base, url_of(dashboard_socket, settings.dashboard))
        await stop.wait()
        log.info("stopping")


def _refuse(reason: str, **_given: object) -> NoReturn:
    raise RefusedError(f"the server redirects visitors, but stores no changes: {reason}")


@asynccontextmanager
async def reload_on_hangup(config: Path, settings: Settings, server: Server) -> AsyncIterator[None]:
    """While this lasts SIGHUP takes up the newest stored configuration and geo data."""
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)

    async def reload() -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            try:
                await _reload(config, settings, server)
            except Exception:
                log.exception("the reload failed; what was in use stays")

    reloading = asyncio.create_task(reload())
    try:
        yield
    finally:
        reloading.cancel()


async def _reload(config: Path, settings: Settings, server: Server) -> None:
    try:
        now = await asyncio.to_thread(load, config)
    except TncError as error:
        log.warning("config.toml was not read again", extra={"problem": str(error)})
    else:
        changed = [each.name for each in fields(Settings) if getattr(now, each.name) != getattr(settings, each.name)]
        if changed:
            log.warning("changed settings take effect at the next start", extra={"settings": changed})
    version, _ = await asyncio.to_thread(server.workspace.configuration)
    await asyncio.to_thread(server.live.configured, version)
    await use_newest(server.workspace, server.tracker)
    log.info("reloaded", extra={"config_version": server.tracker.plans.version})


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _jobs_without_control(server: Server) -> tuple[Job, ...]:
    """What still runs while the control database cannot be used."""
    return (
        Job("turn-day", "destroy old salts and prepare the keys of the next day", HOUR, server.live.turn_day),
        Job("look-at-days", "notice day files that were deleted", MINUTE, server.workspace.note_vanished_days),
    )


def jobs_of(server: Server, geo_updates: GeoUpdates, leak_search: LeakSearchSchedule, reporter: ReportClient) -> Jobs:
    """The table of jobs."""
    workspace, services = server.workspace, server.services
    fed = 0  # clicks that were written when the columns were last brought up to date
    loop = asyncio.get_running_loop()

    def feed_columns() -> None:
        """While no clicks come, no child process is started."""
        nonlocal fed
        written = server.click_log.recording().written
        if written != fed:
            fed = written
            asyncio.run_coroutine_threadsafe(reporter.catch_up(), loop).result()

    if workspace.degraded is not None:
        return Jobs(_jobs_without_control(server), workspace.world)

    alerts = AlertMailer(workspace, server.click_log.recording)

    # At a random time, so that not all installations ask the publishers of geo data in the same minute.
    geo_update_seconds = (1 + workspace.world.random()) * HOUR
    return Jobs(
        (
            Job("turn-day", "destroy old salts and prepare the keys of the next day", HOUR, server.live.turn_day),
            Job("look-at-days", "notice day files that were deleted", MINUTE, workspace.note_vanished_days),
            Job("finish-days", "index past days for searches", HOUR, server.finish_days),
            Job("migrate-days", "migrate day files to the current format", HOUR, server.migrate_days),
            Job("feed-columns", "copy new clicks into the columns that reports read", 2 * MINUTE, feed_columns),
            Job("note-missed-paths", "note unknown paths that look like a campaign", MINUTE, server.note_missed_paths),
            Job("forget", "complete erasures that wait for a reader", MINUTE, services.eraser.complete),
            Job(
                "look-at-dues",
                "find overdue privacy requests",
                MINUTE,
                services.privacy_requests.refresh_due_dates,
            ),
            Job("alerts", "mail alerts to the owner", MINUTE, alerts.look),
            Job("retention", "remove what has reached its retention", MINUTE, services.retention.remove_expired),
            Job("sums", "archive the totals that outlive their clicks", HOUR, services.retention.archive_sums),
            Job(
                "search",
                "each night, start a search of all files for personal data in plain text",
                DAY,
                leak_search.start_if_due,
                daily_at=_NIGHT,
                last_ms=leak_search.last_ms(),
            ),
            Job(
                "renew-address-data",
                "start to download geo data that is due",
                geo_update_seconds,
                geo_updates.start_if_due,
            ),
        ),
        workspace.world,
    )
