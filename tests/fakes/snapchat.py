"""A strict fake of Snapchat's Conversions API v3.

Snap documents that a refusal has error codes, but not which: those here are made up.
"""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.receiver import Receiver, read_json, start
from tests.fakes.strict import (
    CURRENCY,
    HASH,
    HTTP_URL,
    BadError,
    address,
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

EVENT_NAMES = (
    "PURCHASE", "SAVE", "START_CHECKOUT", "ADD_CART", "VIEW_CONTENT", "ADD_BILLING", "SIGN_UP", "SEARCH", "PAGE_VIEW",
    "SUBSCRIBE", "AD_CLICK", "AD_VIEW", "COMPLETE_TUTORIAL", "LEVEL_COMPLETE", "INVITE", "LOGIN", "SHARE", "RESERVE",
    "ACHIEVEMENT_UNLOCKED", "ADD_TO_WISHLIST", "SPENT_CREDITS", "RATE", "START_TRIAL", "LIST_VIEW", "APP_INSTALL",
    "APP_OPEN", "CUSTOM_EVENT_1", "CUSTOM_EVENT_2", "CUSTOM_EVENT_3", "CUSTOM_EVENT_4", "CUSTOM_EVENT_5",
)  # fmt: skip

USER_DATA = table(
    {},
    {
        **dict.fromkeys(("em", "ph", "fn", "ln", "ge", "ct", "st", "zp", "country", "external_id"), one_or_many(HASH)),
        "client_ip_address": address,
        "client_user_agent": plain(),
        "sc_click_id": plain(),
        "sc_cookie1": plain(),
    },
)
CUSTOM_DATA = table({}, {"value": number, "currency": CURRENCY, "order_id": text(), "num_items": integer(0, 10**6)})
EVENT = table(
    {
        "event_name": one_of(*EVENT_NAMES),
        "event_time": integer(0, 10**12),
        "action_source": one_of("WEB", "MOBILE_APP", "OFFLINE"),
        "event_source_url": HTTP_URL,
        "user_data": USER_DATA,
    },
    {
        "event_id": text(r".{1,100}"),
        "custom_data": CUSTOM_DATA,
        "data_processing_options": listing(one_of("LMU"), most=1),
    },
)
BODY = table({"data": listing(table({}, {}), least=1, most=2000)})


@dataclass(kw_only=True)
class Snapchat(Receiver):
    """`tests` are the events that were only validated."""

    pixel: str = "1ec32188-754e-4be2-8e55-c949a984a39f"
    token: str = "snaptoken"
    tests: list[dict[str, Any]] = field(default_factory=list)

    def check_event(self, where: str, event: Any) -> None:
        EVENT(where, event)
        age = self.now() - event["event_time"]
        need(-60 <= age <= WEEK, where, "event_time is out of range", "EVENT_TIME_OUT_OF_RANGE")
        known = event["user_data"].keys()
        matched = {"em", "ph"} & known or {"client_ip_address", "client_user_agent"} <= known
        need(bool(matched), where, "user_data says too little", "INSUFFICIENT_USER_DATA")
        if event["event_name"] == "PURCHASE":
            need({"value", "currency"} <= event.get("custom_data", {}).keys(), where, "a PURCHASE needs its value")

    async def take(self, request: web.Request) -> web.Response:
        if request.query.get("access_token") != self.token or request.match_info["pixel"] != self.pixel:
            return web.json_response({"status": "INVALID", "reason": "Unauthorized"}, status=401)
        body = await read_json(request)
        place = 0
        try:
            need(isinstance(body, dict), "body", "not JSON")
            BODY("body", {**body, "data": [{} for _ in body.get("data", [])]})
            for place, event in enumerate(body["data"]):
                self.check_event(f"data[{place}]", event)
        except BadError as error:
            self.refusals.append(str(error))
            errors = {"codes": [error.code], "error_msgs": [str(error)]}
            return web.json_response({"status": "INVALID", "event": place, "errors": errors}, status=400)
        validated = request.path.endswith("/validate")
        (self.tests if validated else self.events).extend(body["data"])
        more = {"test_event": True} if validated else {}
        return web.json_response({"status": "VALID", "reason": "Events have been processed successfully."} | more)


def app(snapchat: Snapchat) -> web.Application:
    paths = ("/v3/{pixel}/events", "/v3/{pixel}/events/validate")
    return snapchat.app([web.post(path, snapchat.take) for path in paths])


if __name__ == "__main__":
    start(lambda: app(Snapchat()), "Snapchat")
