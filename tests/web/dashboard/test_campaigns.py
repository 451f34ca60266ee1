"""Campaigns, said in sentences, with everything there is to copy."""

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
    Filter,
    FilterId,
    Flow,
    FlowId,
    OfferId,
    WeightedOffer,
)
from tnc.web.dashboard import campaign_text as sentences


async def test_every_campaign_stands_with_its_link(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns")

    for link in ("summer", "autumn", "spring", "old"):
        assert f'value="http://127.0.0.1:8080/{link}"' in text
    assert "Archived (1)" in text
    assert '<span class="badge paused">' in text


async def test_without_campaigns_it_says_what_to_do(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "No campaign yet" in await client.text("/campaigns")


async def test_a_campaign_reads_like_sentences(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/summer")

    assert "When country is US or CA and device is mobile" in text
    assert "When traffic is bot or datacenter is true: answer with status 404." in text
    assert "100 conversions a day (UTC), then sandals" in text
    assert "0.02 USD a visit" in text
    assert "<strong>70 %</strong>" in text
    assert "When no flow fits: answer with status 404." in text
    assert "its own click id" in text


async def test_the_postback_to_paste_speaks_the_networks_language(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/summer")

    ours = "&amp;payout={payout}&amp;currency={currency}&amp;status={status}&amp;txid={transaction_id}"
    assert f'value="http://127.0.0.1:8080/postback?cid={{s2}}{ours}&amp;key=s3cret"' in text
    assert f'value="http://127.0.0.1:8080/postback?cid={{id}}{ours}"' in text  # the cap's alternative has no network


async def test_an_unknown_campaign_is_not_there(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    answer = await client.get("/campaigns/winter")

    assert answer.status == 404
    assert "There is no campaign of this id" in await answer.text()


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

    told = sentences.flow(Flow(id=FlowId("f"), match="any", offers=options), CONFIGURATION)

    assert [(each.id, each.share, each.note) for each in told.offers] == [
        ("shoes", "25 %", ""),
        ("boots", "75 %", ""),
        ("sandals", "nothing", "paused"),
        ("gone", "nothing", "missing"),
    ]
    assert told.when == "Everybody"


def test_any_is_said_with_or() -> None:
    when = (Condition(fact="os", operator="is", value="iOS"), Condition(fact="hour", operator="between", value=[22, 6]))

    told = sentences.flow(Flow(id=FlowId("f"), match="any", when=when), CONFIGURATION)

    assert told.when == "When os is iOS or hour is between 22 and 6"


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (Cost(), "not counted"),
        (Cost(model="cpc", amount=0.02), "0.02 USD a visit"),
        (Cost(model="cpm", amount=3), "3 USD a thousand visits"),
        (Cost(model="cpa", amount=5, currency="EUR"), "5 EUR a conversion"),
        (Cost(model="revshare", amount=0.25), "25.0 % of the revenue"),
        (Cost(model="auto"), "what the source sends with each visit"),
        (Cost(model="auto", amount=0.1), "what the source sends with each visit, else 0.1 USD"),
    ],
)
def test_every_cost_has_a_sentence(cost: Cost, sentence: str) -> None:
    assert sentences.cost(cost) == sentence


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (Action(type="status", code=410), "answer with status 410"),
        (Action(type="url", url="https://a.example"), "go to https://a.example"),
        (Action(type="offer", offer=OfferId("shoes")), "go to the offer shoes"),
        (Action(type="allow"), "let it pass"),
    ],
)
def test_every_action_has_a_sentence(action: Action, sentence: str) -> None:
    assert sentences.action(action) == sentence


def test_a_filter_that_only_watches_says_so() -> None:
    bots = CONFIGURATION.filters[FilterId("standard")]

    def told(each: Filter) -> str:
        return sentences.judgement(each)

    assert told(replace(bots, mode="monitor")).endswith("noted, and nothing is stopped.")
    assert told(replace(bots, action=Action(type="allow"))).endswith("noted, and nothing is stopped.")
    assert told(replace(bots, paused=True)) == "It is switched off."


async def test_what_nobody_set_up_is_left_out(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/campaigns/spring")

    assert "Everybody: answer with status 404." in text
    assert "Postback to paste" not in text
    assert CampaignId("spring") in text
