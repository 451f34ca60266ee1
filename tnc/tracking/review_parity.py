"""Checks that declared crawlers of ad platforms get what ordinary visitors get, in every campaign.

Also finds conditions on the IP addresses of ad platforms, which that check, made with user agents, cannot see.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import product
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from tnc.core.models import CampaignId, Condition, Visit
from tnc.rules import Decision, Plan
from tnc.rules.conditions import compile_condition
from tnc.rules.operators import UNKNOWN
from tnc.rules.review_parity import BROWSERS, Browser, browser_like
from tnc.store.workspace import Workspace
from tnc.tracking.setup import visit_reader
from tnc.visitors.client_ip import NetworkSet
from tnc.visitors.crawlers import Crawlers
from tnc.visitors.request import Request
from tnc.visitors.visit import Identity, VisitReader

_IP: Final = "81.2.69.142"
_IDENTITY: Final = Identity(visitor="0" * 32, unique_campaign=True, unique_workspace=True, converted=False)


def find_mismatches(workspace: Workspace) -> dict[CampaignId, tuple[str, ...]]:
    """By campaign, the crawlers that would not get what a person with the same country and device gets.

    The person is one whom no filter stops. Campaigns without such crawlers are left out.
    """
    pairs = list(_pairs(workspace.agents.crawlers, visit_reader(workspace), workspace.world.now_ms()))
    version, configuration = workspace.configuration()
    plans = workspace.plans(version).by_id
    found = {
        campaign.id: tuple(
            dict.fromkeys(
                name for name, crawler, person in pairs if not _same_destination(plans[campaign.id], crawler, person)
            )
        )
        for campaign in configuration.campaigns.values()
        if not campaign.archived and not campaign.paused
    }
    return {campaign: names for campaign, names in found.items() if names}


def _pairs(declared: Crawlers, reader: VisitReader, now_ms: int) -> Iterator[tuple[str, Visit, Visit]]:
    """Name of a crawler, its visit, and the visit of a person with the same browser.

    Each crawler with each of its user agent tokens, alone and behind the user agent of each common browser. Visits
    that no condition can tell apart come once.
    """
    people = {each.user_agent: _person(reader, each, now_ms) for each in BROWSERS}
    seen: set[tuple[Any, ...]] = set()
    for crawler in declared:
        prefixes = ("", *(f"{each.user_agent} " for each in BROWSERS))
        for token, prefix in product(crawler.tokens, prefixes):
            headers = {"user-agent": f"{prefix}(compatible; {token})" if prefix else token}
            visit = reader.read(_request(headers, now_ms), None, _IDENTITY)
            looks = (visit.device, visit.brand, visit.model, visit.os, visit.os_version, visit.browser, visit.traffic)
            if looks not in seen:
                seen.add(looks)
                yield crawler.name, visit, people[browser_like(visit).user_agent]


def _person(reader: VisitReader, browser: Browser, now_ms: int) -> Visit:
    return replace(reader.read(_request(browser.headers, now_ms), None, _IDENTITY), traffic="human", reasons=())


def _request(headers: Mapping[str, str], now_ms: int) -> Request:
    return Request.of(headers.items(), host="try.invalid", target="/", peer=_IP, secure=True, arrived_at_ms=now_ms)


def _same_destination(plan: Plan, crawler: Visit, person: Visit) -> bool:
    unfiltered = dataclasses.replace(plan, filters=())
    return _goes_to(plan.decide(crawler)) == _goes_to(unfiltered.decide(person))


def _goes_to(decision: Decision) -> tuple[object, ...]:
    return decision.action, decision.status, decision.flow, decision.lander, decision.offer


Net = TypeVar("Net", IPv4Network, IPv6Network)

# Facts that hold an IP address: of the connection, or in a header that a proxy adds.
_ADDRESS_FACTS: Final = frozenset(
    {"ip", *(f"header.{name}" for name in ("x-forwarded-for", "x-real-ip", "cf-connecting-ip", "forwarded"))}
)


class ReviewerAddresses:
    """The IP networks that ad platforms publish for their crawlers."""

    def __init__(self, crawlers: Crawlers) -> None:
        self._networks = crawlers.networks

    def are_all_in(self, condition: Condition) -> bool:
        """Whether the condition matches IP addresses of ad platforms and no others."""
        if condition.fact.lower() not in _ADDRESS_FACTS:
            return False
        values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
        known = [str(value) for value in values if value != UNKNOWN]
        match condition.operator:
            case "in" | "is" | "not":
                return bool(known) and all(map(self._includes, known))
            case "contains" | "starts" | "ends" | "matches":
                holds = compile_condition(condition).holds
                return any(map(holds, self._samples)) and not any(map(holds, self._other_samples))
            case _:
                return False

    @cached_property
    def _collapsed(self) -> tuple[list[IPv4Network], list[IPv6Network]]:
        four = collapse_addresses(each for each in self._networks if isinstance(each, IPv4Network))
        six = collapse_addresses(each for each in self._networks if isinstance(each, IPv6Network))
        return list(four), list(six)

    def _includes(self, text: str) -> bool:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            return False
        if isinstance(network, IPv4Network):
            return _is_mostly(network, self._collapsed[0])
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return self._includes(f"{mapped}/{network.prefixlen - 96}")
        return _is_mostly(network, self._collapsed[1])

    @cached_property
    def _samples(self) -> list[str]:
        """One address of every network, and of every /24 in a larger one of IPv4."""
        four = (str(part[7]) for own in self._collapsed[0] if own.prefixlen < 24 for part in own.subnets(new_prefix=24))
        small = (str(own[0]) for own in self._collapsed[0] if own.prefixlen >= 24)
        return [*four, *small, *(str(own[0]) for own in self._collapsed[1])]

    @cached_property
    def _other_samples(self) -> list[str]:
        """Addresses from all over the rest of the internet."""
        four = (f"{first}.{second}.0.7" for first, second in product(range(1, 224), range(256)))
        six = (f"{0x2000 + first:x}:{second << 4:x}::7" for first, second in product(range(0, 0xC10, 8), range(64)))
        own = NetworkSet(self._networks)
        return [each for each in (*four, *six) if each not in own]


def _is_mostly(network: Net, own: Iterable[Net]) -> bool:
    """Whether more than half of a network is in these disjoint ones; platforms publish their networks in parts."""
    within = 0
    for each in own:
        if network.subnet_of(each):
            return True
        if each.subnet_of(network):
            within += each.num_addresses
    return 2 * within > network.num_addresses
