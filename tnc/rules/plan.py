"""A compiled campaign: a pure function from a visit to where it goes, used by clicks, `tnc try` and `tnc explain`."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from tnc.core.models import Campaign, Click, Configuration, FilterId, NetworkId, OfferId, Source, Visit
from tnc.rules.conditions import CompiledCondition
from tnc.rules.decision import Decision, Trace
from tnc.rules.flows import (
    ActionRoute,
    DecisionState,
    FilterRoute,
    FlowRoute,
    Landers,
    Offers,
    Target,
    draw_keys,
    follow_caps,
    is_declared_crawler,
)
from tnc.rules.macro_values import macro_value
from tnc.rules.review_parity import as_ordinary_visitor
from tnc.rules.templates import UrlTemplate


class LanderOffer(NamedTuple):
    """The offer that a visitor goes on to from a lander."""

    offer: OfferId
    network: NetworkId | None
    template: UrlTemplate


def destination_check(url: str) -> str:
    """Eight hexadecimal digits, by which `explain` sees whether the rebuilt destination is the same."""
    return blake2b(url.encode(), digest_size=4).hexdigest()


class FilterResult(NamedTuple):
    """`filter` is None when no condition of the filter holds; `action` is None when the visit is not stopped."""

    filter: FilterId | None
    reasons: tuple[str, ...]
    action: ActionRoute | None


_PASSED: Final = FilterResult(None, (), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides on the visits of one campaign. `offers` are those that its visits can reach."""

    campaign: Campaign
    configuration: Configuration
    version: int  # of the configuration
    onward: Literal["redirect", "page"]  # how visitors are sent on
    closed: str | None  # why the campaign takes no visits, as a reason code
    filters: tuple[FilterRoute, ...]  # none or one
    flows: tuple[FlowRoute, ...]
    otherwise: ActionRoute
    landers: Landers
    offer_routes: Offers
    offers: frozenset[OfferId]

    @property
    def source(self) -> Source | None:
        return None if self.campaign.source is None else self.configuration.sources.get(self.campaign.source)

    # ---------------------------------------------------------------------------------- a visit

    def decide(
        self,
        visit: Visit,
        *,
        capped: frozenset[OfferId] = frozenset(),
        witness: int | None = None,
        trace: Trace | None = None,
    ) -> Decision:
        """Where the visit goes. `capped` are the offers that have reached their cap.

        With the `witness` of a recorded click, conditions on facts that may be deleted have the results of then.
        Steps are added to `trace` when one is given.
        """
        crawler = is_declared_crawler(visit)
        seen_as = as_ordinary_visitor(visit) if crawler else visit
        state = DecisionState(seen_as, capped, witness, trace)
        if self.closed is not None:
            state.note_failed("campaign", self.campaign.id, "campaign {0} takes no visits: {1}", self.closed)
            return Decision(action="status", status=404, reasons=(self.closed,))
        result = self._skip_filter(state) if crawler else self._filter(state)
        if result.action is not None:
            return self._finish(result.action, state, result)
        keys = draw_keys(seen_as)
        for flow, _ in state.matching(self.flows):
            target = flow.draw(keys, state, self.landers, self.offer_routes)
            if target is not None:
                return self._go(flow, target, state, result)
        state.note_failed("flow", self.campaign.id, "no flow of campaign {0} took the visit")
        return self._finish(self.otherwise, state, result)

    def _skip_filter(self, state: DecisionState) -> FilterResult:
        state.note_passed("filter", self.campaign.id, "a declared crawler: no filter, decided as an ordinary visitor")
        return _PASSED

    def _filter(self, state: DecisionState) -> FilterResult:
        for filter_, holding in state.matching(self.filters):
            return FilterResult(filter_.id, filter_.reasons(holding, state), filter_.action)
        return _PASSED

    def _go(self, flow: FlowRoute, target: Target, state: DecisionState, result: FilterResult) -> Decision:
        lander, offer, template = target
        self._note_onward(template, state)
        return Decision(
            action=self.onward,
            template=template,
            flow=flow.id,
            lander=None if lander is None else lander.id,
            offer=None if offer is None else offer.id,
            network=None if offer is None else offer.network,
            filter=result.filter,
            reasons=result.reasons,
            witness=state.witness,
        )

    def _note_onward(self, template: UrlTemplate, state: DecisionState) -> None:
        if state.visit.traffic == "prefetch":
            text = "a visit goes to {0}; this prefetch is answered with status 503, so that the browser asks again"
            state.note_failed("end", template.host, text)
        else:
            state.note_passed("end", template.host, "goes to {0}, by {1}", self.campaign.redirect)

    def _finish(self, action: ActionRoute, state: DecisionState, result: FilterResult) -> Decision:
        """A visit that a filter stopped, or that no flow took."""
        stopped = action is result.action
        reasons = result.reasons if stopped else (*result.reasons, "no_flow")
        offer = None if action.offer is None else follow_caps(self.offer_routes, action.offer, state)
        template = action.template if offer is None else offer.template
        if template is None:
            reasons = reasons if action.offer is None else (*reasons, "offer_gone")
            state.note_failed("end", str(action.status), "answered with status {0}")
        else:
            self._note_onward(template, state)
        return Decision(
            action="status" if template is None else self.onward,
            status=action.status if template is None else None,
            template=template,
            offer=None if offer is None else offer.id,
            network=None if offer is None else offer.network,
            filter=result.filter,
            stopped=stopped,
            reasons=reasons,
            witness=state.witness,
        )

    # ---------------------------------------------------------------------------------- a recorded click

    def filter_result(self, visit: Visit, *, witness: int) -> FilterResult:
        """The result of the filter alone for a recorded visit. Declared crawlers are not filtered."""
        state = DecisionState(visit, frozenset(), witness, None)
        return _PASSED if is_declared_crawler(visit) else self._filter(state)

    def lander_offer(
        self, click: Click, *, number: int | None = None, capped: frozenset[OfferId] = frozenset()
    ) -> LanderOffer | None:
        """The offer behind the lander of the click: its own, or the n-th (from 1) of its flow.

        An offer that is full, paused or archived now is replaced by the one behind its cap, else by another of the
        flow. None when the flow has no such offer or none is left.
        """
        state = DecisionState(click.visit, capped, None, None)
        flow = next((flow for flow in self.flows if flow.id == click.flow), None)
        wanted = click.offer
        if number is not None:
            if flow is None or not 1 <= number <= len(flow.numbered):
                return None
            wanted = flow.numbered[number - 1]
        route = None
        if wanted is not None and (flow is None or wanted not in flow.paused_offers):
            route = follow_caps(self.offer_routes, wanted, state)
        if route is None and flow is not None:
            route = flow.draw_offer(draw_keys(click.visit), state, self.offer_routes)
        return None if route is None else LanderOffer(route.id, route.network, route.template)

    def destination(self, click: Click) -> str | None:
        """The URL that the click was sent to, rebuilt from stored facts; None when it was answered with a status."""
        if click.destination is not None or click.action == "status":
            return click.destination
        template = self.template_of(click)
        return None if template is None else self.fill(template, click)

    def template_of(self, click: Click) -> UrlTemplate | None:
        """The present template of the click's lander, offer or action in this plan."""
        if click.lander is not None:
            lander = self.landers.get(click.lander)
            return None if lander is None else lander.template
        if click.offer is not None:
            offer = self.offer_routes.get(click.offer)
            return None if offer is None else offer.template
        action = self.filters[0].action if click.stopped and self.filters else self.otherwise
        return None if action is None else action.template

    def fill(self, template: UrlTemplate, click: Click, *, offer: OfferId | None = None) -> str:
        """The URL for this click; with `offer`, as if that were the click's own."""
        if offer is not None and offer != click.offer:
            route = self.offer_routes.get(offer)
            click = replace(click, offer=offer, network=None if route is None else route.network)
        return template.fill(lambda name: macro_value(name, click, self.configuration))


_SHORTENED: Final = frozenset(("ip", "user_agent"))  # in the mode cookieless


def filter_again(present: Plan, click: Click, recorded: Plan | None) -> FilterResult | None:
    """The result of the present filter for the stored facts of a click.

    A condition on a fact that was not stored takes its result from the witness of the click, if `recorded`, the plan
    that decided the click, had the same condition. None when the result depends on one that has no result.
    """
    witness, in_doubt = 0, False
    for filter_ in present.filters:
        for read, holds, bit, condition in filter_.tests:
            if not bit:
                continue
            stored = _is_stored(condition.fact.name, click.visit)
            result = holds(read(click.visit)) if stored else _recorded_result(condition, click, recorded)
            in_doubt |= result is None
            witness |= bit if result else 0
    found = present.filter_result(click.visit, witness=witness)
    return None if in_doubt and found.filter is None and not is_declared_crawler(click.visit) else found


def _is_stored(fact: str, visit: Visit) -> bool:
    return not fact.startswith("header.") and not (visit.mode == "cookieless" and fact in _SHORTENED)


def _recorded_result(condition: CompiledCondition, click: Click, recorded: Plan | None) -> bool | None:
    for filter_ in () if recorded is None else recorded.filters:
        for _, _, bit, before in filter_.tests:
            if bit and before.condition == condition.condition and filter_.inactive is None:
                return click.witness & bit != 0
    return None
