"""A month of generated clicks, decided by the real rules of the demo's campaigns."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from tnc.admin.demo.crowd import Arrival, Crowd
from tnc.campaigns.parse import read_toml
from tnc.core.clock import DAY_MS, MINUTE_MS, new_id
from tnc.core.fields import click_json
from tnc.core.models import (
    Click,
    ClickId,
    Configuration,
    ConversionChange,
    ConversionId,
    ConversionStatus,
    Event,
    LanderClick,
    LanderId,
    NetworkId,
    OfferId,
)
from tnc.core.money import micros
from tnc.rules import Plan, Plans, compile_configuration
from tnc.store.days.history import click_history
from tnc.tracking.tracker import cost_of
from tnc.visitors.visit import for_storage

CAMPAIGN_FILE: Final = Path(__file__).with_name("campaign.toml")
SEED: Final = 2026

# The share of lander views that click, and the share of offer views that buy.
_GOES_ON: Final = {LanderId("quiz"): 0.44, LanderId("story"): 0.29}
_BUYS: Final = {OfferId("shoes"): 0.031, OfferId("boots"): 0.031, OfferId("socks"): 0.026}
_AFTER_LANDER: Final = 2.4  # visitors from a lander buy more often
_SOCKS: Final = (9.0, 14.0, 24.0)  # payouts, by size of the order
_GOOD_NETWORK: Final = NetworkId("good-network")  # reports a lead before the sale
_WORDS: Final = {"lead": "pending", "sale": "approved", "rejected": "declined"}


def demo_plans() -> Plans:
    text = CAMPAIGN_FILE.read_text(encoding="utf-8")
    return compile_configuration(read_toml(text, file=CAMPAIGN_FILE.name, base=Configuration()), version=1)


def invented_clicks(plans: Plans, *, until_ms: int, seed: int = SEED, days: int = 30) -> Iterator[dict[str, Any]]:
    """About 10,000 clicks of the 30 days before `until_ms`, oldest first, in the form of `tnc clicks --json`."""
    chance = random.Random(seed)  # noqa: S311 - must be the same every time
    for arrival in Crowd(chance).arrivals(from_ms=until_ms - days * DAY_MS, until_ms=until_ms):
        plan = plans.by_id[arrival.campaign]
        click = _click(plan, arrival, ClickId(new_id(arrival.visit.visited_at_ms, chance.randbytes(8))))
        so_far = [event for event in _events(plan, click, arrival.mood, chance) if event.at_ms < until_ms]
        yield click_json(click_history(click, so_far), destination=plan.destination(click))


def _click(plan: Plan, arrival: Arrival, click_id: ClickId) -> Click:
    campaign, visit = plan.campaign, arrival.visit
    decision = plan.decide(visit)
    cost_micros, currency = cost_of(campaign, visit)
    return Click(
        click_id=click_id,
        clicked_at_ms=visit.visited_at_ms,
        campaign=campaign.id,
        source=campaign.source,
        flow=decision.flow,
        lander=decision.lander,
        offer=decision.offer,
        network=decision.network,
        action=decision.action,
        filter=decision.filter,
        added_reasons=decision.reasons,
        cost_micros=cost_micros,
        currency=currency,
        visit=for_storage(visit),
    )


def _events(plan: Plan, click: Click, mood: float, chance: random.Random) -> list[Event]:
    """The lander click and the conversions of a click."""
    at_ms, buys = click.clicked_at_ms, mood * _BUYS.get(click.offer or OfferId(""), 0.0)
    if click.lander is None:
        return list(_changes(plan, click, at_ms, chance)) if chance.random() < buys else []
    if mood == 0 or chance.random() > _GOES_ON[click.lander]:
        return []
    at_ms += round(chance.lognormvariate(3.4, 0.8) * 1000)
    went_on = LanderClick(at_ms=at_ms, offer=click.offer, network=click.network)
    bought = chance.random() < buys * _AFTER_LANDER
    return [went_on, *(_changes(plan, click, at_ms, chance) if bought else ())]


def _changes(plan: Plan, click: Click, at_ms: int, chance: random.Random) -> Iterator[ConversionChange]:
    """The statuses that the network reports: most sales within the hour, the final status days later."""
    said_ms = at_ms + round(chance.lognormvariate(3.0, 1.3) * MINUTE_MS)
    decided_ms = said_ms + chance.randrange(DAY_MS, 6 * DAY_MS)
    identity, txid = ConversionId(new_id(said_ms, chance.randbytes(8))), f"T{chance.randrange(10**8):08}"
    payout = _payout(plan, click, chance)
    last: Literal["sale", "rejected"] = "rejected" if chance.random() < 0.11 else "sale"
    reports_leads = click.network == _GOOD_NETWORK
    words: list[tuple[int, ConversionStatus]] = [(said_ms, "lead" if reports_leads else "sale")]
    if reports_leads or last == "rejected":
        words.append((decided_ms, last))
    for when_ms, status in words:
        yield ConversionChange(
            conversion_id=identity,
            at_ms=when_ms,
            status=status,
            status_word=_WORDS[status] if reports_leads else status,
            payout_micros=payout,
            currency="USD",
            txid=txid,
            network=click.network,
        )


def _payout(plan: Plan, click: Click, chance: random.Random) -> int:
    offer = plan.configuration.offers[click.offer] if click.offer is not None else None
    if offer is None or offer.payout == "from-postback":
        return micros(chance.choice(_SOCKS))
    return micros(offer.payout)
