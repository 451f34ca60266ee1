"""What would be sent, without sending it: section 8 of the contract."""

from dataclasses import dataclass
from typing import Any

from tnc.core.clock import ID_CHANCE_BYTES, World, new_id
from tnc.core.conversions import fold
from tnc.core.errors import InvalidError
from tnc.core.models import (
    STATUSES,
    CampaignId,
    Click,
    Configuration,
    Conversion,
    ConversionChange,
    ConversionId,
    Destination,
    Visit,
)
from tnc.core.money import micros
from tnc.destinations.delivery import Delivery
from tnc.destinations.eligibility import gate
from tnc.destinations.platforms.registry import DESTINATIONS
from tnc.destinations.sender import Sender


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


_CLICK_IDS = ("gclid", "fbclid", "ttclid", "msclkid")
_MARK = "tnc-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationTest:
    """`outcome` is the verdict's; `error` its reason, `answer` the beginning of what was answered."""

    event_id: str
    outcome: str
    status: int | None
    error: str | None
    answer: str | None
    note: str | None

    @property
    def ok(self) -> bool:
        return self.outcome in ("done", "accepted")

    def json(self, destination: Destination) -> dict[str, Any]:
        return {
            "destination": destination.id,
            "event_id": self.event_id,
            "ok": self.ok,
            "status": self.status,
            "error": self.error,
            "answer": self.answer,
            "note": self.note,
        }


async def send_test(
    sender: Sender, destination: Destination, configuration: Configuration, world: World
) -> DestinationTest:
    """Nothing is stored. Raises InvalidError where the platform fetches a file, for then nothing is sent at all."""
    platform = DESTINATIONS[destination.type]
    if platform.served:
        raise InvalidError(
            f"{destination.id} is a file that its platform fetches; `tnc destination show {destination.id}` says where."
        )
    delivery = invented(destination, configuration, world)
    [(_, verdict, told)] = await sender.deliver(platform, [delivery])
    return DestinationTest(
        event_id=delivery.event_id,
        outcome=verdict.outcome,
        status=told.status,
        error=verdict.reason,
        answer=told.answer,
        note=_note(destination),
    )


def _note(destination: Destination) -> str | None:
    if destination.type in ("meta", "tiktok") and "test_event_code" not in destination.settings:
        return (
            "It counts as an event of no value: put in test_event_code, and it shows in the platform's test view only."
        )
    return None


def invented(destination: Destination, configuration: Configuration, world: World) -> Delivery:
    """A sale of no value by a visitor who agreed, marked wherever the platform has a mark for it."""
    now_ms = world.now_ms()
    identity = f"test{new_id(now_ms, world.token(ID_CHANCE_BYTES))}"
    click = Click(
        click_id=world.new_click_id(now_ms),
        clicked_at_ms=now_ms,
        campaign=CampaignId(_MARK),
        test=True,
        visit=Visit(
            visited_at_ms=now_ms,
            domain="example.com",
            url="https://example.com/",
            ip="192.0.2.1",
            user_agent="Mozilla/5.0 (compatible; tnc test event)",
            external_id=_MARK,
            params=dict.fromkeys(_CLICK_IDS, _MARK),
            consent="granted",
        ),
    )
    return Delivery(
        destination=destination,
        kind="convert",
        number=0,
        conversion=fold([_word(destination, ConversionId(identity), now_ms)])[0],
        click=click,
        configuration=configuration,
        at_ms=now_ms,
        consent="granted",
        mode="full",
    )


def _word(destination: Destination, identity: ConversionId, now_ms: int) -> ConversionChange:
    """The first word that the destination takes."""
    wanted = destination.on[0]
    status = next((each for each in STATUSES if each == wanted), None)
    return ConversionChange(
        conversion_id=identity,
        at_ms=now_ms,
        status=status or "sale",
        event=None if status else wanted,
        payout_micros=0,
        currency="USD",
        origin="test",
    )
