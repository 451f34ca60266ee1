"""Compiles a configuration to a plan for each campaign, or refuses it with a sentence about the first mistake."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tnc.core.errors import InvalidError
from tnc.core.models import (
    Action,
    Campaign,
    CampaignId,
    Condition,
    Configuration,
    Filter,
    Flow,
    Lander,
    Offer,
    OfferId,
    WeightedLander,
    WeightedOffer,
)
from tnc.rules.conditions import compile_condition
from tnc.rules.flows import (
    PER_VISIT,
    PER_VISITOR,
    ActionRoute,
    ConditionTest,
    FilterRoute,
    FlowRoute,
    LanderRoute,
    Landers,
    OfferRoute,
    Offers,
)
from tnc.rules.plan import Plan
from tnc.rules.templates import UrlTemplate
from tnc.rules.vocabulary import Scope
from tnc.rules.weights import Draw, Option

_PAGES: Final = frozenset({"meta", "double-meta", "js"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """One version of a workspace's configuration, ready to decide. Archived campaigns have no path."""

    version: int
    configuration: Configuration
    by_path: Mapping[str, Plan]
    by_id: Mapping[CampaignId, Plan]


def compile_configuration(configuration: Configuration, version: int) -> Plans:
    """Raises InvalidError that names the offer, lander, filter or flow and what is wrong with it."""
    offers = {identity: _offer(offer, configuration) for identity, offer in configuration.offers.items()}
    landers = {identity: _lander(lander) for identity, lander in configuration.landers.items()}
    by_id = {
        identity: _Compiler(campaign, configuration, version, landers, offers).plan()
        for identity, campaign in configuration.campaigns.items()
    }
    by_path: dict[str, Plan] = {}
    for plan in by_id.values():
        if plan.campaign.archived:
            continue
        other = by_path.setdefault(plan.campaign.path, plan)
        if other is not plan:
            raise InvalidError(
                f"campaigns {other.campaign.id!r} and {plan.campaign.id!r} have the same path"
                f" {plan.campaign.path!r}; give one of them another"
            )
    return Plans(version=version, configuration=configuration, by_path=by_path, by_id=by_id)


def needed_facts(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Facts in the conditions of flows and filters that are not archived, each with the flows and filters by name.

    With it a configuration is refused that needs geo data which is not installed.
    """
    found: dict[str, list[str]] = {}
    for place, conditions in conditions_by_place(configuration):
        for condition in conditions:
            places = found.setdefault(condition.fact, [])
            if place not in places:
                places.append(place)
    return {fact: tuple(places) for fact, places in found.items()}


def conditions_by_place(configuration: Configuration) -> Iterable[tuple[str, tuple[Condition, ...]]]:
    """The conditions of filters and flows that are not archived, by `filter 'id'` and `flow 'id' of campaign 'id'`."""
    for filter_ in configuration.filters.values():
        if not filter_.archived:
            yield f"filter {filter_.id!r}", filter_.when
    for campaign in configuration.campaigns.values():
        for flow in campaign.flows:
            if not campaign.archived and not flow.archived:
                yield f"flow {flow.id!r} of campaign {campaign.id!r}", flow.when


def _inactive(thing: Offer | Lander | Filter | Flow) -> str | None:
    return "archived" if thing.archived else "paused" if thing.paused else None


def _url(text: str, where: str) -> UrlTemplate:
    try:
        return UrlTemplate.parse(text)
    except InvalidError as error:
        raise InvalidError(f"{where}: {error}") from error


def _offer(offer: Offer, configuration: Configuration) -> OfferRoute:
    inactive = _inactive(offer)
    network = None if offer.network is None else configuration.networks.get(offer.network)
    if offer.network is not None and network is None:
        raise InvalidError(f"offer {offer.id!r}: there is no network {offer.network!r}; add it or name another")
    if inactive is None and network is not None and (network.paused or network.archived):
        inactive = f"of network {network.id}, which is {'archived' if network.archived else 'paused'}"
    then = None if offer.cap is None else offer.cap.then
    if then is not None and then not in configuration.offers:
        raise InvalidError(
            f"offer {offer.id!r}: its cap goes on to {then!r}, which is no offer; add it or name another"
        )
    template = _url(offer.url, f"offer {offer.id!r}")
    return OfferRoute(id=offer.id, network=offer.network, template=template, then=then, inactive=inactive)


def _lander(lander: Lander) -> LanderRoute:
    return LanderRoute(id=lander.id, template=_url(lander.url, f"lander {lander.id!r}"), inactive=_inactive(lander))


@dataclass(slots=True)
class _Compiler:
    """Builds the plan of one campaign. Conditions on personal facts get witness bits in the order of the file."""

    campaign: Campaign
    configuration: Configuration
    version: int
    landers: Landers
    offers: Offers
    bits: dict[str, int] = field(default_factory=dict)

    def plan(self) -> Plan:
        campaign = self.campaign
        filters = self._filters()
        flows = tuple(self._flow(flow) for flow in campaign.flows)
        otherwise = self._action(campaign.otherwise, f"otherwise of campaign {campaign.id!r}")
        actions = [otherwise, *(filter_.action for filter_ in filters if filter_.action)]
        first = {offer for flow in flows for offer in flow.numbered}
        first |= {action.offer for action in actions if action.offer}
        return Plan(
            campaign=campaign,
            configuration=self.configuration,
            version=self.version,
            onward="page" if campaign.redirect in _PAGES else "redirect",
            closed=self._closed(),
            filters=filters,
            flows=flows,
            otherwise=otherwise,
            landers=self.landers,
            offer_routes=self.offers,
            offers=self._reachable(first),
        )

    def _closed(self) -> str | None:
        if self.campaign.archived:
            return "campaign_archived"
        if self.campaign.paused:
            return "campaign_paused"
        source = self.campaign.source
        if source is None:
            return None
        if source not in self.configuration.sources:
            raise InvalidError(f"campaign {self.campaign.id!r}: there is no source {source!r}; add it or name another")
        return "source_paused" if self.configuration.sources[source].paused else None

    def _reachable(self, first: set[OfferId]) -> frozenset[OfferId]:
        found = set(first)
        waiting = list(first)
        while waiting:
            then = self.offers[waiting.pop()].then
            if then is not None and then not in found:
                found.add(then)
                waiting.append(then)
        return frozenset(found)

    # ------------------------------------------------------------------------------- conditions

    def _tests(self, conditions: Iterable[Condition], scope: Scope, where: str) -> tuple[ConditionTest, ...]:
        return tuple(self._test(condition, scope, where) for condition in conditions)

    def _test(self, condition: Condition, scope: Scope, where: str) -> ConditionTest:
        try:
            compiled = compile_condition(condition, scope)
        except InvalidError as error:
            raise InvalidError(f"{where}: {error}") from error
        bit = self.bits.setdefault(repr(condition), 1 << len(self.bits)) if compiled.fact.personal else 0
        return compiled.fact.read, compiled.holds, bit, compiled

    # -------------------------------------------------------------------------- filters and actions

    def _filters(self) -> tuple[FilterRoute, ...]:
        if self.campaign.filter is None:
            return ()
        filter_ = self.configuration.filters.get(self.campaign.filter)
        if filter_ is None:
            raise InvalidError(
                f"campaign {self.campaign.id!r}: there is no filter {self.campaign.filter!r}; add it or name another"
            )
        where = f"filter {filter_.id!r}"
        scope = Scope(of="filter", campaign=self.campaign.id, source=self.campaign.source)
        records = filter_.mode == "monitor" or filter_.action.type == "allow"
        action = None if records else self._action(filter_.action, where)
        tests = self._tests(filter_.when, scope, where)
        return (FilterRoute(id=filter_.id, inactive=_inactive(filter_), tests=tests, action=action),)

    def _action(self, action: Action, where: str) -> ActionRoute:
        match action.type:
            case "status":
                return ActionRoute(status=_status(action.code, where))
            case "url":
                return ActionRoute(template=_url(action.url or "", where))
            case "offer":
                if action.offer not in self.offers:
                    raise InvalidError(f"{where}: there is no offer {action.offer!r}; add it or name another")
                return ActionRoute(offer=action.offer)
            case "allow":
                raise InvalidError(f"{where}: allow is for filters; write a status, a url or an offer")

    # ----------------------------------------------------------------------------------- flows

    def _flow(self, flow: Flow) -> FlowRoute:
        campaign = self.campaign
        where = f"flow {flow.id!r} of campaign {campaign.id!r}"
        if not flow.landers and not flow.offers:
            raise InvalidError(f"{where}: it names neither landers nor offers; name at least one of them")
        scope = Scope(of="flow", campaign=campaign.id, source=campaign.source)
        landers, no_landers = _options("lander", flow.landers, self.landers, where)
        offers, no_offers = _options("offer", flow.offers, self.offers, where)
        return FlowRoute(
            id=flow.id,
            inactive=_inactive(flow),
            tests=self._tests(flow.when, scope, where),
            until=flow.match == "any" and bool(flow.when),
            landers=Draw.between(landers, campaign.id, flow.id, "lander") if flow.landers else None,
            offers=Draw.between(offers, campaign.id, flow.id, "offer") if flow.offers else None,
            numbered=tuple(option.id for option in flow.offers),
            paused_offers=frozenset(option.id for option in flow.offers if option.paused),
            left_out=(*no_landers, *no_offers),
            lander_draw=PER_VISITOR if campaign.sticky in {"lander", "offer"} else PER_VISIT,
            offer_draw=PER_VISITOR if campaign.sticky == "offer" else PER_VISIT,
        )


def _options(
    noun: str, options: Sequence[WeightedLander | WeightedOffer], routes: Mapping[Any, Any], where: str
) -> Any:
    """Options that get traffic, and a sentence about each that does not."""
    live, left_out, seen = [], [], set()
    for option in options:
        route = routes.get(option.id)
        if route is None:
            raise InvalidError(f"{where}: there is no {noun} {option.id!r}; add it or name another")
        if option.id in seen:
            raise InvalidError(f"{where}: {noun} {option.id!r} is listed twice; name it once, with the sum of weights")
        if option.weight < 0:
            raise InvalidError(f"{where}: the weight of {noun} {option.id!r} is below 0; write 0 or more")
        seen.add(option.id)
        without_weight = None if option.weight else "without weight"
        why = "paused in this flow" if option.paused else route.inactive or without_weight
        if why is None:
            live.append(Option(option.id, option.weight))
        else:
            left_out.append(f"{noun} {option.id} is {why}")
    if seen and not any(option.weight for option in options):
        raise InvalidError(f"{where}: every {noun} has weight 0, so nobody gets one; give one a weight above 0")
    return live, left_out


def _status(code: int | None, where: str) -> int:
    """A redirect needs a URL, so 3xx is not allowed."""
    if code is None:
        return 404
    if 200 <= code <= 299 or 400 <= code <= 599:
        return code
    raise InvalidError(f"{where}: {code} is no status to reply with; write 200 to 299 or 400 to 599")
