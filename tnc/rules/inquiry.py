"""One visit being decided: its facts, and its answers to conditions."""

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol, TypeVar

from tnc.model import OfferId, Visit
from tnc.rules.conditions import Check
from tnc.rules.decision import Step, StepKind, Trace, condition_step
from tnc.rules.operators import Holds
from tnc.rules.vocabulary import Read

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
