"""What can be reached: offers and landers with their URLs, flows that draw among them, and ends without a flow."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

from tnc.core.models import FilterId, FlowId, LanderId, NetworkId, OfferId, Visit
from tnc.rules.conditions import Check
from tnc.rules.decision import Step, StepKind, Trace, condition_step, draw_step
from tnc.rules.operators import Holds
from tnc.rules.templates import UrlTemplate
from tnc.rules.vocabulary import FILTER_REASON, Read
from tnc.rules.weights import Draw

# A condition where it is asked: its fact's reader, its test, the bit that marks its answer in the witness (0: it
# can always be asked again), and the whole of it for the trace. A plain tuple, because those unpack fastest.
Question = tuple[Read, Holds, int, Check]


class Group(Protocol):
    """A filter or a flow: questions in order, asked until one is answered like `until` (None: all of them)."""

    @property
    def noun(self) -> Literal["filter", "flow"]: ...
    @property
    def id(self) -> str: ...
    @property
    def gone(self) -> str | None: ...
    @property
    def until(self) -> bool | None: ...
    @property
    def questions(self) -> tuple[Question, ...]: ...


G = TypeVar("G", bound=Group)


class Inquiry:
    """The state of one decision.

    Live, `given` is None: conditions look at the visit, and the answers of those on personal facts are
    gathered in `witness`. When a click is decided again they answer from the bits in `given`.
    """

    __slots__ = ("capped", "given", "trace", "visit", "witness")

    def __init__(self, visit: Visit, capped: frozenset[OfferId], given: int | None, trace: Trace | None) -> None:
        self.visit = visit
        self.capped = capped
        self.given = given
        self.trace = trace
        self.witness = 0

    def matching(self, groups: Iterable[G]) -> Iterator[tuple[G, list[Check]]]:
        """The groups whose questions hold, in order and as far as somebody asks, each with those that hold.

        The one place where conditions are asked, for filters and flows, for clicks and for traces.
        """
        visit, given, trace = self.visit, self.given, self.trace
        for group in groups:
            if group.gone:
                self.no(group.noun, group.id, "{1} {0} is {2}", group.noun, group.gone)
                continue
            until, broke = group.until, False
            holding: list[Check] = []
            for read, holds, bit, check in group.questions:
                answer = holds(read(visit)) if given is None or not bit else given & bit != 0
                if answer:
                    holding.append(check)
                    if bit:
                        self.witness |= bit
                if trace is not None:
                    trace.append(
                        condition_step(check, read(visit), holds=answer, recorded=bit != 0 and given is not None)
                    )
                if answer is until:
                    broke = True
                    break
            if bool(holding) if until is None else broke is until:
                yield group, holding
            elif trace is not None:
                self.no(group.noun, group.id, "{1} {0} does not match", group.noun)

    def yes(self, kind: StepKind, identity: str, text: str, *words: object) -> None:
        """A step that led on, written only when somebody reads it: `{0}` is the identity, `{1}` the first word."""
        if self.trace is not None:
            self.trace.append(Step(kind=kind, text=text.format(identity, *words), id=identity, passed=True))

    def no(self, kind: StepKind, identity: str, text: str, *words: object) -> None:
        """A step that led nowhere."""
        if self.trace is not None:
            self.trace.append(Step(kind=kind, text=text.format(identity, *words), id=identity, passed=False))


def is_declared_crawler(visit: Visit) -> bool:
    """It says that it is one. Whether that was verified, and with what result, changes nothing here."""
    if visit.traffic == "prefetch":  # which comes before crawlers, as in the numbers
        return any(reason.startswith("crawler_") for reason in visit.reasons)
    return visit.traffic == "crawler" or visit.crawler_verified is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRoute:
    """`gone` says why the offer gets no traffic whatever its cap: it is paused, archived, or its network is."""

    id: OfferId
    network: NetworkId | None
    template: UrlTemplate
    then: OfferId | None = None
    gone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanderRoute:
    id: LanderId
    template: UrlTemplate
    gone: str | None = None


Offers = Mapping[OfferId, OfferRoute]
Landers = Mapping[LanderId, LanderRoute]


# Where a flow sends a visitor: to the lander, or straight to the offer, which they are meant for in any case.
Target = tuple[LanderRoute | None, OfferRoute | None, UrlTemplate]

# The visitor as a draw sees it: on this visit, and on every visit.
Who = tuple[bytes, bytes]
ANEW: Final = 0
KEPT: Final = 1


def draw_as(visit: Visit) -> Who:
    """A visitor without a pseudonym draws by the moment of the visit, which stays with the click."""
    visitor = visit.visitor or f"at {visit.visited_at_ms}"
    return f"{visitor} {visit.visit_number}".encode(), visitor.encode()


def follow_caps(offers: Offers, first: OfferId, inquiry: Inquiry) -> OfferRoute | None:
    """The offer, or where its cap sends people on to; None when that way ends or turns in a circle."""
    here = offers.get(first)
    seen: set[OfferId] = set()
    while here is not None and here.id not in seen:
        if here.gone:
            inquiry.no("cap", here.id, "offer {0} is {1}", here.gone)
            return None
        if here.id not in inquiry.capped:
            return here
        seen.add(here.id)
        if here.then is None:
            inquiry.no("cap", here.id, "offer {0} has reached its cap and names no other")
            return None
        inquiry.no("cap", here.id, "offer {0} has reached its cap, so visitors go on to {1}", here.then)
        here = offers.get(here.then)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRoute:
    """A flow. `numbered` are its offers as they are written, for `/click/{n}`; `left_out` says which get nobody."""

    id: FlowId
    gone: str | None  # paused or archived
    questions: tuple[Question, ...]
    until: bool  # all must hold: until one is false; any: until one is true
    landers: Draw[LanderId] | None  # None: the flow names none
    offers: Draw[OfferId] | None
    numbered: tuple[OfferId, ...]
    paused_offers: frozenset[OfferId]  # paused in this flow only
    left_out: tuple[str, ...]
    lander_as: int  # ANEW or KEPT
    offer_as: int
    noun: Literal["flow"] = "flow"

    def draw(self, who: Who, inquiry: Inquiry, landers: Landers, offers: Offers) -> Target | None:
        """Where this flow sends the visitor; None when it has nothing left to send people to."""
        inquiry.yes("flow", self.id, "flow {0} matches")
        for left_out in self.left_out:
            inquiry.no("draw", self.id, "{1}", left_out)
        lander = None if self.landers is None else self._draw_lander(self.landers, who, inquiry, landers)
        offer = self.draw_offer(who, inquiry, offers)
        to = offer if self.landers is None else lander
        if to is None or (self.offers is not None and offer is None):
            inquiry.no("flow", self.id, "flow {0} has nothing left to send people to and is passed over")
            return None
        return lander, offer, to.template

    def _draw_lander(self, draw: Draw[LanderId], who: Who, inquiry: Inquiry, landers: Landers) -> LanderRoute | None:
        picked = draw.pick(who[self.lander_as])
        if picked is None:
            return None
        if inquiry.trace is not None:
            inquiry.trace.append(draw_step("lander", picked, draw.shares(), kept=self.lander_as == KEPT))
        return landers[picked]

    def draw_offer(self, who: Who, inquiry: Inquiry, offers: Offers) -> OfferRoute | None:
        """The visitor's offer; where its cap leads nowhere, the next best of this visitor."""
        if self.offers is None:
            return None
        full: set[OfferId] = set()
        while (picked := self.offers.pick(who[self.offer_as], full)) is not None:
            if inquiry.trace is not None:
                inquiry.trace.append(draw_step("offer", picked, self.offers.shares(full), kept=self.offer_as == KEPT))
            found = follow_caps(offers, picked, inquiry)
            if found is not None:
                return found
            full.add(picked)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a visit goes that no flow takes: a status, a URL or an offer."""

    status: int = 404
    template: UrlTemplate | None = None
    offer: OfferId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRoute:
    """A filter. `end` is None where it only records. All its conditions are asked, for each is a reason."""

    id: FilterId
    gone: str | None
    questions: tuple[Question, ...]
    end: End | None
    until: None = None
    noun: Literal["filter"] = "filter"

    def reasons(self, holding: list[Check], inquiry: Inquiry) -> tuple[str, ...]:
        """Codes of the conditions that hold, like `filter_datacenter`."""
        reasons = tuple(dict.fromkeys(f"{FILTER_REASON}{check.fact.name}" for check in holding))
        if self.end is None:
            inquiry.yes("filter", self.id, "filter {0} only records: {1}", ", ".join(reasons))
        else:
            inquiry.no("filter", self.id, "filter {0} stops the visit: {1}", ", ".join(reasons))
        return reasons
