"""Meta Conversions API: conversions of visits that came from Facebook and Instagram ads.

Facts: developers.facebook.com Conversions API pages of 2026, facebook-business 26.0.3.
"""

import hmac
import re
from collections.abc import Sequence
from typing import Any, Final

from tnc.campaigns.platforms import keys, normalize
from tnc.campaigns.platforms.base import (
    ANY_ID,
    Delivery,
    Forms,
    Platform,
    PlatformKey,
    Receiver,
    SkipReason,
    advertising_sentence,
    click_ids,
    has_unexpanded,
    hashed_person,
)
from tnc.campaigns.platforms.messages import Answer, HttpRequest, json_request
from tnc.campaigns.platforms.outcome import Outcome, by_status, done, drop, retry, stop, throttled
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.fields import money
from tnc.core.models import Click, Destination
from tnc.core.shapes import Secret

# A cookie of Meta's own parameter builder ends with one more part of eight characters.
_FORMS: Final[Forms] = {
    "fbclid": ANY_ID,
    "_fbc": re.compile(r"fb\.[0-9]\.[1-9][0-9]{12}\.[A-Za-z0-9_.~-]+"),
    "_fbp": re.compile(r"fb\.[0-9]\.[1-9][0-9]{12}\.[0-9]+(\.[A-Za-z0-9_-]{8})?"),
}

_PERSON: Final = {
    "em": ("em", normalize.email),
    "ph": ("ph", normalize.phone),
    "fn": ("fn", normalize.name),
    "ln": ("ln", normalize.name),
    "ge": ("ge", normalize.gender),
    "db": ("db", normalize.birthday),
    "ct": ("ct", normalize.name),
    "st": ("st", normalize.state),
    "zp": ("zp", normalize.postcode),
}

# data_processing_options_state, for country 1 (United States)
_LIMITED_STATES: Final = {
    "CA": 1000, "CO": 1001, "CT": 1002, "FL": 1003, "OR": 1004, "TX": 1005, "MT": 1006,
    "DE": 1007, "NE": 1008, "NH": 1009, "NJ": 1010, "MN": 1011, "MD": 1012, "RI": 1013,
}  # fmt: skip

_THROTTLED: Final = frozenset({4, 17, 32, 613, 80003})
_TRANSIENT: Final = frozenset({1, 2, 341, 368, 5000, 21009})
_OPERATOR: Final = frozenset({10, 190, 200})
_NO_SUCH_PIXEL: Final = (100, 33)
_THROTTLED_PAUSE_MS: Final = 5 * 60 * 1000

# Events older than seven days make Meta refuse the whole request; four hours are left for the last attempt.
_MAX_AGE_MS: Final = 7 * DAY_MS - 4 * HOUR_MS


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    token = first.get("access_token")
    payload: dict[str, Any] = {"data": [_event(each) for each in batch]}
    if code := first.find("test_event_code"):
        payload["test_event_code"] = code
    # In the body, not in the URL: URLs are written to logs on the way.
    payload["access_token"] = token
    if app_secret := first.find("app_secret"):
        payload["appsecret_proof"] = hmac.new(app_secret.encode(), token.encode(), "sha256").hexdigest()
    url = f"{first.base_url}/{first.get('api_version')}/{first.get('pixel')}/events"
    return json_request(url, payload, secrets=first.secrets)


def _event(delivery: Delivery) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_name": delivery.event_name,
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
        **click_ids(delivery.click, "_fbp", forms=_FORMS),
    }
    if delivery.mode == "full":
        country = normalize.country_code(visit.country or "")
        found["country"] = country and normalize.hashed(country)
        found["external_id"] = visit.visitor and normalize.hashed(visit.visitor)
        found |= hashed_person(delivery, _PERSON)
    return {name.removeprefix("_"): value for name, value in found.items() if value}


def fbc(click: Click) -> str | None:
    """Meta's click id: the browser's `_fbc` cookie if it is of the same ad click, else made from `fbclid`.

    `fb.<subdomain index>.<ms when first seen>.<fbclid>`, with index 1 on a server; case and length of `fbclid` stay.
    """
    found = click_ids(click, "_fbc", "fbclid", forms=_FORMS)
    cookie, fbclid = found.get("_fbc"), found.get("fbclid")
    if fbclid is None or (cookie is not None and fbclid in cookie.split(".")):
        return cookie
    return f"fb.1.{click.clicked_at_ms}.{fbclid}"


def _custom_data(delivery: Delivery, event_name: str) -> dict[str, Any]:
    value, currency = money(delivery.value_micros), delivery.conversion.currency
    if value is not None and currency is not None:
        return {"value": value, "currency": currency}
    # Meta refuses a Purchase without value and currency; zero is the same in every currency.
    return {"value": 0, "currency": currency or "USD"} if event_name == "Purchase" else {}


def _limited(delivery: Delivery) -> dict[str, Any]:
    """Limited Data Use. With country 0 and state 0 Meta locates the visitor itself."""
    visit = delivery.click.visit
    code = normalize.state_code(visit.country, visit.region) or ""
    state = _LIMITED_STATES.get(code, 0) if visit.country == "US" else 0
    return {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": 1 if state else 0,
        "data_processing_options_state": state,
    }


def check_click(delivery: Delivery) -> SkipReason | None:
    """A website event needs the user agent, and a click id, a cookie or the IP address to match the visitor by."""
    click = delivery.click
    if has_unexpanded(click, *_FORMS):
        return "macro-unexpanded"
    known = click.visit.user_agent and (click_ids(click, *_FORMS, forms=_FORMS) or click.visit.ip)
    return None if known else "no-click-id"


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    found = answer.json()
    if found is None:
        return throttled("http-429", answer) if answer.status == 429 else retry("not-json", answer)
    error = found.get("error")
    if isinstance(error, dict):
        return _read_error(error, answer)
    outcome = by_status(answer)
    if outcome.kind != "done":
        return outcome
    if not isinstance(found.get("events_received"), int):
        return retry("no-events-received", answer)
    trace = found.get("fbtrace_id")
    return done(trace if isinstance(trace, str) else None)


def _read_error(error: dict[str, Any], answer: Answer) -> Outcome:
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    reason = f"meta-{code}" + (f"/{subcode}" if subcode else "")
    if code in _THROTTLED or answer.status == 429:
        return throttled(reason, answer, pause_ms=_THROTTLED_PAUSE_MS)
    if code in _OPERATOR:
        return stop(f"{reason}: Meta does not accept the access token or its rights; put a new one")
    if (code, subcode) == _NO_SUCH_PIXEL:
        return stop(f"{reason}: no such pixel, or the token has no right to it; check both")
    if answer.status >= 500 or error.get("is_transient") is True or code in _TRANSIENT:
        return retry(reason, answer)
    return drop(reason)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


META: Final = Platform(
    type="meta",
    keys={
        "pixel": keys.pixel(
            "id of the pixel or data set", "Events Manager, Data sources: the number under the pixel's name"
        ),
        "access_token": keys.access_token(
            "Events Manager, the pixel, Settings, Conversions API, Generate access token"
        ),
        "app_secret": PlatformKey(
            shape=Secret(),
            text="signs each request",
            where="only if your app requires proof: developers.facebook.com, your app, Settings, Basic",
        ),
        "api_version": keys.api_version("Graph API", "v26.0", "leave it; raise it when Meta says that a version ends"),
        "test_event_code": keys.test_code("Events Manager, Test events"),
        "page": keys.PAGE,
    },
    base_url="https://graph.facebook.com",
    event_names={"sale": "Purchase", "lead": "Lead"},
    click_ids=("fbclid",),
    cookies=("_fbc", "_fbp"),
    receiver=Receiver(
        name="Meta",
        countries="IE, US",
        gets="click id of the platform, time, value; address and user agent where consent allows it",
        visitor_sentence=advertising_sentence("Meta"),
        after_erasure="Meta has no call to delete an event; delete it by hand in the data set, or ask its support.",
    ),
    test_events="code",
    build=build,
    read_answer=read_answer,
    check_click=check_click,
    batch_limit=500,  # a thousand are allowed, but a request should stay below a megabyte
    give_up_after_ms=_MAX_AGE_MS,
    max_age_ms=_MAX_AGE_MS,
    limited_mode=True,
)
