"""What would be sent, without sending it: section 8 of the contract."""

from typing import Any

from tnc.conversions.present import fold
from tnc.deliver.delivery import Delivery
from tnc.deliver.gates import gate
from tnc.deliver.registry import DESTINATIONS
from tnc.model import Click, Configuration, Conversion, ConversionChange, ConversionId
from tnc.money import micros


def preview(delivery: Delivery, now_ms: int) -> dict[str, Any]:
    """`{"destination", "type", "event_id", "send", "why", "method", "url", "headers", "body"}`, secrets as `***`.

    A gate that has nothing to do with the click's own data leaves the request visible, so that a paused
    destination can be looked at; where the click lacks what the request is made from there is none.
    """
    destination = delivery.destination
    platform = DESTINATIONS[destination.type]
    why = gate(delivery, platform, now_ms)
    nothing: dict[str, Any] = {"method": None, "url": None, "headers": {}, "body": None}
    return {
        "destination": destination.id,
        "type": destination.type,
        "event_id": delivery.event_id,
        "send": why is None,
        "why": why,
        **(nothing if platform.lacks(delivery) else platform.build([delivery], now_ms).shown()),
    }


def invented_sale(click: Click, configuration: Configuration, now_ms: int, identity: str = "preview") -> Conversion:
    """A sale just now with the payout of the click's offer: for a preview or a test, under the id `cv_<identity>`."""
    offer = configuration.offers.get(click.offer) if click.offer is not None else None
    payout = None if offer is None or isinstance(offer.payout, str) else micros(offer.payout)
    sale = ConversionChange(
        conversion_id=ConversionId(identity),
        at_ms=now_ms,
        status="sale",
        payout_micros=payout,
        currency=None if offer is None else offer.currency,
        network=click.network,
        origin="test",
    )
    return fold([sale])[0]
