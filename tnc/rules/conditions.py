"""Conditions: `{ fact = "country", is = ["US", "CA"] }` checked once and turned into a fast test of a visit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from tnc.core.errors import InvalidError
from tnc.core.models import OPERATORS, Condition
from tnc.rules import condition_values as written
from tnc.rules import operators
from tnc.rules.describe import sentence
from tnc.rules.operators import UNKNOWN, Holds, negated
from tnc.rules.review_parity import refuse_reviewer_targeting
from tnc.rules.vocabulary import Fact, Kind, Place, get_fact, read_country, read_language

_IS_OR_NOT: Final = frozenset({"is", "not"})
_ORDER: Final = frozenset({"above", "below", "between"})


def meaning(fact: Fact, condition: Condition, zone: tzinfo) -> Holds:
    """The test of the fact's value that the condition writes, with `not` read as `is`."""
    match fact.kind:
        case "hour":
            holds = written.hour_test(condition)
        case "weekday":
            holds = written.weekday_test(condition)
        case "time":
            holds = written.order(condition, written.moment_ms(zone))
        case kind:
            holds = _TESTS[kind](fact, condition)
    return holds if condition.operator in _IS_OR_NOT else operators.known(holds)


def _closed(fact: Fact, condition: Condition) -> Holds:
    allowed = tuple(dict.fromkeys((*fact.values, UNKNOWN)))
    return operators.one_of(written.each(condition, written.word(allowed)))


def _country(_: Fact, condition: Condition) -> Holds:
    return operators.one_of(written.each(condition, written.code(read_country)))


def _language(_: Fact, condition: Condition) -> Holds:
    return operators.one_of(written.each(condition, written.code(read_language)))


def _boolean(_: Fact, condition: Condition) -> Holds:
    return operators.one_of(written.each(condition, written.boolean))


def _number(_: Fact, condition: Condition) -> Holds:
    if condition.operator in _ORDER:
        return written.order(condition, written.number)
    return operators.one_of(written.each(condition, written.number_or_unknown))


def _found_in(condition: Condition) -> Holds:
    """`contains`, `starts`, `ends`, `matches`: any of the texts may hold."""
    texts = written.each(condition, written.text)
    match condition.operator:
        case "contains":
            return operators.contains(texts)
        case "starts":
            return operators.starts(texts)
        case "ends":
            return operators.ends(texts)
        case _:
            return operators.matches(texts)


def _text(_: Fact, condition: Condition) -> Holds:
    if condition.operator in _IS_OR_NOT:
        return operators.one_of_texts(written.each(condition, written.text))
    return _found_in(condition)


def _free(_: Fact, condition: Condition) -> Holds:
    if condition.operator in _ORDER:
        return operators.measured(operators.number, written.order(condition, written.number_in_text))
    if condition.operator not in _IS_OR_NOT:
        return _found_in(condition)
    values = written.each(condition, written.text_or_number)
    texts = [value for value in values if isinstance(value, str)]
    numbers = frozenset(value for value in values if not isinstance(value, str))
    return operators.one_of_free(texts, numbers)


def _version(_: Fact, condition: Condition) -> Holds:
    if condition.operator in _ORDER:
        return operators.measured(operators.version, written.order(condition, written.version))
    if condition.operator not in _IS_OR_NOT:
        return _found_in(condition)
    return operators.one_of_versions(written.each(condition, written.version_text))


def _list(_: Fact, condition: Condition) -> Holds:
    if condition.operator in _IS_OR_NOT:
        return operators.any_of(written.each(condition, written.text))
    return operators.any_entry(_found_in(condition))


def _address(_: Fact, condition: Condition) -> Holds:
    if condition.operator == "in":
        return operators.in_networks(written.each(condition, written.network))
    if condition.operator in _IS_OR_NOT:
        return operators.one_of_texts(written.each(condition, written.address))
    return _found_in(condition)


_TESTS: Final[Mapping[Kind, Callable[[Fact, Condition], Holds]]] = {
    "word": _closed,
    "country": _country,
    "language": _language,
    "boolean": _boolean,
    "number": _number,
    "share": _number,
    "text": _text,
    "free": _free,
    "version": _version,
    "list": _list,
    "address": _address,
}


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
    if condition.timezone is not None and fact.kind not in written.KINDS_WITH_TIMEZONE:
        raise InvalidError(f"{fact.name} takes no timezone; only hour, weekday and clicked_at do")
    zone = written.read_zone(condition)
    holds = meaning(fact, condition, zone)
    refuse_reviewer_targeting(condition, place, lambda other: meaning(fact, other, zone))
    return Check(
        condition=condition,
        fact=replace(fact, read=written.reader(fact, condition, zone)),
        holds=negated(holds) if condition.operator == "not" else holds,
        text=sentence(condition),
    )
