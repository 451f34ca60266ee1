"""Values of campaign files: ids, paths, URLs, patterns, templates, conditions."""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final, Literal

from tnc.core.errors import InvalidError
from tnc.core.formats import TIMEZONE
from tnc.core.mistakes import Mistakes, ShapeError, did_you_mean, mistake, show, show_key
from tnc.core.models import OPERATORS, Condition, Operator
from tnc.core.shapes import Context, Text
from tnc.rules.condition_values import KINDS_WITH_TIMEZONE
from tnc.rules.conditions import compile_condition
from tnc.rules.macros import read_template
from tnc.rules.operators import matches
from tnc.rules.templates import UrlTemplate
from tnc.rules.vocabulary import Kind, Scope, get_fact

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PATH: Final = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
_SLUG_ALLOWED: Final = "lower-case letters, digits and hyphens, at most 64, with no hyphen in front"
_PATH_ALLOWED: Final = "letters, digits and . _ ~ - in parts between single slashes, with none at the ends"
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_WEBHOOK_PREFIX: Final = "whsec_"

RESERVED: Final = (
    "click", "click.php", "gpb.php", "postback", "conversion.gif", "tnc.js", "privacy", ".well-known", "-",
    "robots.txt", "favicon.ico",
)  # fmt: skip
"""First segments of paths that tnc itself serves on a tracking domain."""


def _slug(text: str) -> str | None:
    if _SLUG.fullmatch(text):
        return None
    return f"must be {_SLUG_ALLOWED}, not {show(text)}"


def _path(text: str) -> str | None:
    first, *rest = text.split("/")
    if not _PATH.fullmatch(text) or {".", ".."} & {first, *rest}:
        return f"must be {_PATH_ALLOWED}, not {show(text)}"
    if first in RESERVED:
        return f"begins with {show(first)}, a path of tnc itself. Reserved: {', '.join(RESERVED)}"
    if rest == ["postback"]:
        return f"is {show(text)}, the path where networks that were set up for Keitaro send postbacks"
    return None


def _url(text: str) -> str | None:
    try:
        UrlTemplate.parse(text)
    except InvalidError as error:
        return f"cannot be used: {error}"
    return None


def _template(text: str) -> str | None:
    try:
        read_template(text)
    except InvalidError as error:
        return f"cannot be used: {error}"
    return None


def _pattern(text: str) -> str | None:
    try:
        matches([text])
    except InvalidError as error:
        return f"cannot be used: {error}"
    return None


def _numeric(text: str) -> str | None:
    return None if _DIGITS.fullmatch(text) else f"must be digits only, in quotes, not {show(text)}"


def webhook_secret(secret: str) -> str | None:
    """The prefix and base64, as Standard Webhooks requires. The message never repeats the secret."""
    try:
        if secret.startswith(_WEBHOOK_PREFIX) and base64.b64decode(secret[len(_WEBHOOK_PREFIX) :], validate=True):
            return None
    except binascii.Error:
        pass
    return f'must be "{_WEBHOOK_PREFIX}" and then base64, as Standard Webhooks requires'


SLUG: Final = Text(_SLUG_ALLOWED, _slug)
NAME: Final = Text("text", longest=200, trimmed=True)
PATH: Final = Text(_PATH_ALLOWED, _path, longest=200)
URL: Final = Text("an http or https URL, with macros", _url, longest=8000)
PARAMETER: Final = Text("the name of a query parameter", longest=100, trimmed=True)
SHORT_TEXT: Final = Text("text", longest=100, trimmed=True)
NUMERIC: Final = Text("digits in quotes", _numeric)
PATTERN: Final = Text("a pattern (RE2)", _pattern)
TEMPLATE: Final = Text("text with macros", _template, longest=20_000, lines=True)


@dataclass(frozen=True, slots=True)
class ConditionShape:
    """How a condition is written. What it may ask for is decided in `rules`."""

    of: Literal["flow", "filter"]
    allowed: str = 'a condition like { fact = "country", is = ["US"] }'

    def read(self, value: object, context: Context) -> Condition:
        if not isinstance(value, dict):
            raise mistake(f"must be {self.allowed}, not {show(value)}")
        fact = value.get("fact")
        if not isinstance(fact, str) or len(fact) > 200:
            raise mistake(f"must be the name of a fact in quotes, not {show(fact)}", "fact")
        scope = Scope(of=self.of)
        try:
            kind = get_fact(fact, scope).kind
        except InvalidError as error:
            raise mistake(f"cannot be used: {error}", "fact") from error
        operator = _operator(value)
        condition = Condition(
            fact=fact,
            operator=operator,
            value=_plain(value[operator], operator),
            timezone=_read_timezone(value, kind, context),
        )
        try:
            compile_condition(condition, scope)
        except InvalidError as error:
            raise mistake(f"cannot be used: {error}", operator) from error
        return condition

    def write(self, value: Condition) -> dict[str, object]:
        zone = {} if value.timezone is None else {"timezone": value.timezone}
        return {"fact": value.fact, value.operator: value.value, **zone}


def _operator(value: Mapping[str, object]) -> Operator:
    mistakes = Mistakes()
    for key in value:
        if key not in {"fact", "timezone", *OPERATORS}:
            hint = did_you_mean(key, OPERATORS) or "."
            mistakes.add(mistake(f"is no operator{hint} Known: {_KNOWN}", show_key(key)))
    mistakes.raise_if_any()
    used = [each for each in OPERATORS if each in value]
    if len(used) != 1:
        raise mistake(f"needs exactly one operator and has {', '.join(used) or 'none'}. Known: {_KNOWN}")
    return used[0]


_KNOWN = ", ".join(OPERATORS)
_ZONED = "hour, weekday and clicked_at"


def _read_timezone(value: Mapping[str, object], kind: Kind, context: Context) -> str | None:
    if "timezone" not in value:
        return None
    if kind not in KINDS_WITH_TIMEZONE:
        raise mistake(f"does not belong to the fact {show(value['fact'])}: only {_ZONED} have one", "timezone")
    try:
        return TIMEZONE.read(value["timezone"], context)
    except ShapeError as error:
        raise error.below("timezone") from None


def _plain(value: object, operator: str) -> Any:
    """Text, number, boolean or a list of these; dates and times as text."""
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
            raise mistake(f"must be text, a number, true, false or a list of these, not {show(value)}", operator)
