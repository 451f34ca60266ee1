"""Conditions: `{ fact = "country", is = ["US", "CA"] }` checked once and turned into a fast test of a visit."""

from dataclasses import dataclass, replace

from tnc.errors import InvalidError
from tnc.model import OPERATORS, Condition
from tnc.rules import clock
from tnc.rules.line import hold_the_line
from tnc.rules.meaning import meaning
from tnc.rules.operators import Holds, negated
from tnc.rules.sentences import sentence
from tnc.rules.vocabulary import Fact, Place, get_fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A condition that was checked: it is true for a visit when `holds(fact.read(visit))`, which never raises."""

    condition: Condition
    fact: Fact
    holds: Holds
    text: str


def compile_condition(condition: Condition, place: Place = Place()) -> Check:  # noqa: B008 - frozen
    """Raises InvalidError, in a sentence for the one who wrote it, for everything that cannot be meant."""
    fact = get_fact(condition.fact, place)
    if condition.operator not in fact.operators:
        fits = condition.operator in OPERATORS
        what = f"{condition.operator!r} does not fit {fact.name}" if fits else f"no operator {condition.operator!r}"
        raise InvalidError(f"{what}; {fact.name} takes {', '.join(fact.operators)}")
    if condition.timezone is not None and fact.kind not in clock.KINDS:
        raise InvalidError(f"{fact.name} takes no timezone; only hour, weekday and clicked_at do")
    zone = clock.read_zone(condition)
    holds = meaning(fact, condition, zone)
    hold_the_line(condition, place, lambda other: meaning(fact, other, zone))
    return Check(
        condition=condition,
        fact=replace(fact, read=clock.reader(fact, condition, zone)),
        holds=negated(holds) if condition.operator == "not" else holds,
        text=sentence(condition),
    )
