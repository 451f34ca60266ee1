"""A strict fake of the upload of click conversions and their adjustments in the Google Ads API."""

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
    integer,
    listing,
    number,
    one_of,
    plain,
    table,
    text,
)  # fmt: skip

DAY = 24 * 3600

TIME = text(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d")
ACTION = text(r"customers/[0-9]{10}/conversionActions/[0-9]+")
ORDER = text(r"[^@\s]{1,64}")  # an e-mail address is no order id
ANSWER = one_of("GRANTED", "DENIED")
IDENTIFIERS = ("gclid", "gbraid", "wbraid")
CONVERSION = table(
    {"conversionAction": ACTION, "conversionDateTime": TIME},
    {
        **dict.fromkeys(IDENTIFIERS, plain(r"[A-Za-z0-9_.-]+")),
        "conversionValue": number,
        "currencyCode": CURRENCY,
        "orderId": ORDER,
        "userIdentifiers": listing(table({}, {"hashedEmail": HASH, "hashedPhoneNumber": HASH}), least=1, most=5),
        "consent": table({}, {"adUserData": ANSWER, "adPersonalization": ANSWER}),
    },
)
ADJUSTMENT = table(
    {"conversionAction": ACTION, "adjustmentType": one_of("RETRACTION", "RESTATEMENT"), "adjustmentDateTime": TIME},
    {"orderId": ORDER, "restatementValue": table({"adjustedValue": number}, {"currencyCode": CURRENCY})},
)
COMMON = {"validateOnly": boolean, "jobId": integer(0, 2**31 - 1)}
CONVERSIONS = table({"conversions": listing(CONVERSION, most=2000), "partialFailure": one_of(True)}, COMMON)
ADJUSTMENTS = table({"conversionAdjustments": listing(ADJUSTMENT, most=2000), "partialFailure": one_of(True)}, COMMON)


@dataclass(kw_only=True)
class GoogleAds(Google):
    account: str = "1234567890"
    conversion_action: str = "987654321"
    developer_token: str = "devtoken"
    allowed: bool = True
    orders: dict[str, float] = field(default_factory=dict)  # order id -> time of the conversion

    def check_access(self, request: web.Request) -> web.Response | None:
        if not self.is_known(request):
            return unauthenticated()
        if request.headers.get("developer-token") != self.developer_token:
            return failure(403, "authenticationError", "DEVELOPER_TOKEN_NOT_APPROVED")
        if not request.headers.get("login-customer-id", "0").isdigit():
            return failure(400, "requestError", "INVALID_INPUT")
        if request.match_info["account"] != self.account:
            return failure(403, "authorizationError", "USER_PERMISSION_DENIED")
        return None if self.allowed else failure(403, "authorizationError", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE")

    def bad_conversion(self, row: dict[str, Any]) -> str | None:
        ids = [name for name in IDENTIFIERS if name in row]
        happened = seconds(row["conversionDateTime"])
        if not row["conversionAction"].endswith(f"/{self.conversion_action}"):
            return "NO_CONVERSION_ACTION_FOUND"
        if len(ids) != 1:
            return "GBRAID_WBRAID_BOTH_SET" if ids else "UNPARSEABLE_GCLID"
        if row[ids[0]].startswith("bad"):
            return "UNPARSEABLE_GCLID"
        if happened > self.now() + 60:
            return "FUTURE_CONVERSION"
        if self.now() - happened > 90 * DAY:
            return "EXPIRED_EVENT"
        return "ORDER_ID_ALREADY_IN_USE" if row.get("orderId") in self.orders else None

    def bad_adjustment(self, row: dict[str, Any]) -> str | None:
        happened = self.orders.get(row.get("orderId", ""))
        if happened is None:
            return "CONVERSION_NOT_FOUND"
        if self.now() - happened < DAY:
            return "TOO_RECENT_CONVERSION"
        if (row["adjustmentType"] == "RESTATEMENT") != ("restatementValue" in row):
            return "MISSING_ADJUSTED_VALUE"
        return "CONVERSION_EXPIRED" if self.now() - happened > 54 * DAY else None

    async def conversions(self, request: web.Request) -> web.Response:
        return await self.take(request, "conversions")

    async def adjustments(self, request: web.Request) -> web.Response:
        return await self.take(request, "conversionAdjustments")

    async def take(self, request: web.Request, rows: str) -> web.Response:
        if refusal := self.check_access(request):
            return refusal
        body = await read_json(request)
        converts = rows == "conversions"
        try:
            (CONVERSIONS if converts else ADJUSTMENTS)("body", body)
        except BadError as error:
            self.refusals.append(str(error))
            return problem(400, "INVALID_ARGUMENT", str(error))
        errors, results = [], []
        for place, row in enumerate(body[rows]):
            code = self.bad_conversion(row) if converts else self.bad_adjustment(row)
            results.append({} if code else {"conversionAction": row["conversionAction"]})
            if code:
                errors.append(row_error(code, rows, place, converts=converts))
            elif not body.get("validateOnly"):
                self.events.append(row)
                if converts and "orderId" in row:
                    self.orders[row["orderId"]] = seconds(row["conversionDateTime"])
        answer: dict[str, Any] = {"results": results, "jobId": "123"}
        if errors:
            kind = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
            answer["partialFailureError"] = {
                "code": 3,
                "message": "bad rows",
                "details": [{"@type": kind, "errors": errors}],
            }
        return web.json_response(answer)


def row_error(code: str, rows: str, place: int, *, converts: bool) -> dict[str, Any]:
    kind = "conversionUploadError" if converts else "conversionAdjustmentUploadError"
    name = "conversions" if converts else "conversion_adjustments"
    return {
        "errorCode": {kind: code},
        "message": "The row was refused.",
        "trigger": {"stringValue": "SOMEONES_CLICK_ID"},
        "location": {"fieldPathElements": [{"fieldName": name, "index": place}, {"fieldName": "gclid"}]},
    }


def failure(status: int, kind: str, code: str) -> web.Response:
    details: list[dict[str, object]] = [{"errors": [{"errorCode": {kind: code}, "message": "Refused."}]}]
    return problem(status, "PERMISSION_DENIED" if status == 403 else "INVALID_ARGUMENT", "Refused.", details)


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def app(ads: GoogleAds) -> web.Application:
    return ads.app([
        web.post("/token", ads.token),
        web.post("/v26/customers/{account:[0-9]+}:uploadClickConversions", ads.conversions),
        web.post("/v26/customers/{account:[0-9]+}:uploadConversionAdjustments", ads.adjustments),
    ])  # fmt: skip


if __name__ == "__main__":
    start(lambda: app(GoogleAds()), "Google Ads")
