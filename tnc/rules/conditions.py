"""Conditions: `{ fact = "country", is = ["US", "CA"] }` is checked once and compiled to a fast test of a visit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from tnc.core.errors import InvalidError
from tnc.core.hosts import to_ascii, to_unicode
from tnc.core.models import OPERATORS, Condition
from tnc.rules import operators
from tnc.rules.condition_values import (
    KINDS_WITH_TIMEZONE,
    code_reader,
    compare,
    fact_reader,
    hour_predicate,
    moment_reader,
    option_reader,
    read_address,
    read_boolean,
    read_each,
    read_network,
    read_number,
    read_number_in_text,
    read_number_or_unknown,
    read_text,
    read_text_or_number,
    read_version,
    read_version_text,
    read_zone,
    weekday_predicate,
)
from tnc.rules.describe import describe_condition
from tnc.rules.operators import UNKNOWN, Predicate, negated
from tnc.rules.review_parity import refuse_reviewer_targeting
from tnc.rules.vocabulary import Fact, Kind, Scope, get_fact, read_country, read_language

_IS_OR_NOT: Final = frozenset({"is", "not"})
_ORDER: Final = frozenset({"above", "below", "between"})
_HOSTS: Final = frozenset({"domain", "referrer_domain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledCondition:
    """A checked condition: it is true for a visit when `holds(fact.read(visit))`, which never raises."""

    condition: Condition
    fact: Fact
    holds: Predicate
    text: str


def compile_condition(condition: Condition, scope: Scope = Scope()) -> CompiledCondition:  # noqa: B008 - frozen
    """Raises InvalidError, in a sentence for the author, for a condition that cannot be used."""
    fact = get_fact(condition.fact, scope)
    if condition.operator not in fact.operators:
        known = condition.operator in OPERATORS
        what = f"{condition.operator!r} does not fit {fact.name}" if known else f"no operator {condition.operator!r}"
        raise InvalidError(f"{what}; {fact.name} takes {', '.join(fact.operators)}")
    if condition.timezone is not None and fact.kind not in KINDS_WITH_TIMEZONE:
        raise InvalidError(f"{fact.name} takes no timezone; only hour, weekday and clicked_at do")
    zone = read_zone(condition)
    holds = _make_predicate(fact, condition, zone)
    refuse_reviewer_targeting(condition, scope, lambda other: _make_predicate(fact, other, zone))
    return CompiledCondition(
        condition=condition,
        fact=replace(fact, read=fact_reader(fact, condition, zone)),
        holds=negated(holds) if condition.operator == "not" else holds,
        text=describe_condition(condition),
    )


def _make_predicate(fact: Fact, condition: Condition, zone: tzinfo) -> Predicate:
    """The predicate on the fact's value; the operator `not` is compiled like `is`."""
    match fact.kind:
        case "hour":
            holds = hour_predicate(condition)
        case "weekday":
            holds = weekday_predicate(condition)
        case "time":
            holds = compare(condition, moment_reader(zone))
        case kind:
            holds = _PREDICATES[kind](fact, condition)
    return holds if condition.operator in _IS_OR_NOT else operators.false_if_unknown(holds)


# ------------------------------------------------------------------------------------- by the kind of fact


def _options(fact: Fact, condition: Condition) -> Predicate:
    options = tuple(dict.fromkeys((*fact.values, UNKNOWN)))
    return operators.one_of(read_each(condition, option_reader(options)))


def _country(_: Fact, condition: Condition) -> Predicate:
    return operators.one_of(read_each(condition, code_reader(read_country)))


def _language(_: Fact, condition: Condition) -> Predicate:
    return operators.one_of(read_each(condition, code_reader(read_language)))


def _boolean(_: Fact, condition: Condition) -> Predicate:
    return operators.one_of(read_each(condition, read_boolean))


def _number(_: Fact, condition: Condition) -> Predicate:
    if condition.operator in _ORDER:
        return compare(condition, read_number)
    return operators.one_of(read_each(condition, read_number_or_unknown))


def _part_of_text(condition: Condition) -> Predicate:
    """`contains`, `starts`, `ends`, `matches`: true for any of the texts."""
    texts = read_each(condition, read_text)
    match condition.operator:
        case "contains":
            return operators.contains(texts)
        case "starts":
            return operators.starts(texts)
        case "ends":
            return operators.ends(texts)
        case _:
            return operators.matches(texts)


def _text(fact: Fact, condition: Condition) -> Predicate:
    if fact.name in _HOSTS:
        return _host(condition)
    if condition.operator in _IS_OR_NOT:
        return operators.one_of_texts(read_each(condition, read_text))
    return _part_of_text(condition)


def _host(condition: Condition) -> Predicate:
    """Browsers send hosts in ASCII (`xn--...`); a condition may name either spelling."""
    texts = read_each(condition, read_text)
    if condition.operator in _IS_OR_NOT:
        return operators.one_of_texts([*texts, *filter(None, map(_in_ascii, texts))])
    in_ascii = _part_of_text(condition)
    if all(text.isascii() for text in texts):
        return in_ascii
    return lambda value: in_ascii(value) or in_ascii(to_unicode(value))


def _in_ascii(text: str) -> str | None:
    try:
        return to_ascii(text)
    except ValueError:  # no host name, so no visit has it
        return None


def _free(_: Fact, condition: Condition) -> Predicate:
    if condition.operator in _ORDER:
        return operators.compare_by(operators.number, compare(condition, read_number_in_text))
    if condition.operator not in _IS_OR_NOT:
        return _part_of_text(condition)
    values = read_each(condition, read_text_or_number)
    texts = [value for value in values if isinstance(value, str)]
    numbers = frozenset(value for value in values if not isinstance(value, str))
    return operators.one_of_free(texts, numbers)


def _version(_: Fact, condition: Condition) -> Predicate:
    if condition.operator in _ORDER:
        return operators.compare_by(operators.version, compare(condition, read_version))
    if condition.operator not in _IS_OR_NOT:
        return _part_of_text(condition)
    return operators.one_of_versions(read_each(condition, read_version_text))


def _list(_: Fact, condition: Condition) -> Predicate:
    if condition.operator in _IS_OR_NOT:
        return operators.any_of(read_each(condition, read_text))
    return operators.any_entry(_part_of_text(condition))


def _address(_: Fact, condition: Condition) -> Predicate:
    if condition.operator == "in":
        return operators.in_networks(read_each(condition, read_network))
    if condition.operator in _IS_OR_NOT:
        return operators.one_of_texts(read_each(condition, read_address))
    return _part_of_text(condition)


_PREDICATES: Final[Mapping[Kind, Callable[[Fact, Condition], Predicate]]] = {
    "option": _options,
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
