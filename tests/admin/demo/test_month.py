"""The demo's month, made by the click path and postback path of the server, and of no real person."""

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tnc.admin.demo.history import CHANGES, versions
from tnc.admin.demo.month import make_month
from tnc.admin.demo.people import MACHINES, Machine
from tnc.admin.demo.receiver import receiver_address
from tnc.admin.services import Services
from tnc.core.clock import DAY_MS, World, id_time_ms
from tnc.core.errors import InvalidError, RefusedError, UnavailableError
from tnc.core.fields import click_json
from tnc.core.formats import parse_listen_address
from tnc.core.models import Click, ClickHistory
from tnc.core.settings import Settings
from tnc.reports.columns.columns import Columns
from tnc.reports.query import ReportQuery
from tnc.reports.run import run_report
from tnc.store.days.click_log import Days
from tnc.store.days.transactions import OfflineWriter, ReadOnly
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.explain import explain
from tnc.visitors.lookup import describe_user_agent
from tnc.visitors.user_agent import UserAgentReader

pytestmark = pytest.mark.timeout(300)

UNTIL_MS = 1_795_608_000_000
DOCUMENTATION = [
    ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]  # fmt: skip


class Connections:
    """The addresses that this process connects to or asks for, while it is watched."""

    def __init__(self) -> None:
        self.watched = False
        self.seen: set[str] = set()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watched and event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
            self.seen.add(str(arguments[1][0]))
        elif self.watched and event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.seen.add(str(arguments[0]))


@dataclass(frozen=True)
class Demo:
    workspace: Workspace
    services: Services
    histories: list[ClickHistory]
    connected_to: set[str]

    @property
    def clicks(self) -> list[Click]:
        return [history.click for history in self.histories]


def new_workspace(folder: Path) -> Settings:
    folder.mkdir()
    key = folder / "key"
    key.write_text(new_key_text())
    key.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        receiver = f"127.0.0.1:{free.getsockname()[1]}"
    settings = Settings(data=folder / "data", key=key, allow_hosts=(receiver,))
    Workspace.create(settings, at_the_end()).close()
    return settings


def at_the_end() -> World:
    return World(now_ms=lambda: UNTIL_MS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    settings = new_workspace(tmp_path_factory.mktemp("month") / "demo")
    connections = Connections()
    connections.watched = True
    asyncio.run(make_month(settings, until_ms=UNTIL_MS))
    connections.watched = False
    with Workspace(settings, at_the_end(), to_write=False) as workspace:
        histories = list(workspace.histories.newest())
        yield Demo(workspace, Services(workspace, ReadOnly()), histories, connections.seen)


def test_the_demo_has_enough_clicks_for_reports(demo: Demo) -> None:
    times = [click.clicked_at_ms for click in demo.clicks]
    assert 8_000 < len(times) < 15_000
    assert min(times) >= UNTIL_MS - 30 * DAY_MS
    assert max(times) < UNTIL_MS
    assert all(id_time_ms(click.click_id) == click.clicked_at_ms for click in demo.clicks)


def test_each_of_200_clicks_is_explained_as_it_was_decided(demo: Demo) -> None:
    for click in random.Random(1).sample(demo.clicks, 200):
        explained = explain(demo.workspace, click.click_id)
        assert explained.same, click.click_id
        assert explained.trace


def test_clicks_are_decided_by_the_version_of_their_time(demo: Demo) -> None:
    known = demo.workspace.versions.all_versions(demo.workspace.id).wait()
    assert len(known) == len(CHANGES) + 1
    assert all(each.note for each in known)
    made_ms = {each.version: each.made_at_ms for each in known}
    for click in demo.clicks:
        assert click.config_version is not None
        assert made_ms[click.config_version] <= click.clicked_at_ms
        assert click.clicked_at_ms <= made_ms.get(click.config_version + 1, UNTIL_MS)
    assert len({click.config_version for click in demo.clicks}) == len(known)


def test_every_kind_of_visit_is_there(demo: Demo) -> None:
    clicks = demo.clicks
    assert {click.visit.traffic for click in clicks} == {"human", "bot", "crawler", "prefetch", "suspect"}
    assert {click.visit.mode for click in clicks} == {"full", "limited", "cookieless"}
    assert {click.flow for click in clicks} >= {"america-mobile", "europe-evening", "rest", "all"}
    assert {click.stopped for click in clicks if click.filter == "standard"} == {True, False}  # monitored at first
    assert sum(click.visit.visit_number > 0 for click in clicks) > 100
    opted_out = 0
    for date in demo.workspace.histories.dates():
        with demo.workspace.histories.day(date) as reader:
            opted_out += sum(each.visits for each in reader.opted_out() if each.campaign == "shoes")
    assert opted_out > 20


def test_the_postback_log_shows_every_outcome(demo: Demo) -> None:
    outcomes = Counter(row.outcome for _, row in demo.services.conversions.rows())
    assert {"new", "changed", "duplicate", "unmapped", "refused", "unknown-click", "invalid"} <= set(outcomes)
    assert outcomes["new"] > 200


def test_the_demo_earns_money_and_has_every_status(demo: Demo) -> None:
    conversions = [conversion for history in demo.histories for conversion in history.conversions]
    assert {conversion.status for conversion in conversions} == {"lead", "sale", "rejected", None}
    earned = sum(each.payout_micros or 0 for each in conversions if each.status == "sale")
    spent = sum(click.cost_micros or 0 for click in demo.clicks)
    assert 1.05 < earned / spent < 2


def test_each_destination_accepted_some_deliveries_and_refused_others(demo: Demo) -> None:
    counts = demo.services.destinations.counts()
    for destination in ("shop-crm", "source-native-ads"):
        states = {state for (name, state), number in counts.items() if name == destination and number}
        assert {"done", "dead", "dropped"} <= states, destination


def test_the_demo_connects_to_nothing_but_this_machine(demo: Demo) -> None:
    assert demo.connected_to == {"127.0.0.1"}


def test_there_is_an_open_privacy_request_and_an_erasure_with_a_receipt(demo: Demo) -> None:
    requests = demo.services.privacy_requests.requests()
    assert {(each["kind"], each["state"]) for each in requests} == {
        ("access", "received"), ("erasure", "fulfilled"), ("objection", "fulfilled"),
    }  # fmt: skip
    [erasure] = [each for each in requests if each["kind"] == "erasure"]
    receipt = demo.workspace.erasures.receipt(erasure["receipt_id"]).wait()
    assert demo.services.eraser.verify(receipt) == []


def test_demo_ip_addresses_are_documentation_addresses(demo: Demo) -> None:
    for click in demo.clicks:
        address = ip_address((click.visit.ip or "").partition("/")[0])
        assert any(address in net for net in DOCUMENTATION), address


def test_demo_visits_without_consent_are_stored_truncated(demo: Demo) -> None:
    germans = [click.visit for click in demo.clicks if click.visit.country == "DE" and click.visit.traffic == "human"]
    cut = [visit for visit in germans if visit.consent != "granted"]
    assert cut
    assert len(cut) < len(germans)
    for visit in cut:
        assert (visit.ip or "").endswith((".0/24", "::/48"))
        assert "/" not in (visit.user_agent or "")
        assert visit.browser_id is None


def test_no_salt_of_a_past_day_is_stored(demo: Demo) -> None:
    salts = demo.workspace.keyring.workspace(demo.workspace.id).salts
    assert all(day >= "2026-11-24" for day in salts), salts


def test_the_same_seed_makes_the_same_reports(tmp_path: Path) -> None:
    query = ReportQuery(by=("campaign", "offer", "country", "sub1"), start="7d")
    made = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        settings = new_workspace(tmp_path / name)
        asyncio.run(make_month(settings, until_ms=UNTIL_MS, days=4, seed=seed))
        with (
            Workspace(settings, at_the_end(), to_write=False) as workspace,
            Columns(workspace.paths.columns) as columns,
        ):
            made.append(json.dumps(run_report(workspace, columns, query).to_json()["rows"]))
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_data_directory_in_use_is_refused(tmp_path: Path) -> None:
    settings = new_workspace(tmp_path / "demo")
    asyncio.run(make_month(settings, until_ms=UNTIL_MS, days=1))
    with pytest.raises(RefusedError, match="in use"):
        asyncio.run(make_month(settings, until_ms=UNTIL_MS, days=1))


def test_the_last_version_is_the_campaign_file_with_keys_and_destinations() -> None:
    *_, (_, last) = versions(parse_listen_address("127.0.0.1:8401"))
    assert 'mode = "enforce"' in last
    assert "amount = 0.45" in last
    assert 'destinations = ["shop-crm"]' in last
    assert last.count('key = "demo-key"') == 2


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until(port: int, *, answering: bool) -> None:
    deadline = time.monotonic() + 60
    while answers(port) is not answering:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_receiver_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """`install.sh` starts it and becomes the server; Ctrl-C then must not leave it behind."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.toml"
    config.write_text(f'data = "."\nkey = "key"\n[outbound]\nallow_hosts = ["127.0.0.1:{port}"]\n')
    started = '"$0" -m tnc.admin.demo.receiver "$1" & exec sleep 300'
    with subprocess.Popen(("sh", "-c", started, sys.executable, str(config))) as server:
        try:
            wait_until(port, answering=True)
        finally:
            server.terminate()
    wait_until(port, answering=False)


def test_a_port_of_the_receiver_that_is_taken_is_named(tmp_path: Path) -> None:
    settings = new_workspace(tmp_path / "demo")
    address = receiver_address(settings)
    with socket.create_server((address.host, address.port)), pytest.raises(UnavailableError, match=str(address)):
        asyncio.run(make_month(settings, until_ms=UNTIL_MS, days=1))


def test_a_demo_without_a_receiver_on_this_machine_is_refused(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, key=tmp_path / "key", allow_hosts=("crm.internal",))
    with pytest.raises(InvalidError, match="allow_hosts"):
        receiver_address(settings)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.os} {machine.browser}")
def test_demo_devices_have_the_names_that_tnc_gives_them(machine: Machine) -> None:
    """Brand, model and OS version may be known from client hints only, and not from the user agent."""
    result = describe_user_agent(UserAgentReader(), machine.user_agent)

    for name in ("device", "os", "browser", "browser_version"):
        assert result[name] == getattr(machine, name)
    for name in ("brand", "model", "os_version"):
        assert result[name] in {None, getattr(machine, name)}


def test_its_clicks_imported_elsewhere_give_the_same_reports(demo: Demo, tmp_path: Path) -> None:
    lines = [
        json.dumps(click_json(history, destination=demo.workspace.destination(history.click))).encode()
        for history in demo.histories
        if not history.click.erased  # what is left of an erasure is in no click log, so it cannot be taken elsewhere
    ]
    settings = new_workspace(tmp_path / "elsewhere")
    with (
        Workspace(settings, at_the_end(), to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as days,
    ):
        result = Services(workspace, OfflineWriter(days)).imports.add(lines, file="clicks.jsonl")
        assert (result["added"], result["refused"]) == (len(lines), 0), result["errors"][:3]
        questions = [
            ReportQuery(by=by, start="31d", time=time, where=("country!=erased",))
            for by in (
                ("campaign", "source", "flow"),
                ("offer", "lander", "network"),
                ("country", "device"),
                ("day", "sub1"),
            )
            for time in ("click", "conversion")
        ]
        here, there = _reports(demo.workspace, questions), _reports(workspace, questions)
    assert here[0]["totals"]["sales"] > 50
    for mine, theirs in zip(here, there, strict=True):
        assert mine["rows"] == theirs["rows"]
        assert mine["totals"] == theirs["totals"]


def _reports(workspace: Workspace, questions: list[ReportQuery]) -> list[dict[str, Any]]:
    """Without what is in no click log: opted-out visits and erased clicks."""
    with Columns(workspace.paths.columns) as columns:
        found = [run_report(workspace, columns, each).to_json() for each in questions]
    for result in found:
        for row in (*result["rows"], result["totals"]):
            del row["opted_out"], row["opted_out_cost"]
        result["rows"] = [row for row in result["rows"] if any(row[name] for name in ("visits", "conversions"))]
    return found
