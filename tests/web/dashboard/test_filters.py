"""What each filter stopped or would have stopped, by reason and by campaign."""

import re
from dataclasses import replace

import pytest
from msgspec import structs

from tests.web.dashboard.configured import CONFIGURATION
from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_story
from tnc.core.errors import FailedError
from tnc.core.models import Click, Configuration, FilterId, FlowId
from tnc.reports.query import ReportQuery
from tnc.web.dashboard.ports import Answer

STANDARD = FilterId("standard")


def rows_of(text: str, table: str) -> list[tuple[str, ...]]:
    found = re.search(rf'<caption class="unseen">{table}</caption>.*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    assert found is not None, table
    return [
        tuple(re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row))
        for row in re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    ]


def judged(number: int) -> InventedAppliance:
    """So many visits that the standard filter stopped, and as many that it let pass."""
    histories = [invent_story(NOW_MS - each * 1000, each) for each in range(1, 400)]
    stopped = [each for each in histories if each.click.stopped and each.click.campaign == "summer"][:number]
    passed = [each for each in histories if not each.click.stopped and each.click.campaign == "summer"][:number]
    assert len(stopped) == number
    return InventedAppliance(told=[*stopped, *passed])


async def test_stopped_visits_are_counted_by_reason_and_campaign(owner: Open) -> None:
    client = await owner(judged(3))

    text = await (await client.get("/filters")).text()

    assert "3 visits were stopped, 0 only got the verdict" in text
    assert rows_of(text, "Reasons of Standard filter") == [("Datacenter", "3", "0"), ("Traffic", "3", "0")]
    assert rows_of(text, "Campaigns of Standard filter") == [("Summer", "3", "0", "6")]
    assert "tnc reclassify standard --from 7d --dry-run" in text


async def test_of_one_that_only_records_it_is_said_what_it_would_have_stopped(owner: Open) -> None:
    appliance = judged(2)
    monitor = replace(CONFIGURATION.filters[STANDARD], mode="monitor")
    appliance.config = replace(CONFIGURATION, filters={STANDARD: monitor})
    appliance.told = [
        replace(each, click=_on_its_way(each.click)) if each.click.stopped else each for each in appliance.told
    ]
    client = await owner(appliance)

    text = await (await client.get("/filters?period=30d")).text()

    assert "0 visits were stopped, 2 would have been: they only got the verdict" in text
    assert rows_of(text, "Reasons of Standard filter") == [("Datacenter", "0", "2"), ("Traffic", "0", "2")]
    assert "Would have been stopped" in text
    assert "mode = &#34;enforce&#34;" in text or 'mode = "enforce"' in text


def _on_its_way(click: Click) -> Click:
    """With the verdict of the filter, and through all the same."""
    return structs.replace(click, flow=FlowId("rest"), stopped=False)


async def test_a_filter_that_judged_nobody_is_shown_with_who_uses_it(owner: Open) -> None:
    client = await owner(InventedAppliance())

    text = await (await client.get("/filters?period=nonsense")).text()

    assert "It has judged no visit in this time." in text
    assert rows_of(text, "Campaigns of Standard filter") == [("Summer", "0", "0", "0")]


async def test_without_any_filter_the_standard_one_is_named(owner: Open) -> None:
    client = await owner(InventedAppliance(config=Configuration()))

    assert "tnc template show standard" in await (await client.get("/filters")).text()


class Failing(InventedAppliance):
    async def report(self, question: ReportQuery) -> Answer:  # noqa: ARG002 - the port's own signature
        raise FailedError("the report could not be made")


async def test_a_report_that_fails_is_said(owner: Open) -> None:
    client = await owner(Failing())
    answer = await client.get("/filters")

    assert answer.status == 500
    assert "The report could not be made" in await answer.text()


@pytest.mark.parametrize("path", ["/", "/clicks", "/reports", "/filters", "/settings", "/try", "/campaigns/summer"])
async def test_pages_carry_the_attribution_that_licences_ask_for(owner: Open, path: str) -> None:
    client = await owner(InventedAppliance(told=[invent_story(NOW_MS, 1)]))

    text = await (await client.get(path)).text()

    assert '<a href="https://db-ip.com" rel="noreferrer">IP Geolocation by DB-IP</a>' in text
