"""Meta Conversions API: conversions of visits that came from Facebook and Instagram ads.

Facts: developers.facebook.com Conversions API pages of 2026, facebook-business 26.0.3.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final

from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tnc.core.fields import money
from tnc.core.models import Destination
from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.http import Answer, HttpRequest, json_request
from tnc.destinations.platforms import normalize as normalise
from tnc.destinations.platforms.base import Platform, person
from tnc.destinations.platforms.click_ids import click_id, click_ids, fbc
from tnc.destinations.platforms.normalize import state_code
from tnc.destinations.verdict import Verdict, by_status, done, drop, retry, stop, throttled
from tnc.rules.macros import is_unexpanded

_PERSON: Final = {
    "em": ("em", normalise.email),
    "ph": ("ph", normalise.phone),
    "fn": ("fn", normalise.name),
    "ln": ("ln", normalise.name),
    "ge": ("ge", normalise.gender),
    "db": ("db", normalise.birthday),
    "ct": ("ct", normalise.name),
    "st": ("st", normalise.state),
    "zp": ("zp", normalise.postcode),
}

# data_processing_options_state, for country 1 (United States)
_LIMITED_STATES: Final = {
    "CA": 1000, "CO": 1001, "CT": 1002, "FL": 1003, "OR": 1004, "TX": 1005, "MT": 1006,
    "DE": 1007, "NE": 1008, "NH": 1009, "NJ": 1010, "MN": 1011, "MD": 1012, "RI": 1013,
}  # fmt: skip

_THROTTLED: Final = frozenset({4, 17, 32, 613, 80003})
_PASSING: Final = frozenset({1, 2, 341, 368, 5000, 21009})
_OPERATOR: Final = frozenset({10, 190, 200})
_NO_SUCH_PIXEL: Final = (100, 33)
_LONG_MS: Final = 5 * MINUTE_MS


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    token = first.get("access_token")
    payload: dict[str, Any] = {"data": [_event(each) for each in batch]}
    if code := first.find("test_event_code"):
        payload["test_event_code"] = code
    # In the body, not in the address: addresses end up in other people's logs.
    payload["access_token"] = token
    if app_secret := first.find("app_secret"):
        payload["appsecret_proof"] = hmac.new(app_secret.encode(), token.encode(), "sha256").hexdigest()
    url = f"{first.base_url}/{first.get('api_version')}/{first.get('pixel')}/events"
    return json_request(url, payload, secrets=first.secrets)


def _event(delivery: Delivery) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_name": META.their_name(delivery),
        "event_time": delivery.at_ms // 1000,
        "event_id": delivery.event_id,
        "action_source": "website",
    }
    if page := delivery.page:
        event["event_source_url"] = page
    event["user_data"] = _user_data(delivery)
    if custom_data := _custom_data(delivery, event["event_name"]):
        event["custom_data"] = custom_data
    if delivery.mode == "limited":
        event |= _limited(delivery)
    return event


def _user_data(delivery: Delivery) -> dict[str, str]:
    visit = delivery.click.visit
    found = {
        "client_ip_address": visit.ip,
        "client_user_agent": visit.user_agent,
        "fbc": fbc(delivery.click),
        **click_ids(delivery.click, "_fbp"),
    }
    if delivery.mode == "full":
        country = normalise.country_code(visit.country or "")
        found["country"] = country and normalise.hashed(country)
        found["external_id"] = visit.visitor and normalise.hashed(visit.visitor)
        found |= person(delivery, _PERSON)
    return {name.removeprefix("_"): value for name, value in found.items() if value}


def _custom_data(delivery: Delivery, event_name: str) -> dict[str, Any]:
    value, currency = money(delivery.value_micros), delivery.conversion.currency
    if value is not None and currency is not None:
        return {"value": value, "currency": currency}
    # A Purchase without a value is refused; nothing is nothing in every currency.
    return {"value": 0, "currency": currency or "USD"} if event_name == "Purchase" else {}


def _limited(delivery: Delivery) -> dict[str, Any]:
    """Limited Data Use. Zero and zero lets Meta find out where the person is."""
    visit = delivery.click.visit
    state = _LIMITED_STATES.get(state_code(visit.country, visit.region) or "", 0) if visit.country == "US" else 0
    return {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": 1 if state else 0,
        "data_processing_options_state": state,
    }


def lacks(delivery: Delivery) -> Why | None:
    """A website event needs a user agent, and one more thing by which Meta may know the visitor."""
    click = delivery.click
    ids = click_ids(click, "fbclid", "_fbc", "_fbp")
    if any(is_unexpanded(value) for value in ids.values()):
        return "macro-unexpanded"
    known = click.visit.user_agent and (click_id(click, "fbclid", "_fbc", "_fbp") or click.visit.ip)
    return None if known else "no-click-id"


def judge(answer: Answer, _destination: Destination) -> Verdict:
    found = answer.json()
    if found is None:
        return throttled("http-429", answer) if answer.status == 429 else retry("not-json", answer)
    error = found.get("error")
    if not isinstance(error, dict):
        received = isinstance(found.get("events_received"), int)
        trace = found.get("fbtrace_id")
        verdict = by_status(answer)
        if verdict.outcome == "done" and not received:
            return retry("no-events-received", answer)
        return done(trace if isinstance(trace, str) else None) if verdict.outcome == "done" else verdict
    return _judge_error(error, answer)


def _judge_error(error: dict[str, Any], answer: Answer) -> Verdict:
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    reason = f"meta-{code}" + (f"/{subcode}" if subcode else "")
    if code in _THROTTLED or answer.status == 429:
        return throttled(reason, answer, pause_ms=_LONG_MS)
    if code in _OPERATOR:
        return stop(f"{reason}: Meta does not accept the access token or its rights; put a new one")
    if (code, subcode) == _NO_SUCH_PIXEL:
        return stop(f"{reason}: no such pixel, or the token has no right to it; check both")
    if answer.status >= 500 or error.get("is_transient") is True or code in _PASSING:
        return retry(reason, answer)
    return drop(reason)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


META: Final = Platform(
    type="meta",
    build=build,
    judge=judge,
    lacks=lacks,
    batch=500,  # a thousand are allowed, but a request should stay below a megabyte
    # Older than seven days fails the whole request; three hours are left for the last attempt.
    patience_ms=7 * DAY_MS - 4 * HOUR_MS,
    max_age_ms=7 * DAY_MS - 4 * HOUR_MS,
    limited=True,
)
