"""What each filter stopped or would have stopped, by reason and by campaign."""

import re
from pathlib import Path

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import AMERICA, DATACENTER, Installation
from tnc.reports.client import ReportClient

MONITOR = """
[[filter]]
id = "standard"
name = "Standard filter"
when = [ { fact = "traffic", is = ["bot"] }, { fact = "datacenter", is = [true] } ]
mode = "monitor"
"""


def rows_of(text: str, table: str) -> list[tuple[str, ...]]:
    found = re.search(rf'<caption class="unseen">{table}</caption>.*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    assert found is not None, table
    return [
        tuple(re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row))
        for row in re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    ]


def visit(installation: Installation, *, matched: int, others: int) -> None:
    """Visits of a bot in a data centre, and of people."""
    for number in range(matched):
        installation.visit(ip=DATACENTER, user_agent=f"curl/8.{number}")
    for number in range(others):
        installation.visit(ip=AMERICA, query=f"ext={number}")
    installation.clock.later(seconds=1)


async def test_stopped_visits_are_counted_by_reason_and_campaign(owner: Open, fresh: Installation) -> None:
    visit(fresh, matched=3, others=3)
    client = await owner(fresh)

    text = await client.text("/filters")

    assert "3 visits were stopped, 0 logged only" in text
    assert rows_of(text, "Reasons of Standard filter") == [("Data-centre IP", "3", "0"), ("Traffic is bot", "3", "0")]
    assert rows_of(text, "Campaigns of Standard filter") == [("Summer", "3", "0", "6")]
    assert "tnc reclassify standard --from 7d --dry-run" in text


async def test_a_monitoring_filter_shows_what_it_would_have_stopped(owner: Open, fresh: Installation) -> None:
    fresh.apply(MONITOR)
    visit(fresh, matched=2, others=2)
    client = await owner(fresh)

    text = await client.text("/filters?period=30d")

    assert "0 visits were stopped, 2 would have been (log only)" in text
    assert rows_of(text, "Reasons of Standard filter") == [("Data-centre IP", "0", "2"), ("Traffic is bot", "0", "2")]
    assert "Would have been stopped" in text
    assert "mode = &#34;enforce&#34;" in text or 'mode = "enforce"' in text


async def test_a_filter_without_matches_is_shown_with_its_campaigns(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)

    text = await client.text("/filters?period=nonsense")

    assert "No visit matched it in this period." in text
    assert rows_of(text, "Campaigns of Standard filter") == [("Summer", "0", "0", "0")]


async def test_without_filters_the_page_names_the_standard_one(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "tnc template show standard" in await client.text("/filters")


async def test_a_failed_report_is_shown(owner: Open, shared: Installation) -> None:
    client = await owner(shared, reports=ReportClient(Path("/no/such/config.toml")))

    answer = await client.get("/filters")

    assert answer.status == 500
    assert "The report could not be made" in await answer.text()


@pytest.mark.parametrize("path", ["/", "/clicks", "/reports", "/filters", "/settings", "/try", "/campaigns/summer"])
async def test_pages_carry_the_attribution_that_licences_ask_for(owner: Open, shared: Installation, path: str) -> None:
    client = await owner(shared)

    text = await client.text(path)

    assert text.count('<a href="https://db-ip.com" rel="noreferrer">IP Geolocation by DB-IP</a>') == 1
