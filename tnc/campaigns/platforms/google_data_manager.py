"""Google Data Manager API: conversions of visits that came from Google ads, for every owner.

Facts: google-ads-datamanager 0.9.4 and developers.google.com/data-manager of 2026. The upload method of the
Google Ads API is closed to newcomers since June 2026; this one needs no developer token.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tnc.campaigns.platforms import normalize
from tnc.campaigns.platforms.base import Confirmation, Delivery, Platform, hashed_person
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
from tnc.campaigns.platforms.messages import Answer, HttpRequest, json_request
from tnc.campaigns.platforms.outcome import SIX_HOURS_MS, Outcome, by_status, done, drop, retry, stop
from tnc.core.clock import DAY_MS
from tnc.core.fields import money, rfc3339
from tnc.core.models import Destination

_PERSON: Final = {"em": ("emailAddress", normalize.google_email), "ph": ("phoneNumber", normalize.e164)}

_OPERATOR: Final = frozenset({
    "NOT_ALLOWLISTED", "TERMS_AND_CONDITIONS_NOT_SIGNED", "INVALID_DESTINATION", "INVALID_CONVERSION_ACTION_ID",
    "INVALID_CONVERSION_ACTION_TYPE", "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH",
    "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED", "EVENT_SOURCE_AND_DESTINATION_MISMATCH",
    "DESTINATION_ACCOUNT_TYPE_MISMATCH", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED",
})  # fmt: skip

# ProcessingErrorReason, without its prefix
_ALREADY_THERE: Final = frozenset({"DUPLICATE_TRANSACTION_ID", "DUPLICATE_GCLID"})
_TOO_EARLY: Final = frozenset({"TOO_RECENT_CLICK"})
_TRANSIENT: Final = frozenset({"INTERNAL_ERROR"})
_TERMS: Final = frozenset({"DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED"})
_PREFIXES: Final = ("PROCESSING_ERROR_REASON_", "PROCESSING_ERROR_")


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    events = [_event(each) for each in batch]
    payload: dict[str, Any] = {"destinations": [_destination(first)], "events": events}
    if any("userData" in each for each in events):
        payload["encoding"] = "HEX"
    if first.click.test:
        payload["validateOnly"] = True
    url = f"{first.base_url}/v1/events:ingest"
    return json_request(url, payload, secrets=first.secrets, grant=grant(first))


def _destination(delivery: Delivery) -> dict[str, Any]:
    found: dict[str, Any] = {"operatingAccount": _account(delivery.get("account"))}
    if login := delivery.find("login_account"):
        found["loginAccount"] = _account(login)
    return found | {"productDestinationId": delivery.get("conversion_action")}


def _account(identity: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": identity}


def _event(delivery: Delivery) -> dict[str, Any]:
    event: dict[str, Any] = {
        # A correction has the id of the conversion that it corrects.
        "transactionId": delivery.conversion_event_id,
        "eventTimestamp": rfc3339(delivery.first_event_ms),
        "eventSource": "WEB",
        "adIdentifiers": click_id_field(delivery),
    }
    if delivery.kind != "convert":
        event["lastUpdatedTimestamp"] = rfc3339(delivery.at_ms)
    event |= _value(delivery)
    if answer := consent(delivery, "CONSENT_GRANTED", "CONSENT_DENIED"):
        event["consent"] = answer
    if identifiers := hashed_person(delivery, _PERSON):
        event["userData"] = {"userIdentifiers": [{name: value} for name, value in identifiers.items()]}
    return event


def _value(delivery: Delivery) -> dict[str, Any]:
    """Google does not document how to retract a conversion, so its value is restated to 0."""
    value = 0 if delivery.kind == "retract" else money(delivery.value_micros)
    currency = delivery.conversion.currency or ("USD" if value == 0 else None)
    return {} if value is None or currency is None else {"currency": currency, "conversionValue": value}


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    """HTTP 200 says only that the request could be read; what became of the events is asked for later."""
    found = answer.json() or {}
    if 200 <= answer.status < 300:
        receipt = found.get("requestId")
        return Outcome(kind="accepted", receipt=receipt) if isinstance(receipt, str) else retry("no-request-id", answer)
    codes = reasons(found.get("error"))
    return read_error(answer, codes, operator=_OPERATOR) or drop(" ".join(sorted(codes)) or f"http-{answer.status}")


def build_status_request(delivery: Delivery, receipt: str) -> HttpRequest:
    url = f"{delivery.base_url}/v1/requestStatus:retrieve?requestId={receipt}"
    return HttpRequest(method="GET", url=url, secrets=delivery.secrets, grant=grant(delivery))


def read_status(answer: Answer) -> Outcome:
    """What became of an accepted request. Google counts reasons and does not name events: a mixed batch is split and
    sent again, and events that Google has already are refused as duplicates.
    """
    statuses = (answer.json() or {}).get("requestStatusPerDestination")
    if answer.status != 200 or not isinstance(statuses, list) or not statuses:
        outcome = by_status(answer)
        return retry("no-request-status", answer) if outcome.kind in ("done", "drop") else outcome
    status = statuses[0] if isinstance(statuses[0], dict) else {}
    match status.get("requestStatus"):
        case "SUCCESS":
            return done()
        case "FAILED" | "PARTIAL_SUCCESS":
            return _read_reasons(_counted(status))
        case _:
            return Outcome(kind="accepted", reason="processing")


def _counted(status: Mapping[str, Any]) -> set[str]:
    found = set()
    for each in reasons(status.get("errorInfo")):
        prefix = next((prefix for prefix in _PREFIXES if each.startswith(prefix)), "")
        found.add(each.removeprefix(prefix))
    return found


def _read_reasons(codes: set[str]) -> Outcome:
    reason = " ".join(sorted(codes)) or "no-reason"
    if codes & _TERMS:
        return stop(f"{reason}: sign the terms for enhanced conversions in Google Ads")
    if rest := codes - _ALREADY_THERE:
        if rest <= _TOO_EARLY:
            return retry(reason, pause_ms=SIX_HOURS_MS)
        return retry(reason) if rest <= _TRANSIENT else drop(reason)
    return done() if codes else drop(reason)


GOOGLE_DATA_MANAGER: Final = Platform(
    type="google-data-manager",
    keys=keys("Data Manager API", "datamanager"),
    base_url="https://datamanager.googleapis.com",
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
    takes_adjustments=True,
    confirmation=Confirmation(build=build_status_request, read_answer=read_status),
)
