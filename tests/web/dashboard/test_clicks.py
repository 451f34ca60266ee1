"""The click log page by page, and one click explained."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.web.dashboard.conftest import Client, Open
from tests.web.dashboard.installed import CONFIGURATION, NOW_MS, Installation
from tests.web.dashboard.week import Week
from tnc.core import fields
from tnc.core.clock import new_id
from tnc.core.models import SUBS, CampaignId, Click, ClickId, OfferId, Visit
from tnc.rules.decision import Step
from tnc.tracking.explain import explain
from tnc.web.dashboard.clicks import fact_groups, grouped

ROW = re.compile(r'href="/clicks/([0-9a-z]+)"')
OLDER = re.compile(r'href="(/clicks\?[^"]*before=[^"]+)" rel="next"')


async def rows_from(client: Client, path: str) -> tuple[list[str], int]:
    """Click ids from one page of the log to its last, and how many pages there are."""
    seen, pages = list[str](), 0
    while path:
        text = await client.text(path)
        seen += ROW.findall(text)
        older = OLDER.search(text)
        path, pages = (older[1].replace("&amp;", "&") if older else ""), pages + 1
    return seen, pages


async def test_paging_shows_every_click_once(owner: Open, fresh: Installation) -> None:
    # Several in the same millisecond, where a page must not lose or repeat one.
    clicks = fresh.visits([fresh.arriving(at_ms=NOW_MS - (130 - number) // 7 * 1000) for number in range(130)])
    client = await owner(fresh)

    seen, pages = await rows_from(client, "/clicks")

    assert pages == 3
    assert seen == [click.click_id for click in reversed(clicks)]


async def test_paging_continues_by_time_where_the_last_click_was_erased(owner: Open, fresh: Installation) -> None:
    clicks = [fresh.visit(ip=f"8.8.1.{number}", at_ms=NOW_MS - 60_000 + number) for number in range(60)]
    client = await owner(fresh)
    older = OLDER.search(await client.text("/clicks"))
    assert older is not None
    eraser = fresh.services.eraser
    eraser.erase(eraser.subject(click=clicks[10].click_id))

    seen, _ = await rows_from(client, older[1].replace("&amp;", "&"))

    assert clicks[10].click_id in older[1]
    assert seen == [click.click_id for click in reversed(clicks[:10])]


@pytest.mark.parametrize(
    "query", ["campaign=summer&traffic=human", "campaign=autumn", "traffic=bot", "traffic=suspect", "traffic=prefetch"]
)
async def test_filters_stay_from_page_to_page(owner: Open, fresh: Installation, query: str) -> None:
    agents = (None, "curl/8.18.0", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
    clicks = [
        click
        for number in range(100)
        for click in fresh.visits(
            [
                fresh.arriving("autumn" if number % 3 else "summer", user_agent=each, at_ms=NOW_MS - 200_000 + number)
                for each in agents
            ]
        )
    ]
    client = await owner(fresh)
    wanted = dict(pair.split("=") for pair in query.split("&"))

    seen, _ = await rows_from(client, f"/clicks?{query}")

    fitting = [
        click.click_id
        for click in clicks
        if wanted.get("campaign") in (None, click.campaign) and wanted.get("traffic") in (None, click.visit.traffic)
    ]
    assert sorted(seen) == sorted(fitting)


@pytest.mark.parametrize("query", ["traffic=alien", "before=x", "before=-1.a", "before=99999999999999999.a"])
async def test_unknown_filters_are_refused(owner: Open, shared: Installation, query: str) -> None:
    client = await owner(shared)

    assert (await client.get(f"/clicks?{query}")).status == 422


async def test_an_empty_log_says_why(owner: Open, shared: Installation, bare: Installation) -> None:
    client = await owner(shared)
    assert "No clicks match" in await client.text("/clicks?campaign=nowhere")

    empty = await owner(bare)
    assert "Open one of your tracking links" in await empty.text("/clicks")


async def test_a_click_is_explained(owner: Open, fresh: Installation) -> None:
    click = fresh.visit()
    fresh.postback(click.click_id, status="pending", txid="t-1", payout="12.5")
    fresh.postback(click.click_id, status="approved", txid="t-1", payout="12.5")
    client = await owner(fresh)

    text = await client.text(f"/clicks/{click.click_id}")

    assert "Recomputed: same" in text
    assert "country is US or CA: yes, it is US" in text
    assert f"https://land.example/quiz?k={click.click_id}" in text
    for word in ("pending", "approved", "12.50 USD"):
        assert word in text


async def test_a_stopped_click_was_sent_nowhere(owner: Open, week: Week) -> None:
    client = await owner(week.installation)

    text = await client.text(f"/clicks/{week.bot}")

    assert "stopped by Standard filter" in text
    assert '<span class="unknown">nowhere</span>' in text
    assert "datacenter is true: yes, it is true" in text


async def test_a_test_click_is_marked(owner: Open, fresh: Installation) -> None:
    click_id = new_id(NOW_MS - 1000, bytes(8))
    tested = {"click_id": click_id, "clicked_at": "2026-11-23T14:05:05.123Z", "campaign": "summer", "test": True}
    fresh.import_clicks(tested)
    client = await owner(fresh)

    page, log = await client.text(f"/clicks/{click_id}"), await client.text("/clicks")

    assert '<span class="badge test">' in page
    assert "A test click: no report counts it." in page
    assert '<span class="badge test">' in log


async def test_an_imported_click_says_why_it_cannot_be_explained(owner: Open, fresh: Installation) -> None:
    click_id = new_id(NOW_MS - 1000, bytes(8))
    fresh.import_clicks(
        {"click_id": click_id, "clicked_at": "2026-11-23T14:05:05.123Z", "campaign": "summer", "country": "FR"}
    )
    client = await owner(fresh)

    text = await client.text(f"/clicks/{click_id}")

    assert "was imported: the configuration that decided it is not stored here, so it cannot be explained" in text
    assert "Recomputed" not in text
    assert ">FR<" in text


async def test_a_different_recomputed_decision_is_shown_side_by_side(owner: Open, fresh: Installation) -> None:
    [click] = fresh.decide([fresh.arriving("autumn")])
    fresh.record(structs.replace(click, offer=OfferId("shoes")))
    client = await owner(fresh)

    text = await client.text(f"/clicks/{click.click_id}")

    assert "Recomputed: different" in text
    assert '<th scope="row">Offer</th><td class="break">Running shoes</td><td class="break">Winter boots</td>' in text


@pytest.mark.parametrize("click_id", ["nothing", new_id(NOW_MS, bytes(8))])
async def test_an_unknown_click_is_404(owner: Open, shared: Installation, click_id: str) -> None:
    client = await owner(shared)

    assert (await client.get(f"/clicks/{click_id}")).status == 404


def a_click(**subs: str) -> Click:
    return Click(
        click_id=ClickId("c"),
        clicked_at_ms=NOW_MS,
        campaign=CampaignId("summer"),
        visit=Visit(visited_at_ms=NOW_MS, subs=subs),
    )


def test_every_public_field_is_shown_once() -> None:
    groups = fact_groups(a_click(**dict.fromkeys(SUBS, "x")), CONFIGURATION)

    shown = [fact.name for group in groups for fact in group.facts]

    in_head = {"click_id", "clicked_at", "workspace", "destination"}
    assert sorted(shown) == sorted({n for n, each in fields.FIELDS.items() if each.about.public} - in_head)


def test_personal_data_is_marked() -> None:
    groups = fact_groups(a_click(sub1="x"), CONFIGURATION)

    marked = {fact.name for group in groups for fact in group.facts if fact.personal}

    assert {"ip", "user_agent", "referrer", "external_id", "visitor", "params", "sub1"} <= marked
    assert not {"country", "campaign", "device"} & marked


# ------------------------------------------------------------------------------------------------- the trace


STEPS = st.builds(
    Step,
    kind=st.sampled_from(["campaign", "filter", "flow", "condition", "draw", "cap", "end"]),
    text=st.text(max_size=3),
)


def test_conditions_are_shown_under_the_decision_they_lead_to(fresh: Installation) -> None:
    click = fresh.visit()

    shown = [
        (each.step.kind, [step.kind for step in each.details])
        for each in grouped(explain(fresh.workspace, click.click_id).trace)
    ]

    assert shown == [
        ("filter", ["condition", "condition"]),
        ("flow", ["condition", "condition"]),
        ("end", ["draw", "draw", "draw"]),
    ]


@given(st.lists(STEPS))
def test_no_step_is_lost(trace: list[Step]) -> None:
    shown = [step for each in grouped(trace) for step in (*each.details, each.step)]

    assert shown == trace
