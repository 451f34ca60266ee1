"""A strict fake of Meta's Conversions API."""

import hmac
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.receiver import Receiver, read_json, start
from tests.fakes.strict import (
    CURRENCY,
    HASH,
    HTTP_URL,
    BadError,
    address,
    boolean,
    integer,
    listing,
    need,
    number,
    one_of,
    one_or_many,
    plain,
    table,
    text,
)

WEEK = 7 * 24 * 3600

PERSON = one_or_many(HASH)
USER_DATA = table(
    {},
    {
        **dict.fromkeys(("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id"), PERSON),
        "client_ip_address": address,
        "client_user_agent": plain(),
        "fbc": text(r"fb\.[0-2]\.[0-9]{13}\.[A-Za-z0-9_.~-]+"),
        "fbp": text(r"fb\.[0-2]\.[0-9]{13}\.[0-9]+"),
    },
)
CUSTOM_DATA = table(
    {},
    {
        "value": number,
        "currency": CURRENCY,
        "order_id": text(),
        "content_ids": listing(text()),
        "content_name": text(),
        "num_items": integer(0, 10**6),
    },
)
EVENT = table(
    {
        "event_name": text(r".{1,50}"),
        "event_time": integer(0, 10**12),
        "action_source": one_of(
            "email",
            "website",
            "app",
            "phone_call",
            "chat",
            "physical_store",
            "system_generated",
            "business_messaging",
            "other",
        ),
        "user_data": USER_DATA,
    },
    {
        "event_id": text(r".{1,100}"),
        "event_source_url": HTTP_URL,
        "custom_data": CUSTOM_DATA,
        "opt_out": boolean,
        "referrer_url": HTTP_URL,
        "data_processing_options": listing(one_of("LDU"), least=0, most=1),
        "data_processing_options_country": integer(0, 1),
        "data_processing_options_state": integer(0, 1013),
    },
)
BODY = table(
    {"data": listing(table({}, {}), least=1, most=1000)},
    {"access_token": text(), "appsecret_proof": HASH, "test_event_code": text(r"TEST[0-9]+"), "partner_agent": text()},
)

# Meta refuses events whose user_data has only these, or some of these.
TOO_LITTLE = (
    {"ct", "country", "st", "zp", "ge", "client_user_agent"},
    {"db", "client_user_agent"},
    {"fn", "ge"},
    {"ln", "ge"},
)


@dataclass(kw_only=True)
class Meta(Receiver):
    pixel: str = "123456789012345"
    token: str = "EAAmetatoken"
    app_secret: str | None = None

    def check_event(self, where: str, event: Any) -> None:
        EVENT(where, event)
        age = self.now() - event["event_time"]
        need(age <= WEEK, where, "event_time is older than seven days", "2804003")
        need(age >= -60, where, "event_time lies in the future", "2804004")
        known = set(event["user_data"])
        need(not any(known <= each for each in TOO_LITTLE), where, "user_data says too little", "2804050")
        if event["action_source"] == "website":
            need("event_source_url" in event, where, "a website event needs event_source_url")
            need("client_user_agent" in known, where, "a website event needs client_user_agent")
        if event["event_name"] == "Purchase":
            need({"value", "currency"} <= set(event.get("custom_data", {})), where, "a Purchase needs its value")
        self.check_limited(where, event)

    def check_limited(self, where: str, event: dict[str, Any]) -> None:
        names = [f"data_processing_options{each}" for each in ("", "_country", "_state")]
        if event.get(names[0]):
            need(all(name in event for name in names), where, "limited use needs country and state")
            country, state = event[names[1]], event[names[2]]
            need(state == 0 or (country == 1 and state >= 1000), where, "no such state")
        else:
            need(names[1] not in event and names[2] not in event, where, "state without limited use")

    def check_access(self, request: web.Request, body: Any) -> web.Response | None:
        given = body if isinstance(body, dict) else {}
        token = request.query.get("access_token", given.get("access_token"))
        if token != self.token:
            return refused(400, 190, "Invalid OAuth access token.", subcode=463)
        if self.app_secret is not None:
            proof = hmac.new(self.app_secret.encode(), self.token.encode(), "sha256").hexdigest()
            if request.query.get("appsecret_proof", given.get("appsecret_proof")) != proof:
                return refused(400, 100, "Invalid appsecret_proof provided in the API argument")
        if request.match_info["pixel"] != self.pixel:
            return refused(400, 100, "Object does not exist", subcode=33)
        return None

    async def take(self, request: web.Request) -> web.Response:
        if not re.fullmatch(r"v[0-9]{2}\.0", request.match_info["version"]):
            return refused(400, 2635, "Unknown version")
        body = await read_json(request)
        if refusal := self.check_access(request, body):
            return refusal
        try:
            need(isinstance(body, dict), "body", "not JSON")
            BODY("body", {**body, "data": [{} for _ in body.get("data", [])]})
            for place, event in enumerate(body["data"]):
                self.check_event(f"data[{place}]", event)
        except BadError as error:
            self.refusals.append(str(error))
            subcode = int(error.code) if error.code.isdigit() else 2804001
            return refused(400, 100, f"Invalid parameter: {error}", subcode=subcode)
        self.events += body["data"]
        return web.json_response({"events_received": len(body["data"]), "messages": [], "fbtrace_id": "AbCdEf123"})


def refused(status: int, code: int, message: str, *, subcode: int | None = None) -> web.Response:
    error = {"message": message, "type": "OAuthException", "code": code, "is_transient": False, "fbtrace_id": "Zz9"}
    return web.json_response({"error": error | ({"error_subcode": subcode} if subcode else {})}, status=status)


def app(meta: Meta) -> web.Application:
    return meta.app([web.post("/{version}/{pixel}/events", meta.take)])


if __name__ == "__main__":
    start(lambda: app(Meta()), "Meta")
