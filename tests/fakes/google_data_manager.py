"""A strict fake of Google's Data Manager API: it accepts first and reports the result later."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.fakes.google_oauth import Google, problem, unauthenticated
from tests.fakes.receiver import read_json, start
from tests.fakes.strict import (
    CURRENCY,
    HASH,
    BadError,
    boolean,
    listing,
    need,
    number,
    one_of,
    plain,
    table,
    text,
)  # fmt: skip

QUARTER = 90 * 24 * 3600
IDENTIFIERS = ("gclid", "gbraid", "wbraid")

TIME = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
ACCOUNT = table({"accountType": one_of("GOOGLE_ADS"), "accountId": text(r"[0-9]{10}")})
DESTINATION = table(
    {"operatingAccount": ACCOUNT, "productDestinationId": text(r"[0-9]{1,20}")},
    {"reference": text(), "loginAccount": ACCOUNT},
)
ANSWER = one_of("CONSENT_GRANTED", "CONSENT_DENIED")
EVENT = table(
    {"eventTimestamp": TIME, "eventSource": one_of("WEB"), "transactionId": text(r".{1,64}")},
    {
        "lastUpdatedTimestamp": TIME,
        "adIdentifiers": table({}, dict.fromkeys(IDENTIFIERS, plain(r"[A-Za-z0-9_.-]+"))),
        "currency": CURRENCY,
        "conversionValue": number,
        "consent": table({"adUserData": ANSWER, "adPersonalization": ANSWER}),
        "userData": table(
            {"userIdentifiers": listing(table({}, {"emailAddress": HASH, "phoneNumber": HASH}), least=1, most=10)}
        ),
    },
)
BODY = table(
    {"destinations": listing(DESTINATION, least=1, most=10), "events": listing(EVENT, least=1, most=2000)},
    {"consent": table({}, {"adUserData": ANSWER, "adPersonalization": ANSWER}), "validateOnly": boolean,
     "encoding": one_of("HEX", "BASE64")},
)  # fmt: skip


@dataclass(kw_only=True)
class DataManager(Google):
    account: str = "1234567890"
    conversion_action: str = "987654321"
    reasons: dict[str, Counter[str]] = field(default_factory=dict)  # request id -> why records were not taken
    sizes: dict[str, int] = field(default_factory=dict)
    processing: int = 0  # answers PROCESSING so many times first

    def check(self, body: Any) -> None:
        BODY("body", body)
        for destination in body["destinations"]:
            need(destination["operatingAccount"]["accountId"] == self.account, "destinations", "", "PERMISSION_DENIED")
            known = destination["productDestinationId"] == self.conversion_action
            need(known, "destinations", "no such conversion action", "INVALID_CONVERSION_ACTION_ID")
        for place, event in enumerate(body["events"]):
            where = f"events[{place}]"
            person = "userData" in event
            count = len(event.get("adIdentifiers", {}))
            need(count <= 1 and (count == 1 or person), where, "not one identifier", "NO_IDENTIFIERS_PROVIDED")
            need(not person or "encoding" in body, where, "encoding is missing", "REQUIRED_FIELD_MISSING")
            need(("currency" in event) == ("conversionValue" in event), where, "value and currency belong together")
            times = [event[name] for name in ("eventTimestamp", "lastUpdatedTimestamp") if name in event]
            need(all(seconds(time) <= self.now() + 60 for time in times), where, "future", "EVENT_TIME_INVALID")

    def why_not(self, event: dict[str, Any]) -> str | None:
        if event.get("consent", {}).get("adUserData") == "CONSENT_DENIED":
            return "PROCESSING_ERROR_REASON_DENIED_CONSENT"
        if self.now() - seconds(event["eventTimestamp"]) > QUARTER:
            return "PROCESSING_ERROR_REASON_EVENT_TOO_OLD"
        if any(value.startswith("bad") for value in event.get("adIdentifiers", {}).values()):
            return "PROCESSING_ERROR_REASON_INVALID_GCLID"
        known = [each for each in self.events if each["transactionId"] == event["transactionId"]]
        return "PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID" if event in known else None

    async def take(self, request: web.Request) -> web.Response:
        if not self.is_known(request):
            return unauthenticated()
        body = await read_json(request)
        try:
            self.check(body)
        except BadError as error:
            self.refusals.append(str(error))
            violation = {"field": error.where, "description": str(error), "reason": error.code}
            denied = error.code == "PERMISSION_DENIED"
            details: list[dict[str, object]] = [
                {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
            ]
            if denied:
                return problem(403, "PERMISSION_DENIED", "The caller does not have permission")
            return problem(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", details)
        receipt = f"req-{len(self.sizes)}"
        if not body.get("validateOnly"):
            why = [self.why_not(event) for event in body["events"]]
            self.reasons[receipt] = Counter(each for each in why if each is not None)
            self.events += [event for event, each in zip(body["events"], why, strict=True) if each is None]
        self.sizes[receipt] = len(body["events"])
        return web.json_response({"requestId": receipt, "fieldWarnings": []})

    async def status(self, request: web.Request) -> web.Response:
        receipt = request.query.get("requestId", "")
        if not self.is_known(request):
            return unauthenticated()
        if receipt not in self.sizes:
            return problem(404, "NOT_FOUND", "Request not found")
        reasons, size = self.reasons.get(receipt, Counter()), self.sizes[receipt]
        bad = sum(reasons.values())
        status = "SUCCESS" if not bad else "FAILED" if bad == size else "PARTIAL_SUCCESS"
        if self.processing:
            self.processing -= 1
            status, bad = "PROCESSING", 0
        found: dict[str, Any] = {"requestStatus": status, "eventsIngestionStatus": {"recordCount": str(size)}}
        if bad:
            counts = [{"reason": reason, "recordCount": str(count)} for reason, count in reasons.items()]
            found["errorInfo"] = {"errorCounts": counts}
        return web.json_response({"requestStatusPerDestination": [found]})


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def app(manager: DataManager) -> web.Application:
    return manager.app([
        web.post("/token", manager.token),
        web.post("/v1/events:ingest", manager.take),
        web.get("/v1/requestStatus:retrieve", manager.status),
    ])  # fmt: skip


if __name__ == "__main__":
    start(lambda: app(DataManager()), "Google Data Manager")
