"""Snapchat Conversions API v3: conversions of visits that came from Snapchat ads.

Facts: developers.snap.com, Conversions API (Using the API, Parameters, Deduplication, Verify Set Up) as of 2026, Snap's
business-sdk-v3-java, Segment's and RudderStack's senders of 2026.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from tnc.campaigns.platforms import keys, normalize
from tnc.campaigns.platforms.base import (
    Delivery,
    Forms,
    Platform,
    Receiver,
    SkipReason,
    advertising_sentence,
    click_id,
    click_ids,
    has_unexpanded,
    hashed_person,
)
from tnc.campaigns.platforms.messages import Answer, HttpRequest, json_request
from tnc.campaigns.platforms.outcome import Outcome, by_status, done, drop, retry, stop
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.fields import money
from tnc.core.models import Destination

_CLICK_IDS: Final = ("ScCid", "sccid")
_COOKIE: Final = "_scid"
# Snapchat publishes no form; those seen are UUIDs. A real id that is left out costs a conversion, so the form is wide.
_FORMS: Final[Forms] = dict.fromkeys(_CLICK_IDS, re.compile(r"[0-9A-Za-z-]{8,64}"))

_PERSON: Final = {
    "em": ("em", normalize.email),
    "ph": ("ph", normalize.phone),
    "fn": ("fn", normalize.name),
    "ln": ("ln", normalize.name),
    "ge": ("ge", normalize.gender),
    "ct": ("ct", normalize.name),
    "st": ("st", normalize.state),
    "zp": ("zp", normalize.postcode),
}

# The parameter reference says seven days, the introduction 37: the shorter one is safe. Four hours are left for the
# last attempt.
_MAX_AGE_MS: Final = 7 * DAY_MS - 4 * HOUR_MS

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    validate = "/validate" if first.click.test else ""
    token = quote(first.get("access_token"), safe="")
    url = f"{first.base_url}/v3/{first.get('pixel')}/events{validate}?access_token={token}"
    return json_request(url, {"data": [_event(each) for each in batch]}, secrets=first.secrets)


def _event(delivery: Delivery) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_name": delivery.event_name,
        "event_time": delivery.at_ms // 1000,
        "event_id": delivery.event_id,
        "action_source": "WEB",
    }
    if page := delivery.page:
        event["event_source_url"] = page
    event["user_data"] = _user_data(delivery)
    if custom_data := _custom_data(delivery):
        event["custom_data"] = custom_data
    if delivery.mode == "limited":
        event["data_processing_options"] = ["LMU"]
    return event


def _user_data(delivery: Delivery) -> dict[str, str | list[str]]:
    visit = delivery.click.visit
    found = click_id(delivery.click, *_CLICK_IDS, forms=_FORMS)
    plain = {
        "client_ip_address": visit.ip,
        "client_user_agent": visit.user_agent,
        "sc_click_id": found and found[1],
        "sc_cookie1": click_ids(delivery.click, _COOKIE).get(_COOKIE),
    }
    hashes: dict[str, str] = {}
    if delivery.mode == "full":
        if code := normalize.country_code(visit.country or ""):
            hashes["country"] = normalize.hashed(code)
        if visit.visitor:
            hashes["external_id"] = normalize.hashed(visit.visitor)
        hashes |= hashed_person(delivery, _PERSON)
    return {name: value for name, value in plain.items() if value} | {name: [each] for name, each in hashes.items()}


def _custom_data(delivery: Delivery) -> dict[str, Any]:
    value, currency = money(delivery.value_micros), delivery.conversion.currency
    if value is not None and currency is not None:
        return {"value": value, "currency": currency}
    # Snapchat refuses a PURCHASE without value and currency; zero is the same in every currency.
    return {"value": 0, "currency": currency or "USD"} if delivery.event_name == "PURCHASE" else {}


def check_click(delivery: Delivery) -> SkipReason | None:
    """Snapchat refuses an event without e-mail, phone, or IP address and user agent, also if it has a click id."""
    click = delivery.click
    if has_unexpanded(click, *_CLICK_IDS, _COOKIE):
        return "macro-unexpanded"
    known = (click.visit.ip and click.visit.user_agent) or {"em", "ph"} & hashed_person(delivery, _PERSON).keys()
    return None if known else "no-click-id"


def request_group(delivery: Delivery) -> str:
    """Tests go to another URL, where nothing counts."""
    return "test" if delivery.click.test else ""


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    """HTTP 200 may carry a refusal; `status` in the body says `VALID` or `INVALID`."""
    found = answer.json() or {}
    if answer.status in (401, 403):
        return stop(f"http-{answer.status}: Snapchat does not accept the access token for this pixel; put a new one")
    if answer.status == 404:
        return stop("http-404: Snapchat does not know this pixel; check it")
    outcome = by_status(answer)
    if found.get("status") == "INVALID" and outcome.kind in ("done", "drop"):
        return drop(" ".join(dict.fromkeys(_codes(found))) or f"http-{answer.status}: invalid")
    if outcome.kind != "done":
        return outcome
    return done() if found.get("status") == "VALID" else retry("no-status", answer)


def _codes(found: Any) -> Iterator[str]:
    """The error codes of a refusal and of its `event_logs`, without the messages: those may quote personal data."""
    errors = found.get("errors")
    codes = errors.get("codes") if isinstance(errors, dict) else None
    for code in codes if isinstance(codes, list) else ():
        if isinstance(code, str) and _CODE.fullmatch(code):
            yield f"snapchat-{code}"
    logs = found.get("event_logs")
    for log in logs if isinstance(logs, list) else ():
        if isinstance(log, dict):
            yield from _codes(log)


SNAPCHAT: Final = Platform(
    type="snapchat",
    keys={
        "pixel": keys.pixel("id of the Snap pixel", "Snapchat Ads Manager, Events Manager, the pixel: Pixel ID"),
        "access_token": keys.access_token(
            "Snapchat Ads Manager, Business Details, Conversions API Tokens: Generate Token, as an admin of the "
            "organization that owns the pixel"
        ),
        "page": keys.PAGE,
    },
    base_url="https://tr.snapchat.com",
    event_names={"sale": "PURCHASE", "lead": "SIGN_UP"},
    click_ids=_CLICK_IDS,
    cookies=(_COOKIE,),
    receiver=Receiver(
        name="Snap",
        countries="NL, GB, US",
        gets="click id of the platform, time, value; address and user agent where consent allows it",
        visitor_sentence=advertising_sentence("Snapchat"),
        after_erasure="Snapchat has no call to delete an event; ask its support.",
    ),
    test_events="validated",
    build=build,
    read_answer=read_answer,
    check_click=check_click,
    request_group=request_group,
    batch_limit=2000,
    give_up_after_ms=_MAX_AGE_MS,
    max_age_ms=_MAX_AGE_MS,
    limited_mode=True,
)
