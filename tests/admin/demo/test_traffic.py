"""The demo's month of clicks: always the same, plausible, and of no real person."""

from collections import Counter
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any

import pytest

from tnc.admin.demo.people import MACHINES, Machine
from tnc.admin.demo.traffic import demo_plans, invented_clicks
from tnc.core.clock import DAY_MS, id_time_ms
from tnc.core.fields import parse_rfc3339_ms
from tnc.tracking.import_clicks import click_of
from tnc.visitors.lookup import describe_user_agent
from tnc.visitors.user_agent import UserAgentReader

UNTIL_MS = 1_795_608_000_000
DOCUMENTATION = [
    ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]  # fmt: skip

Clicks = list[dict[str, Any]]


@pytest.fixture(scope="module")
def clicks() -> Clicks:
    return list(invented_clicks(demo_plans(), until_ms=UNTIL_MS))


def test_the_same_seed_and_time_make_the_same_clicks() -> None:
    plans = demo_plans()
    first = list(invented_clicks(plans, until_ms=UNTIL_MS, days=1))
    assert first == list(invented_clicks(plans, until_ms=UNTIL_MS, days=1))
    assert first != list(invented_clicks(plans, until_ms=UNTIL_MS, days=1, seed=1))


def test_the_demo_has_enough_clicks_for_reports_and_starts_quickly(clicks: Clicks) -> None:
    assert 8_000 < len(clicks) < 15_000
    assert len({click["clicked_at"][:10] for click in clicks}) in {30, 31}


def test_demo_clicks_are_in_order_and_none_is_in_the_future(clicks: Clicks) -> None:
    times = [parse_rfc3339_ms(click["clicked_at"]) for click in clicks]
    assert all(before <= after for before, after in pairwise(times))
    assert times[0] >= UNTIL_MS - 30 * DAY_MS
    later = [click["lander_clicked_at"] for click in clicks if click["lander_clicked_at"]]
    later += [word["at"] for click in clicks for conversion in click["conversions"] for word in conversion["history"]]
    assert max(times[-1], *map(parse_rfc3339_ms, later)) < UNTIL_MS


def test_a_click_id_contains_the_time_of_its_click(clicks: Clicks) -> None:
    assert all(id_time_ms(click["click_id"]) == parse_rfc3339_ms(click["clicked_at"]) for click in clicks)
    assert len({click["click_id"] for click in clicks}) == len(clicks)


def test_demo_ip_addresses_are_documentation_addresses(clicks: Clicks) -> None:
    for click in clicks:
        address = ip_address(click["ip"].partition("/")[0])
        assert any(address in net for net in DOCUMENTATION), address


def test_demo_visits_without_consent_are_stored_truncated(clicks: Clicks) -> None:
    germans = [click for click in clicks if click["country"] == "DE" and click["traffic"] == "human"]
    cut = [click for click in germans if click["consent"] != "granted"]
    assert cut
    assert len(cut) < len(germans)
    assert all(click["ip"].endswith((".0/24", "::/48")) and "/" not in click["user_agent"] for click in cut)


def test_demo_clicks_follow_the_rules_of_the_demo(clicks: Clicks) -> None:
    flows = Counter(click["flow"] for click in clicks)
    assert all(flows[flow] > 300 for flow in ("america-mobile", "europe-evening", "rest", "all"))
    assert {click["country"] for click in clicks if click["flow"] == "america-mobile"} == {"US", "CA"}
    stopped = [click for click in clicks if click["filter"] == "standard"]
    assert stopped
    assert all(click["traffic"] == "bot" and click["offer"] is None for click in stopped)


def test_the_demo_earns_money_and_has_every_status(clicks: Clicks) -> None:
    conversions = [conversion for click in clicks for conversion in click["conversions"]]
    assert {conversion["status"] for conversion in conversions} == {"lead", "sale", "rejected"}
    revenue = sum(conversion["payout"] for conversion in conversions if conversion["status"] == "sale")
    cost = sum(click["cost"] or 0 for click in clicks)
    assert 1.05 < revenue / cost < 2


def test_demo_clicks_can_be_imported(clicks: Clicks) -> None:
    for given in clicks[:500]:
        click, events = click_of(given)
        assert click.click_id == given["click_id"]
        assert len(events) >= len(given["conversions"])


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.os} {machine.browser}")
def test_demo_devices_have_the_names_that_tnc_gives_them(machine: Machine) -> None:
    """Brand, model and OS version may be known from client hints only, and not from the user agent."""
    result = describe_user_agent(UserAgentReader(), machine.user_agent)

    for name in ("device", "os", "browser", "browser_version"):
        assert result[name] == getattr(machine, name)
    for name in ("brand", "model", "os_version"):
        assert result[name] in {None, getattr(machine, name)}
