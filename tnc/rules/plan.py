"""A campaign, compiled: one pure function from a visit to where it goes, the same for clicks, `try` and `explain`."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from tnc.core.models import Campaign, Click, Configuration, FilterId, NetworkId, OfferId, Visit
from tnc.rules.conditions import Check
from tnc.rules.decision import Decision, Trace
from tnc.rules.flows import (
    End,
    FilterRoute,
    FlowRoute,
    Inquiry,
    Landers,
    Offers,
    Target,
    draw_as,
    follow_caps,
    is_declared_crawler,
)
from tnc.rules.macro_values import macro_value
from tnc.rules.review_parity import as_ordinary
from tnc.rules.templates import UrlTemplate


class LanderOffer(NamedTuple):
    """Where a visitor goes on to from a lander."""

    offer: OfferId
    network: NetworkId | None
    template: UrlTemplate


def destination_check(url: str) -> str:
    """Eight hexadecimal digits by which `explain` can tell whether it made the same destination again."""
    return blake2b(url.encode(), digest_size=4).hexdigest()


class Verdict(NamedTuple):
    """What the filter says: itself when it holds, why, and where the visit ends when it is stopped."""

    filter: FilterId | None
    reasons: tuple[str, ...]
    end: End | None


_PASSED: Final = Verdict(None, (), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides about the visits of one campaign. `offers` are those that its visits can reach."""

    campaign: Campaign
    configuration: Configuration
    onward: Literal["redirect", "page"]  # how visitors are sent on
    closed: str | None  # reason code why nobody is let in
    filters: tuple[FilterRoute, ...]  # none or one
    flows: tuple[FlowRoute, ...]
    otherwise: End
    landers: Landers
    offer_routes: Offers
    offers: frozenset[OfferId]

    check = staticmethod(destination_check)

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

        With the `witness` of a recorded click, conditions on facts that may be gone answer as they did then.
        Steps are added to `trace` when one is given.
        """
        crawler = is_declared_crawler(visit)
        seen_as = as_ordinary(visit) if crawler else visit
        inquiry = Inquiry(seen_as, capped, witness, trace)
        if self.closed is not None:
            inquiry.no("campaign", self.campaign.id, "campaign {0} lets nobody in: {1}", self.closed)
            return Decision(action="status", status=404, reasons=(self.closed,))
        verdict = self._skip_filter(inquiry) if crawler else self._judge(inquiry)
        if verdict.end is not None:
            return self._finish(verdict.end, inquiry, verdict)
        who = draw_as(seen_as)
        for flow, _ in inquiry.matching(self.flows):
            target = flow.draw(who, inquiry, self.landers, self.offer_routes)
            if target is not None:
                return self._go(flow, target, inquiry, verdict)
        inquiry.no("flow", self.campaign.id, "no flow of campaign {0} took the visit")
        return self._finish(self.otherwise, inquiry, verdict)

    def _skip_filter(self, inquiry: Inquiry) -> Verdict:
        inquiry.yes("filter", self.campaign.id, "a declared crawler: no filter, decided as an ordinary visitor")
        return _PASSED

    def _judge(self, inquiry: Inquiry) -> Verdict:
        for judge, holding in inquiry.matching(self.filters):
            return Verdict(judge.id, judge.reasons(holding, inquiry), judge.end)
        return _PASSED

    def _go(self, flow: FlowRoute, target: Target, inquiry: Inquiry, verdict: Verdict) -> Decision:
        lander, offer, template = target
        inquiry.yes("end", template.host, "goes to {0}, by {1}", self.campaign.redirect)
        return Decision(
            action=self.onward,
            template=template,
            flow=flow.id,
            lander=None if lander is None else lander.id,
            offer=None if offer is None else offer.id,
            network=None if offer is None else offer.network,
            filter=verdict.filter,
            reasons=verdict.reasons,
            witness=inquiry.witness,
        )

    def _finish(self, end: End, inquiry: Inquiry, verdict: Verdict) -> Decision:
        """A visit that a filter stopped, or that no flow took."""
        stopped = end is verdict.end
        reasons = verdict.reasons if stopped else (*verdict.reasons, "no_flow")
        offer = None if end.offer is None else follow_caps(self.offer_routes, end.offer, inquiry)
        template = end.template if offer is None else offer.template
        if template is None:
            reasons = reasons if end.offer is None else (*reasons, "offer_gone")
            inquiry.no("end", str(end.status), "answered with status {0}")
        else:
            inquiry.yes("end", template.host, "goes to {0}, by {1}", self.campaign.redirect)
        return Decision(
            action="status" if template is None else self.onward,
            status=end.status if template is None else None,
            template=template,
            offer=None if offer is None else offer.id,
            network=None if offer is None else offer.network,
            filter=verdict.filter,
            stopped=stopped,
            reasons=reasons,
            witness=inquiry.witness,
        )

    # ---------------------------------------------------------------------------------- afterwards

    def verdict(self, visit: Visit, *, witness: int) -> Verdict:
        """What the filter alone says of a recorded visit; of a declared crawler it says nothing."""
        inquiry = Inquiry(visit, frozenset(), witness, None)
        return _PASSED if is_declared_crawler(visit) else self._judge(inquiry)

    def lander_offer(
        self, click: Click, *, number: int | None = None, capped: frozenset[OfferId] = frozenset()
    ) -> LanderOffer | None:
        """Where the click goes on to from its lander: to its own offer, or to the n-th (from 1) of its flow.

        An offer that is full, paused or gone now is replaced by its cap's alternative, else by another of the
        flow. None when the flow has no such offer or nothing is left.
        """
        inquiry = Inquiry(click.visit, capped, None, None)
        flow = next((flow for flow in self.flows if flow.id == click.flow), None)
        wanted = click.offer
        if number is not None:
            if flow is None or not 1 <= number <= len(flow.numbered):
                return None
            wanted = flow.numbered[number - 1]
        route = None
        if wanted is not None and (flow is None or wanted not in flow.paused_offers):
            route = follow_caps(self.offer_routes, wanted, inquiry)
        if route is None and flow is not None:
            route = flow.draw_offer(draw_as(click.visit), inquiry, self.offer_routes)
        return None if route is None else LanderOffer(route.id, route.network, route.template)

    def destination(self, click: Click) -> str | None:
        """Where the click was sent, made again from what is stored; None when it was answered with a status."""
        if click.destination is not None or click.action == "status":
            return click.destination
        template = self.template_of(click)
        return None if template is None else self.fill(template, click)

    def template_of(self, click: Click) -> UrlTemplate | None:
        """The template of the click's destination as it is now in this plan."""
        if click.lander is not None:
            lander = self.landers.get(click.lander)
            return None if lander is None else lander.template
        if click.offer is not None:
            offer = self.offer_routes.get(click.offer)
            return None if offer is None else offer.template
        end = self.filters[0].end if click.stopped and self.filters else self.otherwise
        return None if end is None else end.template

    def fill(self, template: UrlTemplate, click: Click, *, offer: OfferId | None = None) -> str:
        """The URL for this click; with `offer`, as if that had been the click's own."""
        if offer is not None and offer != click.offer:
            route = self.offer_routes.get(offer)
            click = replace(click, offer=offer, network=None if route is None else route.network)
        return template.fill(lambda name: macro_value(name, click, self.configuration))


_CUT = frozenset(("ip", "user_agent"))


def rejudge(present: Plan, click: Click, recorded: Plan | None) -> Verdict | None:
    """What the filter says now, by the stored facts.

    A condition on a fact that was not kept has the answer it had then, when `recorded`, the plan that decided the
    click, asked the same; else it has none. None when the verdict hangs on such a condition.
    """
    witness, in_doubt = 0, False
    for judge in present.filters:
        for read, holds, bit, check in judge.questions:
            if not bit:
                continue
            kept = _is_kept(check.fact.name, click.visit)
            answer = holds(read(click.visit)) if kept else _recorded_answer(check, click, recorded)
            in_doubt |= answer is None
            witness |= bit if answer else 0
    verdict = present.verdict(click.visit, witness=witness)
    return None if in_doubt and verdict.filter is None and not is_declared_crawler(click.visit) else verdict


def _is_kept(fact: str, visit: Visit) -> bool:
    return not fact.startswith("header.") and not (visit.mode == "cookieless" and fact in _CUT)


def _recorded_answer(check: Check, click: Click, recorded: Plan | None) -> bool | None:
    for judge in () if recorded is None else recorded.filters:
        for _, _, bit, before in judge.questions:
            if bit and before.condition == check.condition and judge.gone is None:
                return click.witness & bit != 0
    return None
