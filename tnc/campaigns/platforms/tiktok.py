"""TikTok Events API 2.0: conversions of visits that came from TikTok ads.

Facts: ads.tiktok.com on deduplication, the official SDK's code table, Segment's and RudderStack's senders of 2026.
"""

from collections.abc import Sequence
from typing import Any, Final

from tnc.campaigns.platforms import keys, normalize
from tnc.campaigns.platforms.base import (
    Delivery,
    Platform,
    Receiver,
    SkipReason,
    advertising_sentence,
    click_ids,
    has_unexpanded,
    hashed_person,
)
from tnc.campaigns.platforms.messages import Answer, HttpRequest, json_request
from tnc.campaigns.platforms.outcome import Outcome, by_status, done, drop, retry, stop, throttled
from tnc.core.clock import DAY_MS
from tnc.core.fields import money
from tnc.core.models import Destination

_PERSON: Final = {
    "em": ("email", normalize.email),
    "ph": ("phone", normalize.e164),
    "fn": ("first_name", normalize.plain_name),
    "ln": ("last_name", normalize.plain_name),
    "zp": ("zip_code", normalize.postcode),
}

_DONE: Final = 0
_PARTLY_DONE: Final = 20001
_THROTTLED: Final = frozenset({40100, 40132})
_WRITE_CONFLICT: Final = 40202
_OPERATOR: Final = frozenset({40001, 40101, 40102, 40103, 40104, 40105})


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    payload: dict[str, Any] = {
        "event_source": "web",
        "event_source_id": first.get("pixel"),
        "data": [_event(each) for each in batch],
    }
    if code := first.find("test_event_code"):
        payload["test_event_code"] = code
    url = f"{first.base_url}/open_api/v1.3/event/track/"
    return json_request(url, payload, headers={"Access-Token": first.get("access_token")}, secrets=first.secrets)


def _event(delivery: Delivery) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event": delivery.event_name,
        "event_time": delivery.at_ms // 1000,
        "event_id": delivery.event_id,
        "user": _user(delivery),
    }
    value, currency = money(delivery.value_micros), delivery.conversion.currency
    if value is not None and currency is not None:
        event["properties"] = {"value": value, "currency": currency}
    if page := delivery.page:
        event["page"] = {"url": page}
    if delivery.mode == "limited":
        event["limited_data_use"] = True
    return event


def _user(delivery: Delivery) -> dict[str, str]:
    visit = delivery.click.visit
    found = {"ip": visit.ip, "user_agent": visit.user_agent, **click_ids(delivery.click, "ttclid", "_ttp")}
    if delivery.mode == "full":
        found["external_id"] = visit.visitor and normalize.hashed(visit.visitor)
        found |= hashed_person(delivery, _PERSON)
    return {name.removeprefix("_"): value for name, value in found.items() if value}


def check_click(delivery: Delivery) -> SkipReason | None:
    """TikTok matches by its click id or cookie, or by IP address and user agent together."""
    ids = click_ids(delivery.click, "ttclid", "_ttp")
    if has_unexpanded(delivery.click, "ttclid", "_ttp"):
        return "macro-unexpanded"
    visit = delivery.click.visit
    return None if ids or (visit.ip and visit.user_agent) else "no-click-id"


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    """TikTok answers HTTP 200 to nearly everything; `code` in the body says what happened."""
    found = answer.json() or {}
    code = found.get("code")
    if not isinstance(code, int):
        outcome = by_status(answer)
        return retry("not-json", answer) if outcome.kind == "done" else outcome
    reason = f"tiktok-{code}"
    if code == _DONE:
        request_id = found.get("request_id")
        return done(request_id if isinstance(request_id, str) else None)
    if code == _PARTLY_DONE:
        return Outcome(kind="split", reason=reason)
    if code in _THROTTLED or answer.status == 429:
        return throttled(reason, answer)
    if code in _OPERATOR:
        return stop(f"{reason}: TikTok does not accept the access token or its rights; put a new one")
    if code == _WRITE_CONFLICT or 50_000 <= code < 60_000 or answer.status >= 500:
        return retry(reason, answer)
    return drop(reason)


TIKTOK: Final = Platform(
    type="tiktok",
    keys={
        "pixel": keys.pixel(
            "code of the pixel", "TikTok Ads Manager, Tools, Events, Web events: the pixel code, letters and digits"
        ),
        "access_token": keys.access_token("TikTok Ads Manager, the pixel, Settings, Events API, Generate access token"),
        "test_event_code": keys.test_code("TikTok Ads Manager, the pixel, Test events"),
        "page": keys.PAGE,
    },
    base_url="https://business-api.tiktok.com",
    event_names={"sale": "Purchase", "lead": "Lead"},
    click_ids=("ttclid",),
    cookies=("_ttp",),
    receiver=Receiver(
        name="TikTok",
        countries="IE, GB, US, SG",
        gets="click id of the platform, time, value; address and user agent where consent allows it",
        visitor_sentence=advertising_sentence("TikTok"),
        after_erasure="TikTok has no call to delete an event; ask its support.",
    ),
    test_events="code",
    build=build,
    read_answer=read_answer,
    check_click=check_click,
    batch_limit=1000,
    give_up_after_ms=7 * DAY_MS,
    limited_mode=True,
)
