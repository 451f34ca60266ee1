"""`tnc destination preview`: a request without sending it. `tnc destination test`: a test event, sent at once."""

from dataclasses import dataclass
from typing import Any, Final

from tnc.campaigns.platforms.base import TEST_CODE, Delivery, Platform
from tnc.campaigns.platforms.registry import CLICK_IDS, PLATFORMS
from tnc.core.clock import ID_RANDOM_BYTES, World, new_id
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
from tnc.destinations.eligibility import skip_reason
from tnc.destinations.sender import Sender

_MARK: Final = "tnc-test"


def preview(delivery: Delivery, now_ms: int) -> dict[str, Any]:
    """`{"destination", "type", "event_id", "send", "why", "method", "url", "headers", "body"}`, secrets as `***`.

    What would not be sent (a paused destination, say) is shown all the same, unless the click lacks what the request
    is made of: then the last four are empty.
    """
    destination, platform = delivery.destination, delivery.platform
    reason = skip_reason(delivery, now_ms)
    nothing: dict[str, Any] = {"method": None, "url": None, "headers": {}, "body": None}
    return {
        "destination": destination.id,
        "type": destination.type,
        "event_id": delivery.event_id,
        "send": reason is None,
        "why": reason,
        **(nothing if platform.check_click(delivery) else platform.build([delivery], now_ms).shown()),
    }


def example_sale(click: Click, configuration: Configuration, now_ms: int) -> Conversion:
    """A sale of now with the payout of the click's offer, for the preview of a click without a conversion."""
    offer = configuration.offers.get(click.offer) if click.offer is not None else None
    payout = None if offer is None or isinstance(offer.payout, str) else micros(offer.payout)
    sale = ConversionChange(
        conversion_id=ConversionId("preview"),
        at_ms=now_ms,
        status="sale",
        payout_micros=payout,
        currency=None if offer is None else offer.currency,
        network=click.network,
        origin="test",
    )
    return fold([sale])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationTest:
    """What became of a test event: the outcome's kind, its reason (`error`) and the beginning of the answer."""

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
    """Send a test event; nothing is stored. Raises InvalidError for a platform that fetches a file."""
    platform = PLATFORMS[destination.type]
    if platform.file is not None:
        raise InvalidError(
            f"{destination.id} is a file that its platform fetches; `tnc destination show {destination.id}` says where."
        )
    delivery = make_test_delivery(destination, configuration, world)
    [result] = await sender.deliver([delivery])
    return DestinationTest(
        event_id=delivery.event_id,
        outcome=result.outcome.kind,
        status=result.exchange.status,
        error=result.outcome.reason,
        answer=result.exchange.answer,
        note=_note(platform, destination),
    )


def _note(platform: Platform, destination: Destination) -> str | None:
    if platform.test_events == "code" and TEST_CODE not in destination.settings:
        return f"It counts as an event of no value: set {TEST_CODE}, and it shows in the platform's test view only."
    return None


def make_test_delivery(destination: Destination, configuration: Configuration, world: World) -> Delivery:
    """A sale of value 0 by a made-up visitor who consented. Its click is marked as a test, as are its ids."""
    now_ms = world.now_ms()
    identity = f"test{new_id(now_ms, world.token(ID_RANDOM_BYTES))}"
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
            params=dict.fromkeys(CLICK_IDS, _MARK),
            consent="granted",
        ),
    )
    return Delivery(
        platform=PLATFORMS[destination.type],
        destination=destination,
        kind="convert",
        number=0,
        conversion=fold([_test_change(destination, ConversionId(identity), now_ms)])[0],
        click=click,
        configuration=configuration,
        at_ms=now_ms,
        consent="granted",
        mode="full",
    )


def _test_change(destination: Destination, conversion: ConversionId, now_ms: int) -> ConversionChange:
    """A conversion with the first status or event that the destination is sent."""
    wanted = destination.on[0]
    status = next((each for each in STATUSES if each == wanted), None)
    return ConversionChange(
        conversion_id=conversion,
        at_ms=now_ms,
        status=status or "sale",
        event=None if status else wanted,
        payout_micros=0,
        currency="USD",
        origin="test",
    )
