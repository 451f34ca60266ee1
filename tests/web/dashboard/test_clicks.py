"""The click log page by page, and one click explained."""

import re

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, an_id, invent_story
from tnc.core import fields
from tnc.core.errors import FailedError
from tnc.core.models import SUBS, Click, ClickId
from tnc.web.dashboard import clicks as facts
from tnc.web.dashboard.ports import Explanation

ROW = re.compile(r'href="/clicks/([0-9a-z]+)"')


async def test_paging_shows_every_click_once(owner: Open) -> None:
    # Several in the same millisecond, where a page must not lose or repeat one.
    told = [invent_story(NOW_MS - number // 7 * 1000, number) for number in range(130)]
    client = await owner(InventedAppliance(told=told))

    seen, path, pages = [], "/clicks", 0
    while path:
        text = await (await client.get(path)).text()
        seen += ROW.findall(text)
        older = re.search(r'href="(/clicks\?before=[^"]+)" rel="next"', text)
        path, pages = (older[1].replace("&amp;", "&") if older else ""), pages + 1

    assert pages == 3
    assert sorted(seen) == sorted(history.click.click_id for history in told)
    assert seen == sorted(seen, reverse=True)


async def test_filters_hold_from_page_to_page(owner: Open) -> None:
    told = [invent_story(NOW_MS - number * 1000, number) for number in range(400)]
    client = await owner(InventedAppliance(told=told))

    text = await (await client.get("/clicks?campaign=summer&traffic=human")).text()

    kept = {s.click.click_id for s in told if s.click.campaign == "summer" and s.click.visit.traffic == "human"}
    assert set(ROW.findall(text)) <= kept
    assert re.search(r'href="/clicks\?campaign=summer&amp;traffic=human&amp;before=\d+\.[0-9a-z]+" rel="next"', text)


@pytest.mark.parametrize("query", ["traffic=alien", "before=x", "before=-1.a", "before=99999999999999999.a"])
async def test_what_cannot_be_asked_is_said(owner: Open, appliance: InventedAppliance, query: str) -> None:
    client = await owner(appliance)

    assert (await client.get(f"/clicks?{query}")).status == 422


async def test_empty_logs_say_why(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    assert "Nothing fits" in await (await client.get("/clicks?campaign=nowhere")).text()

    empty = await owner(InventedAppliance())
    assert "Open one of your tracking links" in await (await empty.get("/clicks")).text()


async def test_a_click_is_explained(owner: Open) -> None:
    history = next(s for s in (invent_story(NOW_MS - 9_000_000, n) for n in range(1000)) if s.conversions)
    client = await owner(InventedAppliance(told=[history]))

    text = await (await client.get(f"/clicks/{history.click.click_id}")).text()

    assert "Recomputed: same" in text
    assert "country is US or CA: yes, it is US" in text
    assert f"https://land.example/quiz?k={history.click.click_id}" in text
    for word in ("pending", "approved", "12.50 USD"):
        assert word in text


async def test_a_click_from_elsewhere_is_shown_with_the_reason_why_nothing_explains_it(owner: Open) -> None:
    class Elsewhere(InventedAppliance):
        def explain(self, click_id: ClickId) -> Explanation:
            raise FailedError(f"click {click_id} was imported: there is nothing to explain.")

    history = invent_story(NOW_MS, 1)
    client = await owner(Elsewhere(told=[history]))

    answer = await client.get(f"/clicks/{history.click.click_id}")

    text = await answer.text()
    assert answer.status == 200
    assert "was imported: there is nothing to explain" in text
    assert "Recomputed" not in text
    assert f">{history.click.visit.country}<" in text


async def test_a_decision_that_would_differ_today_is_shown_side_by_side(owner: Open) -> None:
    history = next(s for s in (invent_story(NOW_MS, n) for n in range(99)) if s.click.offer == "shoes")
    client = await owner(InventedAppliance(told=[history], differs=True))

    text = await (await client.get(f"/clicks/{history.click.click_id}")).text()

    assert "Recomputed: different" in text
    assert '<th scope="row">Offer</th><td class="break">shoes</td><td class="break">boots</td>' in text


@pytest.mark.parametrize("click_id", ["nothing", an_id(NOW_MS, 999_999)])
async def test_an_unknown_click_is_not_there(owner: Open, appliance: InventedAppliance, click_id: str) -> None:
    client = await owner(appliance)

    assert (await client.get(f"/clicks/{click_id}")).status == 404


def test_every_public_fact_is_shown_once() -> None:
    history = invent_story(NOW_MS, 1)
    everything = dict.fromkeys(SUBS, "x")
    click = _with_subs(history.click, everything)

    shown = [fact.name for group in facts.groups(click) for fact in group.facts]

    in_the_head = {"click_id", "clicked_at", "workspace", "destination"}
    assert sorted(shown) == sorted({n for n, each in fields.FIELDS.items() if each.about.public} - in_the_head)


def test_personal_facts_are_marked() -> None:
    marked = {
        fact.name for group in facts.groups(invent_story(NOW_MS, 1).click) for fact in group.facts if fact.personal
    }

    assert {"ip", "user_agent", "referrer", "external_id", "visitor", "params", "sub1"} <= marked
    assert not {"country", "campaign", "device"} & marked


def _with_subs(click: Click, subs: dict[str, str]) -> Click:
    return Click(
        click_id=click.click_id,
        clicked_at_ms=click.clicked_at_ms,
        campaign=click.campaign,
        visit=type(click.visit)(visited_at_ms=1, subs=subs),
    )
