"""Google Ads API, upload of click conversions: for owners whose developer token was allowed before June 2026.

Facts: google-ads 34.0.0 (v23 to v26).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tnc.campaigns.platforms import normalize
from tnc.campaigns.platforms.base import Delivery, Platform, PlatformKey, hashed_person
from tnc.campaigns.platforms.google import (
    CLICK_IDS,
    RECEIVER,
    check_click,
    click_id_field,
    consent,
    grant,
    keys,
    read_error,
    reasons,
    request_group,
)
from tnc.campaigns.platforms.keys import api_version
from tnc.campaigns.platforms.messages import Answer, HttpRequest, json_request
from tnc.campaigns.platforms.outcome import SIX_HOURS_MS, Outcome, done, drop, retry, stop
from tnc.core.clock import DAY_MS
from tnc.core.fields import money
from tnc.core.models import Destination
from tnc.core.shapes import Secret

_PERSON: Final = {"em": ("hashedEmail", normalize.google_email), "ph": ("hashedPhoneNumber", normalize.e164)}

_ALREADY_THERE: Final = frozenset({
    "CLICK_CONVERSION_ALREADY_EXISTS", "ORDER_ID_ALREADY_IN_USE", "DUPLICATE_CLICK_CONVERSION_IN_REQUEST",
    "DUPLICATE_ORDER_ID", "CONVERSION_ALREADY_RETRACTED",
})  # fmt: skip
_TOO_EARLY: Final = frozenset({"TOO_RECENT_EVENT", "TOO_RECENT_CONVERSION_ACTION", "TOO_RECENT_CONVERSION"})
_OPERATOR: Final = frozenset({
    "NO_CONVERSION_ACTION_FOUND", "INVALID_CONVERSION_ACTION_TYPE", "INVALID_CONVERSION_ACTION",
    "UNAUTHORIZED_CUSTOMER", "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
    "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID",
    "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE", "DEVELOPER_TOKEN_NOT_APPROVED", "DEVELOPER_TOKEN_PROHIBITED",
    "USER_PERMISSION_DENIED", "CUSTOMER_NOT_ENABLED",
})  # fmt: skip
_TRANSIENT: Final = frozenset({"INTERNAL_ERROR", "TRANSIENT_ERROR"})


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    converts = first.kind == "convert"
    method, rows, row_of = _CONVERSIONS if converts else _ADJUSTMENTS
    payload: dict[str, Any] = {rows: [row_of(each) for each in batch], "partialFailure": True}
    if first.click.test:
        payload["validateOnly"] = True
    url = f"{first.base_url}/{first.get('api_version')}/customers/{first.get('account')}:{method}"
    headers = {"developer-token": first.get("developer_token")}
    if login := first.find("login_account"):
        headers["login-customer-id"] = login
    return json_request(url, payload, headers=headers, secrets=first.secrets, grant=grant(first))


def _conversion(delivery: Delivery) -> dict[str, Any]:
    row: dict[str, Any] = {
        **click_id_field(delivery),
        "conversionAction": _action(delivery),
        "conversionDateTime": _time(delivery.first_event_ms),
        "orderId": delivery.conversion_event_id,
    }
    value, currency = money(delivery.value_micros), delivery.conversion.currency
    if value is not None and currency is not None:
        row |= {"conversionValue": value, "currencyCode": currency}
    if answer := consent(delivery, "GRANTED", "DENIED"):
        row["consent"] = answer
    if identifiers := hashed_person(delivery, _PERSON):
        row["userIdentifiers"] = [{name: value} for name, value in identifiers.items()]
    return row


def _adjustment(delivery: Delivery) -> dict[str, Any]:
    row: dict[str, Any] = {
        "conversionAction": _action(delivery),
        "adjustmentType": "RETRACTION" if delivery.kind == "retract" else "RESTATEMENT",
        "orderId": delivery.conversion_event_id,
        "adjustmentDateTime": _time(delivery.at_ms),
    }
    if delivery.kind == "adjust":
        value = {"adjustedValue": money(delivery.value_micros) or 0}
        currency = delivery.conversion.currency
        row["restatementValue"] = value | ({"currencyCode": currency} if currency else {})
    return row


Row = Callable[[Delivery], dict[str, Any]]
_CONVERSIONS: Final[tuple[str, str, Row]] = ("uploadClickConversions", "conversions", _conversion)
_ADJUSTMENTS: Final[tuple[str, str, Row]] = ("uploadConversionAdjustments", "conversionAdjustments", _adjustment)


def _action(delivery: Delivery) -> str:
    return f"customers/{delivery.get('account')}/conversionActions/{delivery.get('conversion_action')}"


def _time(time_ms: int) -> str:
    """`2026-11-23 14:05:06+00:00`: Google refuses a time without zone, or with T or Z."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat(sep=" ")


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    """HTTP 200 may still name rows that failed, by their index in the request."""
    found = answer.json() or {}
    if not 200 <= answer.status < 300:
        codes = reasons(found.get("error"))
        outcome = read_error(answer, codes, operator=_OPERATOR)
        return outcome or drop(" ".join(sorted(codes)) or f"http-{answer.status}")
    if not found:
        return retry("not-json", answer)
    partial = found.get("partialFailureError")
    if not isinstance(partial, dict):
        return done()
    rows = dict(_failed_rows(partial))
    if None in rows or not rows:
        return _read_row(reasons(partial))
    return Outcome(kind="done", rows={row: outcome for row, outcome in rows.items() if row is not None})


def _failed_rows(partial: dict[str, Any]) -> Iterator[tuple[int | None, Outcome]]:
    for detail in partial.get("details", []):
        for error in detail.get("errors", []):
            path = error.get("location", {}).get("fieldPathElements", [])
            indices = [each["index"] for each in path if isinstance(each.get("index"), int)]
            # Protocol buffers leave out an index of zero.
            at_row = bool(path) and path[0].get("fieldName") in ("conversions", "conversion_adjustments")
            row = indices[0] if indices else 0 if at_row else None
            yield row, _read_row(reasons(error.get("errorCode")))


def _read_row(codes: set[str]) -> Outcome:
    reason = " ".join(sorted(codes)) or "no-reason"
    if codes and codes <= _ALREADY_THERE:
        return done()
    if codes & _OPERATOR:
        return stop(f"{reason}: check the conversion action and the account in Google Ads")
    if codes & _TOO_EARLY:
        return retry(reason, pause_ms=SIX_HOURS_MS)
    return retry(reason) if codes & _TRANSIENT else drop(reason)


GOOGLE_ADS: Final = Platform(
    type="google-ads",
    keys={
        **keys("Google Ads API", "adwords"),
        "developer_token": PlatformKey(
            shape=Secret(),
            text="of the manager account",
            where="the manager account, Tools, API center",
            needed=True,
        ),
        "api_version": api_version("Google Ads API", "v26", "leave it; raise it when Google says that a version ends"),
    },
    base_url="https://googleads.googleapis.com",
    event_names={},
    click_ids=CLICK_IDS,
    receiver=RECEIVER,
    test_events="validated",
    build=build,
    read_answer=read_answer,
    check_click=check_click,
    request_group=request_group,
    batch_limit=2000,
    give_up_after_ms=90 * DAY_MS,
    max_age_ms=90 * DAY_MS,
    adjust_after_ms=DAY_MS,
    takes_adjustments=True,
)
