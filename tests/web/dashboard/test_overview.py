"""The first page: today, the hours, and what to do when there is nothing yet."""

import re
from typing import Any

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_story
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.errors import FailedError
from tnc.core.models import Configuration
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import overview as series
from tnc.web.dashboard.ports import Answer


async def test_today_stands_beside_yesterday_until_the_same_time(owner: Open) -> None:
    told = [invent_story(NOW_MS - number * 1000, number) for number in range(1, 8)]
    told += [invent_story(NOW_MS - DAY_MS - number * 1000, 100 + number) for number in range(1, 5)]
    told += [invent_story(NOW_MS - DAY_MS + HOUR_MS, 200)]  # yesterday, but later in the day
    client = await owner(InventedAppliance(told=told))

    text = await (await client.get("/")).text()

    assert "<dt>Visits</dt>\n    <dd>7" in text
    assert "3 more than 4 before" in text
    assert "Today until 14:05 UTC" in text


async def test_the_hours_are_a_table_without_gaps(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    for period, hours in (("24h", 24), ("7d", 168), ("nonsense", 24)):
        text = await (await client.get("/", params={"period": period})).text()
        assert len(re.findall(r'<td class="num" data-value="\d+">', text)) == 2 * hours
        assert len(re.findall(r'<rect [^>]*class="valid"', text)) == hours


async def test_without_a_campaign_it_says_how_to_make_one(owner: Open) -> None:
    client = await owner(InventedAppliance(config=Configuration()))

    text = await (await client.get("/")).text()

    assert "Make your first campaign" in text
    assert "tnc apply first.toml" in text


async def test_without_a_click_it_shows_the_link_to_click(owner: Open) -> None:
    client = await owner(InventedAppliance())

    text = await (await client.get("/")).text()

    assert "Nobody has clicked yet" in text
    assert 'value="http://127.0.0.1:8080/summer"' in text


async def test_what_is_wrong_stands_on_top(owner: Open, appliance: InventedAppliance) -> None:
    appliance.wrong = ("The disk is full; make room and clicks are written again.",)
    client = await owner(appliance)

    for path in ("/", "/settings"):
        assert "The disk is full" in await (await client.get(path)).text()


async def test_a_report_that_fails_takes_nothing_else_away(owner: Open) -> None:
    class Reportless(InventedAppliance):
        async def report(self, question: ReportQuery) -> Answer:  # noqa: ARG002
            raise FailedError("The report could not be made; `tnc report` says why.")

    client = await owner(Reportless(wrong=("The disk is full.",)))

    answer = await client.get("/")

    text = await answer.text()
    assert answer.status == 200
    assert "The disk is full." in text
    assert "The report could not be made" in text
    assert "Nobody has clicked yet" not in text


def test_an_hour_that_nobody_came_in_is_an_hour() -> None:
    first_ms = series.first_hour_ms(NOW_MS, 3)
    rows: list[dict[str, Any]] = [{"hour": "2026-11-23T13:00", "visits": 4, "valid": 2}, {"hour": None, "visits": 9}]

    hours = series.by_hour(rows, first_ms=first_ms, hours=3)

    assert [(hour.visits, hour.valid, hour.height, hour.valid_height) for hour in hours] == [
        (0, 0, 0, 0),
        (4, 2, 100, 50),
        (0, 0, 0, 0),
    ]
    assert series.summary(hours).startswith("4 visits; the busiest hour was 23 Nov 13:00 UTC with 4.")
    assert series.summary(series.by_hour([], first_ms=first_ms, hours=3)) == "Nobody came in this time."
