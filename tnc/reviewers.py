"""The proof that declared crawlers of ad platforms go where ordinary visitors go, for every campaign and crawler."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from tnc.facts.crawlers import Crawlers
from tnc.facts.reader import Identity, VisitReader
from tnc.facts.request import Request
from tnc.house import House
from tnc.model import CampaignId, Visit
from tnc.rules import Decision, Plan

ORDINARY: Final = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
)
_IP: Final = "81.2.69.142"
_WHO: Final = Identity(visitor="0" * 32, unique_campaign=True, unique_workspace=True, converted=False)
_PERSON: Final[dict[str, Any]] = {
    "traffic": "human",
    "bot": None,
    "reasons": (),
    "crawler_verified": None,
    "user_agent": ORDINARY,
}


def led_astray(house: House) -> dict[CampaignId, tuple[str, ...]]:
    """Campaigns in which a crawler would not get what an ordinary visitor of its country and device gets; which ones.

    The visitor is one whom no filter stops. Empty is what it should be.
    """
    crawlers = list(_crawlers(house.agents.crawlers, house.visit_reader(), house.world.now_ms()))
    version, configuration = house.configuration()
    plans = house.plans(version).by_id
    found = {
        campaign.id: tuple(name for name, visit in crawlers if not _is_like_anybody(plans[campaign.id], visit))
        for campaign in configuration.campaigns.values()
        if not campaign.archived and not campaign.paused
    }
    return {campaign: names for campaign, names in found.items() if names}


def _crawlers(declared: Crawlers, reader: VisitReader, now_ms: int) -> Iterator[tuple[str, Visit]]:
    """A visit of each crawler by each of its names; those that look alike to a condition once."""
    seen: set[tuple[Any, ...]] = set()
    for crawler in declared:
        for token in crawler.tokens:
            visit = reader.read(_request(f"{ORDINARY} (compatible; {token})", now_ms), None, _WHO)
            looks = (visit.device, visit.brand, visit.model, visit.os, visit.os_version, visit.browser)
            if (looks, visit.traffic) not in seen:
                seen.add((looks, visit.traffic))
                yield crawler.name, visit


def _request(user_agent: str, now_ms: int) -> Request:
    headers = [("User-Agent", user_agent), ("Accept-Language", "en")]
    return Request.of(headers, host="try.invalid", target="/", peer=_IP, secure=True, arrived_at_ms=now_ms)


def _is_like_anybody(plan: Plan, crawler: Visit) -> bool:
    unfiltered = dataclasses.replace(plan, filters=())
    return _goes_to(plan.decide(crawler)) == _goes_to(unfiltered.decide(replace(crawler, **_PERSON)))


def _goes_to(decision: Decision) -> tuple[object, ...]:
    return decision.action, decision.status, decision.flow, decision.lander, decision.offer
