"""The owner's own systems, told in the manner of Standard Webhooks: one signed message a word.

Facts: standardwebhooks 1.1.0.
"""

import base64
import hmac
import json
from collections.abc import Sequence
from typing import Any, Final

from tnc.core.fields import conversion_json, money, rfc3339
from tnc.core.models import Destination
from tnc.destinations.delivery import Delivery
from tnc.destinations.http import Answer, HttpRequest
from tnc.destinations.platforms.base import Platform
from tnc.destinations.verdict import Verdict, by_status, stop


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
    """The conversion as everywhere in JSON, with the part of the payout that this destination is told."""
    told = conversion_json(delivery.conversion)
    del told["history"]
    told["payout"] = money(delivery.value_micros)
    return {
        "type": f"conversion.{WEBHOOK.their_name(delivery) or 'unknown'}",
        "timestamp": rfc3339(delivery.at_ms),
        "data": {
            "click_id": delivery.click.click_id,
            "campaign": delivery.click.campaign,
            "kind": delivery.kind,
            **told,
        },
    }


def _signature(secret: str, signed: bytes) -> str:
    """`secret` is `whsec_` and the key in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def judge(answer: Answer, _destination: Destination) -> Verdict:
    if answer.status == 410:
        return stop("http-410: the receiver says that it is gone for good")
    return by_status(answer)


WEBHOOK: Final = Platform(type="webhook", build=build, judge=judge, limited=True, corrects=True)
