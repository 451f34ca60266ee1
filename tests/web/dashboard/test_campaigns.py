"""Campaigns: their links, and what they do, in sentences."""

import re
from dataclasses import replace

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import CONFIGURATION, Installation
from tnc.core.models import (
    Action,
    CampaignId,
    Condition,
    Cost,
    FilterId,
    Flow,
    FlowId,
    OfferId,
    WeightedOffer,
)
from tnc.web.dashboard.campaign_text import action as action_text
from tnc.web.dashboard.campaign_text import cost as cost_text
from tnc.web.dashboard.campaign_text import effect, flow


async def test_every_campaign_is_listed_with_its_link(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns")

    for link in ("summer", "autumn", "spring", "old"):
        assert f'value="https://track.example/{link}"' in text
    assert "Archived (1)" in text
    assert '<span class="badge paused">' in text


async def test_without_campaigns_it_says_what_to_do(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "No campaigns yet" in await client.text("/campaigns")


async def test_a_campaign_is_described_in_sentences(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/summer")

    assert "When country is US or CA and device is mobile" in text
    assert "When traffic is bot or datacenter is true: answer with status 404." in text
    assert "100 conversions a day (UTC), then Sandals" in text
    assert "0.02 USD a visit" in text
    assert "<strong>70 %</strong>" in text
    assert "When no flow matches: answer with status 404." in text
    assert "the source&#39;s own click id" in text


async def test_an_offer_without_the_click_id_is_warned_about(owner: Open, fresh: Installation) -> None:
    fresh.services.configure.apply(
        '[[offer]]\nid = "boots"\nnetwork = "good-network"\nurl = "https://shop.example/boots"\npayout = 18\n',
        file="boots.toml",
    )
    client = await owner(fresh)

    text = await client.text("/campaigns/summer")

    (warning,) = re.findall(r'<p class="error" role="alert">(.*?)</p>', text)
    assert "its URL has no {click_id}, so no conversion can come back to its click" in warning
    assert "?subid={click_id}" in warning
    assert 'role="alert"' not in await client.text("/campaigns/spring")


async def test_the_postback_url_has_the_networks_parameters(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/summer")

    ours = "&amp;payout={payout}&amp;currency={currency}&amp;status={status}&amp;txid={transaction_id}"
    assert f'value="https://track.example/postback?cid={{s2}}{ours}&amp;key=s3cret"' in text
    assert (
        f'value="https://track.example/postback?cid={{id}}{ours}"' in text
    )  # the offer that takes over has no network


async def test_an_unknown_campaign_is_404(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    answer = await client.get("/campaigns/winter")

    assert answer.status == 404
    assert "There is no campaign with this id" in await answer.text()


async def test_offers_that_take_over_at_a_cap_are_listed(owner: Open, fresh: Installation) -> None:
    link = '[[offer]]\nid = "{}"\nname = "{}"\nurl = "https://a.example/"\ncap = {{ conversions = 1, then = "{}" }}\n'
    last = '[[offer]]\nid = "slippers"\nurl = "https://a.example/"\n'
    fresh.apply(link.format("boots", "Boots", "sandals") + link.format("sandals", "Sandals", "slippers") + last)
    client = await owner(fresh)

    text = await client.text("/campaigns/summer")

    listed = re.findall(r'<tr><th scope="row">.*? <small>(\w+)</small>', text)
    assert listed == ["shoes", "boots", "sandals", "slippers"]


def test_paused_and_missing_options_get_nothing() -> None:
    options = tuple(
        WeightedOffer(id=OfferId(name), weight=weight, paused=paused)
        for name, weight, paused in (("shoes", 1, False), ("boots", 3, False), ("sandals", 5, True), ("gone", 7, False))
    )

    text = flow(Flow(id=FlowId("f"), match="any", offers=options), CONFIGURATION)

    assert [(each.id, each.share, each.note) for each in text.offers] == [
        ("shoes", "25 %", ""),
        ("boots", "75 %", ""),
        ("sandals", "nothing", "paused"),
        ("gone", "nothing", "missing"),
    ]
    assert text.when == "All visits"


def test_any_is_written_as_or() -> None:
    when = (Condition(fact="os", operator="is", value="iOS"), Condition(fact="hour", operator="between", value=[22, 6]))

    text = flow(Flow(id=FlowId("f"), match="any", when=when), CONFIGURATION)

    assert text.when == "When os is iOS or hour is between 22 and 6"


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (Cost(), "none"),
        (Cost(model="cpc", amount=0.02), "0.02 USD a visit"),
        (Cost(model="cpm", amount=3), "3 USD a thousand visits"),
        (Cost(model="cpa", amount=5, currency="EUR"), "5 EUR a conversion"),
        (Cost(model="revshare", amount=0.25), "25.0 % of the revenue"),
        (Cost(model="auto"), "what the source sends with each visit"),
        (Cost(model="auto", amount=0.1), "what the source sends with each visit, otherwise 0.1 USD"),
    ],
)
def test_every_cost_has_a_sentence(cost: Cost, sentence: str) -> None:
    assert cost_text(cost) == sentence


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (Action(type="status", code=410), "answer with status 410"),
        (Action(type="url", url="https://a.example"), "send to https://a.example"),
        (Action(type="offer", offer=OfferId("shoes")), "send to the offer shoes"),
        (Action(type="allow"), "let the visit pass"),
    ],
)
def test_every_action_has_a_sentence(action: Action, sentence: str) -> None:
    assert action_text(action) == sentence


def test_a_filter_that_only_logs_says_so() -> None:
    bots = CONFIGURATION.filters[FilterId("standard")]

    assert effect(replace(bots, mode="monitor")).endswith("log only, nothing is stopped.")
    assert effect(replace(bots, action=Action(type="allow"))).endswith("log only, nothing is stopped.")
    assert effect(replace(bots, paused=True)) == "It is switched off."


async def test_a_campaign_without_flows_has_no_postback_section(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/spring")

    assert "All visits: answer with status 404." in text
    assert "Postback URL" not in text
    assert CampaignId("spring") in text
