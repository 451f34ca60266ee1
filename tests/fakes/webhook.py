"""A strict fake of an owner's own system that accepts Standard Webhooks."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.receiver import Receiver, read_json, start
from tests.fakes.strict import BadError, need, table, text


@dataclass(kw_only=True)
class Webhook(Receiver):
    secret: str = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no less").decode()

    def check_signature(self, request: web.Request, body: bytes) -> None:
        identity, sent = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        need(bool(identity) and "." not in identity, "webhook-id", "missing or dotted")
        need(sent.isdigit() and abs(self.now() - int(sent)) <= 300, "webhook-timestamp", "not within five minutes")
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{identity}.{sent}.".encode() + body
        good = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = request.headers.get("webhook-signature", "").split(" ")
        need(good in given, "webhook-signature", "does not fit")

    async def take(self, request: web.Request) -> web.Response:
        try:
            self.check_signature(request, await request.read())
            body = await read_json(request)
            anything = table({"type": text(r"conversion\.[a-z0-9_-]+"), "timestamp": text()}, {"data": lambda *_: None})
            anything("body", body)
            need(isinstance(body.get("data"), dict), "body.data", "not an object")
        except BadError as error:
            self.refusals.append(str(error))
            return web.Response(status=400, text=str(error))
        self.events.append({"id": request.headers["webhook-id"], **body})
        return web.Response(status=204)


def app(webhook: Webhook) -> web.Application:
    return webhook.app([web.post("/hook", webhook.take)])


if __name__ == "__main__":
    start(lambda: app(Webhook()), "a webhook receiver")
