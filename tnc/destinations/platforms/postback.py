"""A call to any address with macros: the traffic source's postback, and whatever else takes a GET or POST."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from tnc.core.models import Destination
from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.http import BODY_LIMIT, Answer, HttpRequest
from tnc.destinations.platforms.base import Platform
from tnc.destinations.verdict import Verdict, by_status, done, drop, retry
from tnc.rules.macro_values import macro_value
from tnc.rules.macros import ValueOf, is_unexpanded
from tnc.rules.operators import matches
from tnc.rules.templates import TextTemplate, UrlTemplate, encoded

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_KEY_NAMES: Final = frozenset(
    {"key", "apikey", "api_key", "token", "access_token", "auth", "secret", "password", "pass", "security_token"}
)


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    delivery = batch[0]
    template = delivery.get("url")
    value_of = _values(delivery)
    headers = delivery.destination.settings.get("headers", {})
    headers = dict(headers) if isinstance(headers, dict) else {}
    body = None
    if (text := delivery.find("body")) is not None:
        content_type = _content_type(delivery, text)
        headers = {"Content-Type": content_type, **headers}
        body = TextTemplate.parse(text).fill(value_of, _encoder(content_type)).encode()
    return HttpRequest(
        method=_method(delivery),
        url=UrlTemplate.parse(template).fill(value_of),
        headers=headers,
        body=body,
        secrets=delivery.secrets,
        keys_in_url=tuple(_keys_in(template)),
    )


def _method(delivery: Delivery) -> Literal["GET", "POST"]:
    return "POST" if delivery.get("method") == "POST" else "GET"


def _values(delivery: Delivery) -> ValueOf:
    """The macros' values: the payout is the part that is told, and our words may have others there."""
    told = replace(delivery.conversion, payout_micros=delivery.value_micros)
    words = delivery.destination.events

    def value_of(name: str) -> str | None:
        value = macro_value(name, delivery.click, delivery.configuration, told)
        return words.get(value, value) if value is not None and name in ("status", "event") else value

    return value_of


def _content_type(delivery: Delivery, body: str) -> str:
    given = delivery.find("content_type")
    return given or (_JSON if body.lstrip().startswith(("{", "[")) else _FORM)


def _encoder(content_type: str) -> Callable[[str], str]:
    """A value stays a value, whatever stands in it."""
    if "json" in content_type:
        return lambda value: json.dumps(value)[1:-1]
    return encoded if _FORM in content_type else str


def _keys_in(template: str) -> Iterator[str]:
    """Fixed values in the address whose names say that they are secret."""
    for name, value in parse_qsl(urlsplit(template).query):
        if name.lower() in _KEY_NAMES and "{" not in value:
            yield value


def lacks(delivery: Delivery) -> Why | None:
    """The source's click id, where the address or the body names it."""
    if "external_id" not in UrlTemplate.parse(delivery.get("url")).macros | _macros(delivery.find("body") or ""):
        return None
    value = delivery.click.visit.external_id
    if not value:
        return "no-click-id"
    return "macro-unexpanded" if is_unexpanded(value) else None


def _macros(body: str) -> set[str]:
    return {part.name for part in TextTemplate.parse(body).parts if not isinstance(part, str)}


def judge(answer: Answer, destination: Destination) -> Verdict:
    """By status, and by the words of the answer where the owner said which ones: many answer 200 to everything."""
    verdict = by_status(answer)
    if verdict.outcome != "done":
        return verdict
    text = answer.text[:BODY_LIMIT]
    success, failure = destination.settings.get("success"), destination.settings.get("failure")
    if isinstance(failure, str) and matches([failure])(text):
        return drop("answer-matches-failure")
    if isinstance(success, str) and not matches([success])(text):
        return retry("answer-without-success", answer)
    return done()


POSTBACK: Final = Platform(type="postback", build=build, judge=judge, lacks=lacks)
