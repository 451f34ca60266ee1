"""A condition as TOML has it: `{ fact = "country", is = ["US"] }`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal

from tnc.configuration.shapes import Context
from tnc.configuration.words import TIMEZONE
from tnc.configuration.wrong import Gathering, WrongError, name, nearest, show, wrong
from tnc.errors import InvalidError
from tnc.model import OPERATORS, Condition, Operator
from tnc.rules.conditions import compile_condition
from tnc.rules.vocabulary import Place


@dataclass(frozen=True, slots=True)
class ConditionShape:
    """What may be asked is decided in `rules`; here is only how it is written."""

    of: Literal["flow", "filter"]
    allowed: str = 'a condition like { fact = "country", is = ["US"] }'

    def read(self, value: object, context: Context) -> Condition:
        if not isinstance(value, dict):
            raise wrong(f"must be {self.allowed}, not {show(value)}")
        fact = value.get("fact")
        if not isinstance(fact, str) or len(fact) > 200:
            raise wrong(f"must be the name of a fact in quotes, not {show(fact)}", "fact")
        operator = _operator(value)
        condition = Condition(
            fact=fact,
            operator=operator,
            value=_plain(value[operator], operator),
            timezone=_timezone(value, context),
        )
        try:
            compile_condition(condition, Place(of=self.of))
        except InvalidError as error:
            raise wrong(f"cannot be used: {error}") from error
        return condition

    def write(self, value: Condition) -> dict[str, object]:
        zone = {} if value.timezone is None else {"timezone": value.timezone}
        return {"fact": value.fact, value.operator: value.value, **zone}


def _operator(value: Mapping[str, object]) -> Operator:
    gathering = Gathering()
    for key in value:
        if key not in {"fact", "timezone", *OPERATORS}:
            gathering.add(wrong(f"is no operator{nearest(key, OPERATORS) or '.'} Known: {_KNOWN}", name(key)))
    gathering.finish()
    used = [each for each in OPERATORS if each in value]
    if len(used) != 1:
        raise wrong(f"needs exactly one operator and has {', '.join(used) or 'none'}. Known: {_KNOWN}")
    return used[0]


_KNOWN = ", ".join(OPERATORS)


def _timezone(value: Mapping[str, object], context: Context) -> str | None:
    try:
        return TIMEZONE.read(value["timezone"], context) if "timezone" in value else None
    except WrongError as error:
        raise error.below("timezone") from None


def _plain(value: object, operator: str) -> Any:
    """Text, number, boolean or a list of these; dates and times as the text that they are."""
    if isinstance(value, list):
        return [_scalar(each, operator) for each in value]
    return _scalar(value, operator)


def _scalar(value: object, operator: str) -> Any:
    match value:
        case str() | bool():
            return value
        case int() if abs(value) < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
        case date() | time():
            return value.isoformat()
        case _:
            raise wrong(f"must be text, a number, true, false or a list of these, not {show(value)}", operator)
