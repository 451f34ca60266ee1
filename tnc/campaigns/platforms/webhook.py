"""A webhook: the owner's own system gets one signed message for each event, as Standard Webhooks has it.

Facts: standardwebhooks 1.1.0.
"""

import base64
import hmac
import json
from collections.abc import Sequence
from typing import Any, Final

from tnc.campaigns.platforms.base import WRITE_TO_RECEIVER, Delivery, Platform, PlatformKey, Receiver
from tnc.campaigns.platforms.keys import PLAIN_URL
from tnc.campaigns.platforms.messages import Answer, HttpRequest
from tnc.campaigns.platforms.outcome import Outcome, by_status, stop
from tnc.campaigns.text_types import webhook_secret
from tnc.core.fields import conversion_json, money, rfc3339
from tnc.core.models import Destination
from tnc.core.shapes import Secret


def build(batch: Sequence[Delivery], now_ms: int) -> HttpRequest:
    delivery = batch[0]
    body = json.dumps(_message(delivery), separators=(",", ":"), ensure_ascii=False).encode()
    sent_at = str(now_ms // 1000)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": _signature(delivery.get("secret"), f"{delivery.event_id}.{sent_at}.".encode() + body),
    }
    return HttpRequest(method="POST", url=delivery.get("url"), headers=headers, body=body, secrets=delivery.secrets)


def _message(delivery: Delivery) -> dict[str, Any]:
    """The conversion as in every JSON of tnc, with the share of the payout that is sent, and without its history."""
    conversion = conversion_json(delivery.conversion)
    del conversion["history"]
    conversion["payout"] = money(delivery.value_micros)
    return {
        "type": f"conversion.{delivery.event_name or 'unknown'}",
        "timestamp": rfc3339(delivery.at_ms),
        "data": {
            "click_id": delivery.click.click_id,
            "campaign": delivery.click.campaign,
            "kind": delivery.kind,
            **conversion,
        },
    }


def _signature(secret: str, signed: bytes) -> str:
    """`v1,` and the HMAC-SHA256 in base64. `secret` is `whsec_` and the key in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def read_answer(answer: Answer, _destination: Destination) -> Outcome:
    if answer.status == 410:
        return stop("http-410: the receiver says that this URL is gone for good")
    return by_status(answer)


WEBHOOK: Final = Platform(
    type="webhook",
    keys={
        "url": PlatformKey(
            shape=PLAIN_URL, text="where to send it", where="a URL of your own system", needed=True, is_endpoint=True
        ),
        "secret": PlatformKey(
            shape=Secret(webhook_secret),
            text="signs each message as Standard Webhooks has it",
            where="`whsec_` and base64 of at least 24 random bytes; your side checks the signature with any Standard "
            "Webhooks library",
            needed=True,
        ),
    },
    base_url=None,
    event_names={},
    click_ids=(),
    receiver=Receiver(
        name="the owner's own system",
        countries="unknown",
        gets="conversion and click id",
        visitor_sentence="A system of this address's owner gets reports of purchases.",
        after_erasure=WRITE_TO_RECEIVER,
    ),
    test_events="counted",
    build=build,
    read_answer=read_answer,
    limited_mode=True,
    takes_adjustments=True,
)
