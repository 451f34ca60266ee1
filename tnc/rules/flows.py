"""Compiled filters, flows, landers and offers, and the state of one decision among them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

from tnc.core.models import FilterId, FlowId, LanderId, NetworkId, OfferId, Visit
from tnc.rules.conditions import CompiledCondition
from tnc.rules.decision import Step, StepKind, Trace, condition_step, draw_step
from tnc.rules.operators import Predicate
from tnc.rules.templates import UrlTemplate
from tnc.rules.vocabulary import FILTER_REASON, FactReader
from tnc.rules.weights import Draw

# The reader of the fact, the predicate on its value, the bit of its result in the witness (0: the fact is kept, so it
# can be read again), and the condition for the trace. A plain tuple, because those unpack fastest.
ConditionTest = tuple[FactReader, Predicate, int, CompiledCondition]


class ConditionGroup(Protocol):
    """A filter or a flow. Its tests run in order until one gives `until`; with None all of them run."""

    @property
    def noun(self) -> Literal["filter", "flow"]: ...
    @property
    def id(self) -> str: ...
    @property
    def inactive(self) -> str | None: ...
    @property
    def until(self) -> bool | None: ...
    @property
    def tests(self) -> tuple[ConditionTest, ...]: ...


G = TypeVar("G", bound=ConditionGroup)


class DecisionState:
    """The state of one decision.

    For a live visit `recorded` is None: all conditions read the visit, and the results of those on personal facts
    are collected in `witness`. When a click is decided again, these take their results from the bits of `recorded`.
    """

    __slots__ = ("capped", "recorded", "trace", "visit", "witness")

    def __init__(self, visit: Visit, capped: frozenset[OfferId], recorded: int | None, trace: Trace | None) -> None:
        self.visit = visit
        self.capped = capped
        self.recorded = recorded
        self.trace = trace
        self.witness = 0

    def matching(self, groups: Iterable[G]) -> Iterator[tuple[G, list[CompiledCondition]]]:
        """The groups that match, in order, each with its conditions that hold. Lazy: later groups may never be tested.

        Conditions are evaluated here only, for filters and flows, for clicks and for traces.
        """
        visit, recorded, trace = self.visit, self.recorded, self.trace
        for group in groups:
            if group.inactive:
                self.note_failed(group.noun, group.id, "{1} {0} is {2}", group.noun, group.inactive)
                continue
            until, broke = group.until, False
            holding: list[CompiledCondition] = []
            for read, holds, bit, condition in group.tests:
                result = holds(read(visit)) if recorded is None or not bit else recorded & bit != 0
                if result:
                    holding.append(condition)
                    if bit:
                        self.witness |= bit
                if trace is not None:
                    from_click = bit != 0 and recorded is not None
                    trace.append(condition_step(condition, read(visit), holds=result, recorded=from_click))
                if result is until:
                    broke = True
                    break
            if bool(holding) if until is None else broke is until:
                yield group, holding
            elif trace is not None:
                self.note_failed(group.noun, group.id, "{1} {0} does not match", group.noun)

    def note_passed(self, kind: StepKind, identity: str, text: str, *values: object) -> None:
        """Add a step to the trace, if there is one. In `text` `{0}` is the identity, `{1}` the first value."""
        if self.trace is not None:
            self.trace.append(Step(kind=kind, text=text.format(identity, *values), id=identity, passed=True))

    def note_failed(self, kind: StepKind, identity: str, text: str, *values: object) -> None:
        """As `note_passed`, for a step that did not lead on."""
        if self.trace is not None:
            self.trace.append(Step(kind=kind, text=text.format(identity, *values), id=identity, passed=False))


def is_declared_crawler(visit: Visit) -> bool:
    """The visitor says that it is a crawler. Whether that was verified makes no difference here."""
    if visit.traffic == "prefetch":  # which takes precedence over crawlers, as in reports
        return any(reason.startswith("crawler_") for reason in visit.reasons)
    return visit.traffic == "crawler" or visit.crawler_verified is not None


# ------------------------------------------------------------------------------------- offers and landers


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRoute:
    """`inactive` says why the offer gets no traffic apart from its cap: it or its network is paused or archived."""

    id: OfferId
    network: NetworkId | None
    template: UrlTemplate
    then: OfferId | None = None  # where its cap sends visitors on to
    inactive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanderRoute:
    id: LanderId
    template: UrlTemplate
    inactive: str | None = None


Offers = Mapping[OfferId, OfferRoute]
Landers = Mapping[LanderId, LanderRoute]


def follow_caps(offers: Offers, first: OfferId, state: DecisionState) -> OfferRoute | None:
    """The offer, or the one that its cap sends visitors on to; None at the end of that chain or in a circle."""
    offer = offers.get(first)
    seen: set[OfferId] = set()
    while offer is not None and offer.id not in seen:
        if offer.inactive:
            state.note_failed("cap", offer.id, "offer {0} is {1}", offer.inactive)
            return None
        if offer.id not in state.capped:
            return offer
        seen.add(offer.id)
        if offer.then is None:
            state.note_failed("cap", offer.id, "offer {0} has reached its cap and names no other")
            return None
        state.note_failed("cap", offer.id, "offer {0} has reached its cap, so visitors go on to {1}", offer.then)
        offer = offers.get(offer.then)
    return None


# ------------------------------------------------------------------------------------------- flows

# The lander (None: straight to the offer), the offer behind it, and the URL to send the visitor to.
Target = tuple[LanderRoute | None, OfferRoute | None, UrlTemplate]

# The hash keys of a visitor: for draws that are made on every visit, and for draws that stay with the visitor.
DrawKeys = tuple[bytes, bytes]
PER_VISIT: Final = 0
PER_VISITOR: Final = 1


def draw_keys(visit: Visit) -> DrawKeys:
    """Without a pseudonym the time of the visit takes its place: it is stored with the click."""
    visitor = visit.visitor or f"at {visit.visited_at_ms}"
    return f"{visitor} {visit.visit_number}".encode(), visitor.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRoute:
    """A flow. `numbered` are its offers in the order of the file, for `/click/{n}`."""

    id: FlowId
    inactive: str | None  # paused or archived
    tests: tuple[ConditionTest, ...]
    until: bool  # all must hold: until one is false; any: until one is true
    landers: Draw[LanderId] | None  # None: the flow has none
    offers: Draw[OfferId] | None
    numbered: tuple[OfferId, ...]
    paused_offers: frozenset[OfferId]  # paused in this flow only
    left_out: tuple[str, ...]  # which landers and offers get no visitor, and why
    lander_draw: int  # PER_VISIT or PER_VISITOR
    offer_draw: int
    noun: Literal["flow"] = "flow"

    def draw(self, keys: DrawKeys, state: DecisionState, landers: Landers, offers: Offers) -> Target | None:
        """Where this flow sends the visitor; None when no lander or no offer is left."""
        state.note_passed("flow", self.id, "flow {0} matches")
        for left_out in self.left_out:
            state.note_failed("draw", self.id, "{1}", left_out)
        lander = None if self.landers is None else self._draw_lander(self.landers, keys, state, landers)
        offer = self.draw_offer(keys, state, offers)
        to = offer if self.landers is None else lander
        if to is None or (self.offers is not None and offer is None):
            state.note_failed("flow", self.id, "flow {0} has nothing left to send visitors to and is passed over")
            return None
        return lander, offer, to.template

    def _draw_lander(
        self, draw: Draw[LanderId], keys: DrawKeys, state: DecisionState, landers: Landers
    ) -> LanderRoute | None:
        picked = draw.pick(keys[self.lander_draw])
        if picked is None:
            return None
        if state.trace is not None:
            sticky = self.lander_draw == PER_VISITOR
            state.trace.append(draw_step("lander", picked, draw.shares(), sticky=sticky))
        return landers[picked]

    def draw_offer(self, keys: DrawKeys, state: DecisionState, offers: Offers) -> OfferRoute | None:
        """The visitor's offer; if it and the offers behind its cap are full, the visitor's next best."""
        if self.offers is None:
            return None
        full: set[OfferId] = set()
        while (picked := self.offers.pick(keys[self.offer_draw], full)) is not None:
            if state.trace is not None:
                sticky = self.offer_draw == PER_VISITOR
                state.trace.append(draw_step("offer", picked, self.offers.shares(full), sticky=sticky))
            found = follow_caps(offers, picked, state)
            if found is not None:
                return found
            full.add(picked)
        return None


# -------------------------------------------------------------------------------- filters and other actions


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRoute:
    """Where a visit goes that a filter stopped or no flow took: a status, a URL or an offer."""

    status: int = 404
    template: UrlTemplate | None = None
    offer: OfferId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRoute:
    """A filter. `action` is None when it only records. All its tests run, because each gives a reason."""

    id: FilterId
    inactive: str | None
    tests: tuple[ConditionTest, ...]
    action: ActionRoute | None
    until: None = None
    noun: Literal["filter"] = "filter"

    def reasons(self, holding: list[CompiledCondition], state: DecisionState) -> tuple[str, ...]:
        """Codes of the conditions that hold, like `filter_datacenter`."""
        reasons = tuple(dict.fromkeys(f"{FILTER_REASON}{condition.fact.name}" for condition in holding))
        if self.action is None:
            state.note_passed("filter", self.id, "filter {0} only records: {1}", ", ".join(reasons))
        else:
            state.note_failed("filter", self.id, "filter {0} stops the visit: {1}", ", ".join(reasons))
        return reasons
