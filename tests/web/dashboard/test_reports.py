"""Reports as a page and as CSV."""

import asyncio
import csv
import io
import re

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_story
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import pages
from tnc.web.dashboard.ports import Answer


class Listening(InventedAppliance):
    """Remembers what it was asked."""

    asked: ReportQuery

    async def report(self, question: ReportQuery) -> Answer:
        self.asked = question
        return await super().report(question)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", ReportQuery(by=("campaign",), start="7d", sort="visits", limit=500)),
        (
            "by=country&by=&by=device&by=country&period=yesterday&timezone=Asia/Kolkata",
            ReportQuery(
                by=("country", "device"),
                start="yesterday",
                end="today",
                timezone="Asia/Kolkata",
                sort="visits",
                limit=500,
            ),
        ),
        (
            "by=day&period=yesterday&from=2026-11-01&campaign=summer&sort=revenue",
            ReportQuery(by=("day",), start="2026-11-01", where=("campaign=summer",), sort="revenue", limit=500),
        ),
        (
            "by=a&by=b&by=c&by=d&to=2026-11-02",
            ReportQuery(by=("a", "b", "c"), start="7d", end="2026-11-02", sort="visits", limit=500),
        ),
        ("by=day", ReportQuery(by=("day",), start="7d", sort="day", limit=500)),
        (
            "by=day&sort=roi",
            ReportQuery(by=("day",), start="7d", sort="roi", limit=500),
        ),
    ],
)
async def test_the_form_becomes_the_question(owner: Open, query: str, asked: ReportQuery) -> None:
    appliance = Listening(told=[invent_story(NOW_MS, 1)])
    client = await owner(appliance)

    answer = await client.get(f"/reports?{query}")

    assert answer.status == (422 if "by=a" in query else 200)
    assert appliance.asked == asked


async def test_totals_stand_first_and_agree_with_the_rows(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await (await client.get("/reports?by=country&by=device")).text()

    body = text.partition("<tbody>")[2]
    visits = [int(each) for each in re.findall(r'</th>\s*<td class="num">(\d+)</td>', body)]
    assert body.lstrip().startswith('<tr class="total">')
    assert visits[0] == sum(visits[1:])
    assert 'aria-sort="descending"><a href="/reports?by=country&amp;by=device&amp;sort=visits"' in text


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("by=shoe_size", "&#39;shoe_size&#39; is nothing to group by"),
        ("timezone=Mars/Base", "There is no time zone"),
        ("from=soon", "is no time"),
    ],
)
async def test_mistakes_are_said_and_the_form_is_kept(
    owner: Open, appliance: InventedAppliance, query: str, complaint: str
) -> None:
    client = await owner(appliance)

    answer = await client.get(f"/reports?{query}&campaign=summer")

    text = await answer.text()
    assert answer.status == 422
    assert complaint in text
    assert 'name="campaign" value="summer"' in text


async def test_an_empty_report_says_what_to_do(owner: Open) -> None:
    client = await owner(InventedAppliance())

    assert "Choose a longer period" in await (await client.get("/reports")).text()


async def test_the_csv_has_every_row_and_figure(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.get("/reports.csv?by=country")

    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert answer.content_type == "text/csv"
    assert sum(int(row["visits"]) for row in rows) == len(appliance.told)
    assert {"country", "visits", "revenue", "roi"} <= rows[0].keys()


async def test_a_long_report_is_cut_and_says_so(owner: Open) -> None:
    told = [invent_story(NOW_MS - number * 1000, number) for number in range(700)]
    client = await owner(InventedAppliance(told=told))

    text = await (await client.get("/reports?by=external_id")).text()

    assert "These are the first 500 rows" in text


async def test_a_long_table_lets_others_have_their_turn(owner: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_TURN_MS", 0)
    told = [invent_story(NOW_MS - number * 1000, number) for number in range(500)]
    client = await owner(InventedAppliance(told=told))
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(somebody_else())
    await client.get("/reports?by=external_id")
    other.cancel()

    assert turns > 500
