"""A postback: a GET or POST to any URL with macros, of the traffic source or of any other system."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from tnc.campaigns.platforms.base import (
    WRITE_TO_RECEIVER,
    Delivery,
    Platform,
    PlatformKey,
    Receiver,
    SkipReason,
    is_placeholder,
)
from tnc.campaigns.platforms.keys import HEADERS
from tnc.campaigns.platforms.messages import BODY_LIMIT, Answer, HttpRequest
from tnc.campaigns.platforms.outcome import Outcome, by_status, done, drop, retry
from tnc.campaigns.text_types import PATTERN, SHORT_TEXT, TEMPLATE, URL
from tnc.core.models import Destination
from tnc.core.shapes import Choice
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
    """The macros' values: `{payout}` is the share that is sent, `{status}` and `{event}` are translated by `events`."""
    shared = replace(delivery.conversion, payout_micros=delivery.value_micros)
    names = delivery.destination.events

    def value_of(name: str) -> str | None:
        value = macro_value(name, delivery.click, delivery.configuration, shared)
        return names.get(value, value) if value is not None and name in ("status", "event") else value

    return value_of


def _content_type(delivery: Delivery, body: str) -> str:
    given = delivery.find("content_type")
    return given or (_JSON if body.lstrip().startswith(("{", "[")) else _FORM)


def _encoder(content_type: str) -> Callable[[str], str]:
    """Escapes a value so that it cannot change the structure of the body."""
    if "json" in content_type:
        return lambda value: json.dumps(value)[1:-1]
    return encoded if _FORM in content_type else str


def _keys_in(template: str) -> Iterator[str]:
    """Fixed values in the URL whose names say that they are secret."""
    for name, value in parse_qsl(urlsplit(template).query):
        if name.lower() in _KEY_NAMES and "{" not in value:
            yield value


def check_click(delivery: Delivery) -> SkipReason | None:
    """The click needs the source's click id where the URL or the body contains `{external_id}`."""
    if "external_id" not in UrlTemplate.parse(delivery.get("url")).macros | _macros(delivery.find("body") or ""):
        return None
    value = delivery.click.visit.external_id
    if not value or is_placeholder(value):
        return "no-click-id"
    return "macro-unexpanded" if is_unexpanded(value) else None


def _macros(body: str) -> set[str]:
    return {part.name for part in TextTemplate.parse(body).parts if not isinstance(part, str)}


def check_settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "body" in settings and settings.get("method") != "POST":
        yield "body", 'is sent with method = "POST" only'


def read_answer(answer: Answer, destination: Destination) -> Outcome:
    """By status, then by the patterns `failure` and `success`: many receivers answer 200 to everything."""
    outcome = by_status(answer)
    if outcome.kind != "done":
        return outcome
    text = answer.text[:BODY_LIMIT]
    success, failure = destination.settings.get("success"), destination.settings.get("failure")
    if isinstance(failure, str) and matches([failure])(text):
        return drop("answer-matches-failure")
    if isinstance(success, str) and not matches([success])(text):
        return retry("answer-without-success", answer)
    return done()


_POST_ONLY: Final = "for receivers that want a POST; values cannot break out of JSON strings and form fields"
_PATTERNS: Final = "patterns (RE2) on the answer, for receivers that answer 200 to everything"

POSTBACK: Final = Platform(
    type="postback",
    keys={
        "url": PlatformKey(
            shape=URL,
            text="where to send it",
            where="the URL with macros, from the source's help pages or a template (`tnc template list`)",
            needed=True,
            is_endpoint=True,
        ),
        "method": PlatformKey(shape=Choice(("GET", "POST")), text="how to send it", where=_POST_ONLY, default="GET"),
        "body": PlatformKey(shape=TEMPLATE, text="what to send with POST, with macros", where=_POST_ONLY),
        "content_type": PlatformKey(shape=SHORT_TEXT, text="of the body", where=_POST_ONLY),
        "headers": PlatformKey(
            shape=HEADERS, text="more request headers", where="more headers; their values are secret"
        ),
        "success": PlatformKey(
            shape=PATTERN, text="the answer must match it; otherwise any 2xx is success", where=_PATTERNS
        ),
        "failure": PlatformKey(shape=PATTERN, text="an answer that matches it is a failure", where=_PATTERNS),
    },
    base_url=None,
    event_names={},
    click_ids=(),
    receiver=Receiver(
        name="the traffic source",
        countries="unknown",
        gets="what the macros of its address name",
        visitor_sentence="The traffic source that sent you gets reports of purchases, by the number that it gave the "
        "visit.",
        after_erasure=WRITE_TO_RECEIVER,
    ),
    check_settings=check_settings,
    test_events="counted",
    build=build,
    read_answer=read_answer,
    check_click=check_click,
)
