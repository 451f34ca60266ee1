"""A strict fake of TikTok's Events API 2.0: always HTTP 200, with a code in the body."""

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
)  # fmt: skip

PERSON = one_or_many(HASH)
HASHED = ("email", "phone", "external_id", "first_name", "last_name", "zip_code")
USER = table(
    {},
    {
        **dict.fromkeys(HASHED, PERSON),
        "ttclid": plain(),
        "ttp": plain(),
        "ip": address,
        "user_agent": plain(),
        **dict.fromkeys(("locale", "city", "state", "country"), plain()),
    },
)
PROPERTIES = table(
    {},
    {
        "value": number,
        "currency": CURRENCY,
        "content_type": one_of("product", "product_group"),
        "order_id": text(),
        "description": text(),
        "query": text(),
    },
)
EVENT = table(
    {
        "event": text(r".{1,50}"),
        "event_time": integer(0, 10**12),
        "event_id": text(r".{1,100}"),
        "user": USER,
        "page": table({"url": HTTP_URL}, {"referrer": HTTP_URL}),
    },
    {"properties": PROPERTIES, "limited_data_use": boolean},
)
BODY = table(
    {
        "event_source": one_of("web"),
        "event_source_id": text(r"[A-Z0-9]{8,30}"),
        "data": listing(EVENT, least=1, most=1000),
    },
    {"test_event_code": text(r"TEST[0-9]+"), "partner_name": text()},
)


@dataclass(kw_only=True)
class TikTok(Receiver):
    pixel: str = "C4EXAMPLEPIXEL"
    token: str = "tiktoktoken"

    def check(self, body: Any) -> None:
        BODY("body", body)
        need(body["event_source_id"] == self.pixel, "event_source_id", "no such pixel")
        need("test_event_code" not in body or len(body["data"]) == 1, "data", "test events are sent alone")
        for place, event in enumerate(body["data"]):
            need(event["event_time"] <= self.now() + 60, f"data[{place}]", "event_time lies in the future")
            need(bool(event["user"]), f"data[{place}].user", "empty")
            need(event["event"] != "Purchase" or "properties" in event, f"data[{place}]", "a Purchase needs its value")

    async def take(self, request: web.Request) -> web.Response:
        given = request.headers.get("Access-Token")
        if given != self.token:
            return answer(40104 if not given else 40105, "Access token is incorrect or has been revoked.")
        body = await read_json(request)
        try:
            self.check(body)
        except BadError as error:
            self.refusals.append(str(error))
            unhashed = any(error.where.endswith(f"user.{name}") for name in HASHED)
            return answer(40062 if unhashed else 40002, str(error))
        self.events += body["data"]
        return answer(0, "OK")


def answer(code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message, "request_id": "20261123140506ABCDEF", "data": {}})


def app(tiktok: TikTok) -> web.Application:
    return tiktok.app([web.post("/open_api/v1.3/event/track/", tiktok.take)])


if __name__ == "__main__":
    start(lambda: app(TikTok()), "TikTok")
