"""Conversions and lander clicks are stored once, in the transaction of the writer."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.records import DATE, NOON_MS, canary_click, day_keys
from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.errors import InvalidError
from tnc.core.models import (
    MAIN,
    Click,
    ClickId,
    Configuration,
    ConversionId,
    Event,
    Lander,
    LanderId,
    Network,
    NetworkId,
    Offer,
    OfferId,
)
from tnc.store.days.writer import DayWriter, day_path
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.record import Caller, RecordedConversion, record_conversion
from tnc.tracking.record import record_lander_click

GOOD, OTHER = NetworkId("good"), NetworkId("other")
SHOES, BOOTS = OfferId("shoes"), OfferId("boots")
CLICK = ClickId("click-1")

CONFIGURATION = Configuration(
    networks={
        GOOD: Network(id=GOOD, name="Good", key="s3cret", allow_ips=("198.51.100.0/24",)),
        OTHER: Network(id=OTHER, name="Other"),
    },
    offers={
        SHOES: Offer(id=SHOES, name="Shoes", url="https://shop.example/", network=GOOD, payout=12.5),
        BOOTS: Offer(id=BOOTS, name="Boots", url="https://shop.example/", network=OTHER, payout=3),
    },
    landers={LanderId("quiz"): Lander(id=LanderId("quiz"), name="Quiz", url="https://land.example/")},
)
NETWORK = Caller(origin="postback", peer_ip="198.51.100.7")


class DayWithOneClick:
    """A day with one click, that gets conversions."""

    def __init__(self, data: Path, click: Click) -> None:
        self.writer = DayWriter(day_path(data / "days", MAIN, DATE), day_keys(data))
        self.numbers = count(1)
        self.writer.begin()
        self.seq = self.writer.add_click(click)

    def convert(self, caller: Caller = NETWORK, click_id: ClickId = CLICK, **said: object) -> RecordedConversion:
        return record_conversion(
            self.writer,
            Incoming(click_id=click_id, **said),  # type: ignore[arg-type]
            configuration=CONFIGURATION,
            caller=caller,
            now_ms=NOON_MS + MINUTE_MS,
            new_id=lambda: ConversionId(f"v{next(self.numbers)}"),
        )

    def go_on(self, offer: OfferId, *, click_id: ClickId = CLICK, at_ms: int = NOON_MS + 1_000) -> bool:
        return record_lander_click(
            self.writer, click_id, at_ms=at_ms, offer=offer, network=GOOD, number=1, found_by="cid"
        )

    def events(self) -> list[Event]:
        return self.writer.events_of(self.seq)


@pytest.fixture
def day(tmp_path: Path) -> Iterator[DayWithOneClick]:
    made = DayWithOneClick(tmp_path, canary_click(CLICK))
    yield made
    made.writer.close()


# ------------------------------------------------------------------------------------------------ conversions


def test_a_conversion_is_stored_with_the_payout_of_its_offer(day: DayWithOneClick) -> None:
    recorded = day.convert(key="s3cret", txid="T-1")

    assert recorded.refused is None
    assert recorded.offer == SHOES
    assert recorded.outcome is not None
    assert recorded.outcome.kind == "new"
    assert recorded.outcome.after is not None
    assert (recorded.outcome.after.payout_micros, recorded.outcome.after.network) == (12_500_000, GOOD)
    assert day.events() == [recorded.outcome.change]


def test_the_same_conversion_again_is_a_duplicate_and_stores_nothing(day: DayWithOneClick) -> None:
    day.convert(key="s3cret", txid="T-1")
    before = day.events()

    again = day.convert(key="s3cret", txid="T-1")

    assert again.outcome is not None
    assert again.outcome.answer == "duplicate"
    assert day.events() == before


def test_an_unknown_click_is_answered_before_a_wrong_key(day: DayWithOneClick) -> None:
    recorded = day.convert(click_id=ClickId("nobody"), key="wrong")

    assert recorded == RecordedConversion(click=None, offer=None, outcome=None, refused="unknown click")


@pytest.mark.parametrize("key", [None, "", "wrong", "S3CRET"])
def test_a_network_without_its_key_is_refused_and_nothing_is_stored(day: DayWithOneClick, key: str | None) -> None:
    recorded = day.convert(key=key)

    assert recorded.refused is not None
    assert recorded.outcome is None
    assert day.events() == []


def test_a_network_is_refused_from_another_address(day: DayWithOneClick) -> None:
    recorded = day.convert(Caller(origin="postback", peer_ip="203.0.113.1"), key="s3cret")

    assert recorded.refused is not None
    assert day.events() == []


def test_the_owner_needs_no_key(day: DayWithOneClick) -> None:
    recorded = day.convert(Caller(origin="hand"))

    assert recorded.refused is None
    assert recorded.outcome is not None
    assert recorded.outcome.change is not None
    assert recorded.outcome.change.origin == "hand"


def test_a_conversion_counts_for_the_offer_of_the_lander_click(day: DayWithOneClick) -> None:
    day.go_on(BOOTS)

    recorded = day.convert(Caller(origin="hand"))

    assert recorded.offer == BOOTS
    assert recorded.outcome is not None
    assert recorded.outcome.after is not None
    assert recorded.outcome.after.payout_micros == 3_000_000


def test_an_unknown_status_is_stored(day: DayWithOneClick) -> None:
    recorded = day.convert(key="s3cret", status_words=("frobnicated",))

    assert recorded.outcome is not None
    assert (recorded.outcome.kind, recorded.outcome.answer) == ("unmapped", "ok")
    assert len(day.events()) == 1


def test_a_click_of_a_removed_offer_still_converts(tmp_path: Path) -> None:
    day = DayWithOneClick(tmp_path, replace(canary_click(CLICK), offer=OfferId("gone")))

    recorded = day.convert(Caller(origin="hand"), payout_micros=5_000_000, currency="USD")

    assert recorded.outcome is not None
    assert recorded.outcome.kind == "new"
    day.writer.close()


# ------------------------------------------------------------------------------------------------ lander clicks


def test_a_second_click_to_the_same_offer_is_not_stored(day: DayWithOneClick) -> None:
    assert day.go_on(BOOTS)
    assert not day.go_on(BOOTS, at_ms=NOON_MS + 2_000)

    (event,) = day.events()
    assert event.at_ms == NOON_MS + 1_000


def test_a_click_to_another_offer_is_stored(day: DayWithOneClick) -> None:
    assert [day.go_on(BOOTS), day.go_on(SHOES), day.go_on(BOOTS), day.go_on(BOOTS)] == [True, True, True, False]
    assert len(day.events()) == 3


def test_a_lander_click_of_an_unknown_click_is_not_stored(day: DayWithOneClick) -> None:
    assert not day.go_on(BOOTS, click_id=ClickId("nobody"))
    assert day.events() == []


def test_a_conversion_before_its_click_is_refused(day: DayWithOneClick) -> None:
    with pytest.raises(InvalidError, match="converted_at is before the click"):
        day.convert(Caller(origin="import"), converted_at_ms=NOON_MS - 5 * HOUR_MS)
    assert day.events() == []
    assert day.convert(Caller(origin="import"), converted_at_ms=NOON_MS + 1_000).outcome is not None
