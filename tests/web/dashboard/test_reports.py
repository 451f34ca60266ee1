"""Reports as a page and as CSV."""

import asyncio
import csv
import html
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import NOW_MS, Installation
from tnc.core.clock import HOUR_MS
from tnc.core.errors import FailedError
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import pages


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
async def test_the_form_becomes_the_query(owner: Open, shared: Installation, query: str, asked: ReportQuery) -> None:
    client = await owner(shared)

    answer = await client.get(f"/reports?{query}")

    assert answer.status == (422 if "by=a" in query else 200)
    assert shared.reports.queries[-1] == asked


async def test_totals_come_first_and_are_the_sum_of_the_rows(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/reports?by=country&by=device&period=30d")

    body = text.partition("<tbody>")[2]
    visits = [int(each.replace(",", "")) for each in re.findall(r'</th>\s*<td class="num">([\d,]+)</td>', body)]
    assert body.lstrip().startswith('<tr class="total">')
    assert visits[0] == sum(visits[1:]) > 1_000
    assert 'aria-sort="descending"><a href="/reports?by=country&amp;by=device&amp;period=30d&amp;sort=-visits"' in text


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("by=shoe_size", "There is no dimension &#39;shoe_size&#39;"),
        ("timezone=Mars/Base", "There is no time zone"),
        ("from=soon", "soon"),
    ],
)
async def test_mistakes_are_shown_and_the_form_is_kept(
    owner: Open, shared: Installation, query: str, complaint: str
) -> None:
    client = await owner(shared)

    answer = await client.get(f"/reports?{query}&campaign=summer")

    text = await answer.text()
    assert answer.status == 422
    assert complaint in re.findall(r'<p class="error" role="alert">(.*?)</p>', text)[0]
    assert 'name="campaign" value="summer"' in text


async def test_an_empty_report_says_what_to_do(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "Choose a longer period" in await client.text("/reports")


async def test_the_csv_has_every_row_and_figure(owner: Open, shared: Installation) -> None:
    client = await owner(shared)
    recorded = len(list(shared.workspace.histories.newest()))

    answer = await client.get("/reports.csv?by=country&by=device&period=30d")

    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert answer.content_type == "text/csv"
    assert sum(int(row["visits"]) for row in rows) == recorded + 1, "what is left of an erased visit is counted, too"
    assert {"country", "visits", "revenue", "roi"} <= rows[0].keys()


async def test_a_long_report_has_pages_of_500_rows(owner: Open, fresh: Installation) -> None:
    fresh.visits([fresh.arriving(at_ms=NOW_MS - hours * HOUR_MS) for hours in range(520, 0, -1)])
    client = await owner(fresh)

    text = await client.text("/reports?by=hour&period=30d")

    assert "Rows 1 to 500; the CSV has all of them." in text
    (onward,) = re.findall(r'<a href="([^"]+)" rel="next">', text)
    rest = await client.text(html.unescape(onward))
    assert "Rows 501 to 520" in rest
    assert 'rel="next"' not in rest
    hours = [
        hour for page in (text, rest) for hour in re.findall(r"2026-1\d-\d\dT\d\d:00", page.partition("<tbody>")[2])
    ]
    assert len(hours) == len({*hours}) == 520


async def test_a_second_click_on_a_heading_turns_the_order_round(owner: Open, shared: Installation) -> None:
    client = await owner(shared)
    path = "/reports?by=country&period=30d&sort=visits"

    orders = []
    for _ in range(2):
        text = await client.text(path)
        (direction, path) = re.findall(r'class="num" aria-sort="(\w+)"><a href="([^"]+)">Visits', text)[0]
        path = html.unescape(path)
        body = text.partition("<tbody>")[2]
        visits = [int(each.replace(",", "")) for each in re.findall(r'</th>\s*<td class="num">([\d,]+)</td>', body)][1:]
        orders.append((direction, visits))

    assert [direction for direction, _ in orders] == ["descending", "ascending"]
    assert orders[0][1] == sorted(orders[0][1], reverse=True) == orders[1][1][::-1]


async def test_a_page_comes_without_figures_when_they_take_too_long(
    owner: Open, shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await owner(shared)
    monkeypatch.setattr("tnc.reports.client.PAGE_SECONDS", 0.0)

    answer = await client.get("/reports?by=country")
    overview, filters = await client.text("/"), await (await client.get("/filters")).text()

    text = await answer.text()
    assert answer.status == FailedError.http_status
    assert '<a href="/reports?by=country">Try again</a>' in text
    assert "figures are not here" in overview
    assert '<a href="/">Try again</a>' in overview
    assert "figures are not here" in filters


async def test_rendering_a_long_table_lets_the_loop_serve_others(
    owner: Open, shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, taken, parts_of = 0, list[int](), pages._parts

    async def spin() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(spin())

    async def end() -> None:
        other.cancel()

    def counting(*given: Any) -> Iterator[str]:
        before = turns
        yield from parts_of(*given)
        taken.append(turns - before)

    monkeypatch.setattr(pages, "_TURN_MS", 0)
    monkeypatch.setattr(pages, "_parts", counting)
    client = await owner(shared)
    other = shared.run(begin())

    text = await client.text("/reports?by=hour&by=country&by=device")

    shared.run(end())
    assert taken[0] >= text.count("<tr>") > 400
