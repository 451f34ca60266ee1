"""A data directory with everything that a server runs on it, and dashboards in front, on a loop of its own.

Nothing is pretended here but the outside world: the time, the receiver of conversions, and the addresses of visitors.
"""

import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import jinja2
from aiohttp import web
from msgspec import json

from tests.fakes import meta
from tests.web.dashboard.places import write_city_database
from tnc.admin.services import Services
from tnc.app import Server, recording
from tnc.campaigns.parse import read_toml
from tnc.core.clock import DAY_MS, World
from tnc.core.models import CampaignId, Click, ClickId, Configuration
from tnc.core.passwords import Passwords
from tnc.core.settings import Settings
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.reports.client import ReportClient
from tnc.reports.columns.columns import Columns
from tnc.reports.query import ReportQuery
from tnc.reports.result import ReportResult
from tnc.reports.run import run_report
from tnc.store.days.writer import utc_date
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.inbox import PostbackCall, PostbackReply
from tnc.tracking.record import record_lander_click
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.tracking.tracker import Tracker
from tnc.visitors.geo import install
from tnc.visitors.request import Request
from tnc.visitors.user_agent import UserAgentReader
from tnc.web.control import control_app
from tnc.web.dashboard import dashboard_app
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.keys import TEMPLATES
from tnc.web.dashboard.middleware import hash_token
from tnc.web.dashboard.pages import templates
from tnc.web.dashboard.queries import Queries
from tnc.web.sockets import local_socket

_T = TypeVar("_T")

EMAIL: Final = "owner@example.com"
PASSWORD: Final = "correct horse battery"
NOW_MS: Final = 1_795_442_706_123  # 2026-11-23T14:05:06.123Z
TRACKING_BASE: Final = "https://track.example"
PHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.0 Mobile/15E148 Safari/604.1"
)
AMERICA: Final = "8.8.8.8"
DATACENTER: Final = "45.55.1.1"
SHOP: Final = (
    (Path(__file__).with_name("shop.toml")).read_text(encoding="utf-8").replace("@META@", "https://meta.example")
)
CONFIGURATION: Final = read_toml(SHOP, file="shop.toml", base=Configuration())

_MEMORY: Final = Path("/dev/shm")


@dataclass
class Clock:
    """The time of a test; it moves only when the test moves it."""

    now_ms: int = NOW_MS

    def later(self, *, seconds: int) -> None:
        self.now_ms += seconds * 1000

    def world(self) -> World:
        return World(now_ms=lambda: self.now_ms)


class ReportsHere(ReportClient):
    """Reports by the same code in this process, whose clock a test moves; the server has a child make them."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(Path("unused"))
        self._workspace = workspace
        self.queries: list[ReportQuery] = []

    async def fetch(self, query: ReportQuery) -> dict[str, Any]:
        return (await asyncio.to_thread(self._run, query)).to_json()

    async def fetch_csv(self, query: ReportQuery) -> str:
        return (await asyncio.to_thread(self._run, query)).to_csv()

    def _run(self, query: ReportQuery) -> ReportResult:
        self.queries.append(query)
        with Columns(self._workspace.paths.columns) as columns:
            return run_report(self._workspace, columns, query)


@cache
def _agents() -> UserAgentReader:
    """They only remember user agents, and take a fifth of a second to make."""
    return UserAgentReader()


@cache
def _compiled_templates() -> jinja2.Environment:
    """Compiled once for all dashboards of the tests: that takes half a second."""
    return templates(Assets.load())


@dataclass
class Installation:
    """One workspace and its server. What is done here is done as visitors, networks and the command line do it."""

    workspace: Workspace
    server: Server
    clock: Clock
    meta: meta.Meta
    passwords: Passwords
    reports: ReportsHere
    _sender: Sender
    _loop: asyncio.AbstractEventLoop
    _stack: AsyncExitStack
    _address: str = ""
    _shop: str = field(default="", repr=False)

    @property
    def services(self) -> Services:
        return self.server.services

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """On the loop of the server."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    # -- the owner

    def apply(self, toml: str) -> None:
        self.services.configure.apply(toml.replace("https://meta.example", self._shop), file="shop.toml")

    @property
    def configuration(self) -> Configuration:
        return self.workspace.configuration()[1]

    @property
    def changed_by(self) -> str:
        """Who made the version that is live."""
        return max(
            self.workspace.versions.all_versions(self.workspace.id).wait(), key=lambda each: each.version
        ).made_by

    def open_session(self) -> str:
        """The token of a new session of the owner."""
        token = secrets.token_urlsafe(32)
        found = self.workspace.accounts.find_user(EMAIL).wait()
        assert found is not None
        opened = self.workspace.accounts.open_session(found[0], token_hash=hash_token(token), now_ms=self.clock.now_ms)
        opened.wait()
        return token

    # -- visitors

    def visit(
        self,
        campaign: str = "summer",
        *,
        ip: str = AMERICA,
        user_agent: str | None = PHONE,
        query: str = "",
        at_ms: int | None = None,
        **headers: str,
    ) -> Click:
        """A visit as the tracking listener takes it, decided and on disk."""
        [click] = self.visits(
            [self.arriving(campaign, ip=ip, user_agent=user_agent, query=query, at_ms=at_ms, **headers)]
        )
        return click

    def arriving(
        self,
        campaign: str = "summer",
        *,
        ip: str = AMERICA,
        user_agent: str | None = PHONE,
        query: str = "",
        at_ms: int | None = None,
        **headers: str,
    ) -> tuple[CampaignId, Request]:
        named = {"Host": "go.example", "User-Agent": user_agent, "Accept-Language": "en-US"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request.of(
            [(name, value) for name, value in named.items() if value is not None],
            host="go.example",
            target=f"/{campaign}" + (f"?{query}" if query else ""),
            peer=ip,
            secure=False,
            arrived_at_ms=self.clock.now_ms if at_ms is None else at_ms,
        )
        return CampaignId(campaign), request

    def visits(self, arriving: list[tuple[CampaignId, Request]]) -> list[Click]:
        """Many at once, oldest first."""
        clicks = self.decide(arriving)
        self.record(*clicks)
        return clicks

    def decide(self, arriving: list[tuple[CampaignId, Request]]) -> list[Click]:
        """What would be recorded of these visits."""
        tracker = self.server.tracker

        async def decide() -> list[Click]:
            return [tracker.arrive(tracker.plans.by_id[campaign], request).stored for campaign, request in arriving]

        return self.run(decide())

    def record(self, *clicks: Click) -> None:
        async def record() -> None:
            await asyncio.gather(*(self.server.click_log.put(self.workspace.id, click) for click in clicks))

        self.run(record())

    def go_on(self, click: Click, *, after_ms: int = 40_000) -> None:
        """From the lander to the offer."""
        at_ms = click.clicked_at_ms + after_ms
        self.server.writer.transact(
            (self.workspace.id, utc_date(click.clicked_at_ms)),
            lambda writer: record_lander_click(
                writer,
                click.click_id,
                at_ms=at_ms,
                offer=click.offer,
                network=click.network,
                number=None,
                found_by="cid",
            ),
        )

    def import_clicks(self, *objects: dict[str, Any]) -> None:
        """Clicks from elsewhere, as `tnc import clicks` takes them."""
        result = self.services.imports.add((json.encode(each) for each in objects), file="clicks.jsonl")
        assert result["refused"] == 0, result["errors"]

    # -- networks

    def postback(self, click_id: ClickId | str, **parameters: str) -> PostbackReply:
        params = {"cid": click_id, "key": "s3cret", **parameters}
        call = PostbackCall(method="GET", path="/postback", params=params, peer_ip="198.51.100.7")
        return self.services.conversions.receive(call)

    # -- the dashboard

    def dashboard(self, *, reports: ReportClient | None = None) -> web.Application:
        """An application that is not yet served."""
        queries = Queries(self.workspace, self.server.tracker, self.server.click_log.recording, tracking_port=8080)
        app = dashboard_app(
            self.services,
            queries,
            reports=reports or self.reports,
            sender=self._sender,
            passwords=self.passwords,
            hosts=("track.example",),
        )
        app[TEMPLATES] = _compiled_templates()
        return app

    def serve(self, app: web.Application) -> str:
        """The address of an application, which is there until the installation is closed."""

        async def listen() -> str:
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            self._stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        return self.run(listen())

    @property
    def address(self) -> str:
        """Of the dashboard that all tests of this installation share."""
        if not self._address:
            self._address = self.serve(self.dashboard())
        return self._address

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, self.services.destinations.listed()
            time.sleep(0.005)


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def installed(toml: str = SHOP, *, clock: Clock | None = None) -> Iterator[Installation]:
    """A new installation with one user, a small city database and a list of data centres."""
    clock = clock or Clock()
    world = clock.world()
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder,
        loop_in_a_thread() as loop,
    ):
        key = Path(folder) / "key"
        key.write_text(new_key_text())
        key.chmod(0o600)
        settings = Settings(
            data=Path(folder) / "data",
            key=key,
            allow_hosts=("127.0.0.1",),
            trusted_proxies=("127.0.0.0/8",),
            domains_default="track.example",
        )
        Workspace.create(settings, world).close()
        with Workspace(settings, world, to_write=True, loop=loop) as workspace:
            workspace.agents = _agents()
            _add_geo_data(workspace, Path(folder))
            workspace.rotate_salts()
            tracker = make_tracker(workspace, visit_reader(workspace))
            stack = AsyncExitStack()
            try:
                starting = _start(workspace, tracker, clock, loop, stack)
                made = asyncio.run_coroutine_threadsafe(starting, loop).result(60)
                if toml:
                    made.apply(toml)
                verifier = made.passwords.hash(PASSWORD)
                workspace.accounts.add_user(email=EMAIL, verifier=verifier, now_ms=clock.now_ms).wait()
                yield made
            finally:
                asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)


async def _start(
    workspace: Workspace, tracker: Tracker, clock: Clock, loop: asyncio.AbstractEventLoop, stack: AsyncExitStack
) -> Installation:
    settings, world = workspace.settings, workspace.world
    click_log = await stack.enter_async_context(recording(workspace))
    session = await stack.enter_async_context(open_session(settings.allow_hosts))
    sender = Sender(session, world, settings.allow_hosts)
    server = Server(workspace, click_log, tracker, sender)
    await stack.enter_async_context(server.outbox.running())
    commands = control_app(server.services.commands(), server.services.imports)
    await stack.enter_async_context(local_socket(commands, workspace.paths))  # a check asks it whether a server runs
    receiver = meta.Meta(now=lambda: clock.now_ms / 1000)
    runner = web.AppRunner(meta.app(receiver), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return Installation(
        workspace=workspace,
        server=server,
        clock=clock,
        meta=receiver,
        passwords=Passwords(b"pepper" * 6, rounds=4),
        reports=ReportsHere(workspace),
        _sender=sender,
        _loop=loop,
        _stack=stack,
        _shop=f"http://127.0.0.1:{runner.addresses[0][1]}",
    )


def _add_geo_data(workspace: Workspace, folder: Path) -> None:
    cities, datacenters = folder / "dbip-city-lite.mmdb", folder / "datacenters.txt"
    write_city_database(cities, built_ms=NOW_MS - 5 * DAY_MS)
    datacenters.write_text("45.55.0.0/16\n")
    install.add(workspace.addresses, cities, kind=None, now_ms=NOW_MS)
    install.add(workspace.addresses, datacenters, kind="datacenter", now_ms=NOW_MS)
