"""A test event: one request to a real destination, about a click and a sale that never were."""

from dataclasses import dataclass
from typing import Any

from tnc.conversions.present import fold
from tnc.deliver.courier import Courier
from tnc.deliver.delivery import Delivery
from tnc.deliver.registry import DESTINATIONS
from tnc.errors import InvalidError
from tnc.model import (
    STATUSES,
    CampaignId,
    Click,
    Configuration,
    ConversionChange,
    ConversionId,
    Destination,
    Visit,
)
from tnc.world import ID_CHANCE_BYTES, World, new_id

_CLICK_IDS = ("gclid", "fbclid", "ttclid", "msclkid")
_MARK = "tnc-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
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
    courier: Courier, destination: Destination, configuration: Configuration, world: World
) -> Rehearsal:
    """Nothing is stored. Raises InvalidError where the platform fetches a file, for then nothing is sent at all."""
    platform = DESTINATIONS[destination.type]
    if platform.served:
        raise InvalidError(
            f"{destination.id} is a file that its platform fetches; `tnc destination show {destination.id}` says where."
        )
    delivery = invented(destination, configuration, world)
    [(_, verdict, told)] = await courier.deliver(platform, [delivery])
    return Rehearsal(
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
