"""Invented days for the report tests: clicks and events of every kind."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import date as Date
from itertools import takewhile
from typing import Any, Literal, Self

from tnc.core.clock import DAY_MS
from tnc.core.models import (
    CampaignId,
    Click,
    ClickId,
    ConversionChange,
    ConversionId,
    Event,
    FilterChange,
    FilterId,
    LabelChange,
    LanderClick,
    LanderId,
    NetworkId,
    OfferId,
    SourceId,
    Visit,
)
from tnc.store.days.opted_out import OptedOutVisits

DATE = Date(2026, 3, 28)  # the night to the 29th is the change to summer time in Europe


def day_start_ms(date: Date) -> int:
    return int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * 1000


@dataclass
class Day:
    """A day that grows, as a `DaySource`. Sequence numbers have gaps, as in a real day after a crash."""

    numbered_clicks: list[tuple[int, Click]] = field(default_factory=list)
    numbered_events: list[tuple[int, int, Event]] = field(default_factory=list)
    uncounted: list[OptedOutVisits] = field(default_factory=list)

    def latest(self) -> tuple[int, int]:
        return (
            self.numbered_clicks[-1][0] if self.numbered_clicks else -1,
            self.numbered_events[-1][0] if self.numbered_events else -1,
        )

    def clicks(self, after_seq: int) -> Iterator[tuple[int, Click]]:
        return (each for each in self.numbered_clicks if each[0] > after_seq)

    def events(self, after_seq: int) -> Iterator[tuple[int, int, Event]]:
        return (each for each in self.numbered_events if each[0] > after_seq)

    def events_of(self, click_seq: int) -> list[Event]:
        return [event for _, seq, event in self.numbered_events if seq == click_seq]

    def opted_out(self) -> list[OptedOutVisits]:
        return self.uncounted

    def add(self, each: Click, *, skip: int = 0) -> int:
        seq = self.latest()[0] + 1 + skip
        self.numbered_clicks.append((seq, each))
        return seq

    def happen(self, seq: int, event: Event, *, skip: int = 0) -> int:
        number = self.latest()[1] + 1 + skip
        self.numbered_events.append((number, seq, event))
        return number

    def part(self, clicks: int, events: int) -> "Day":
        """The day as it was after some of its clicks and events."""
        known = Day(self.numbered_clicks[:clicks])
        last = known.latest()[0]
        known.numbered_events = list(takewhile(lambda each: each[1] <= last, self.numbered_events[:events]))
        return known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def click(
    at_ms: int = day_start_ms(DATE),
    *,
    subs: dict[str, str] | None = None,
    visit: dict[str, Any] | None = None,
    **of: Any,
) -> Click:
    facts: dict[str, Any] = {"visited_at_ms": at_ms, "country": "US", "device": "mobile", "unique_campaign": True} | (
        visit or {}
    )
    given: dict[str, Any] = {
        "campaign": CampaignId("summer"),
        "source": SourceId("ads"),
        "click_id": ClickId("c" * 26),
    } | of
    return Click(clicked_at_ms=at_ms, visit=Visit(subs=subs or {}, **facts), **given)


def conversion(
    conversion_id: str,
    at_ms: int,
    *,
    status: Literal["lead", "sale", "rejected"] | None = "sale",
    payout: int | None = 12_500_000,
    currency: str | None = "USD",
    **of: Any,
) -> ConversionChange:
    return ConversionChange(
        conversion_id=ConversionId(conversion_id),
        at_ms=at_ms,
        status=status,
        payout_micros=payout,
        currency=currency,
        **of,
    )


def _maybe(chance: random.Random, values: list[Any]) -> Any:
    return chance.choice([*values, None])


def _any_click(chance: random.Random, at_ms: int, *, currencies: list[str]) -> Click:
    traffic = chance.choices(["human", "bot", "suspect", "prefetch", "crawler"], [12, 2, 1, 1, 1])[0]
    return click(
        at_ms,
        subs={
            name: value
            for name, value in {
                "sub1": _maybe(chance, ["top", "side", "=cmd()", "bot\ttom"]),
                "sub2": f"{chance.getrandbits(64):016x}",
                "sub3": _maybe(chance, ["ann@example.com", "plain"]),
                "sub4": f"zone-{chance.randrange(15)}",  # looks like an identifier at noon, and not in the evening
            }.items()
            if value is not None
        },
        visit={
            "traffic": traffic,
            "reasons": () if traffic == "human" else ("ua-bot", "rate"),
            "country": _maybe(chance, ["US", "DE", "IN"]),
            "device": _maybe(chance, ["mobile", "desktop"]),
            "os_version": _maybe(chance, ["9", "10.2", "17"]),
            "asn": _maybe(chance, [64500, 64501]),
            "vpn": _maybe(chance, [True, False]),
            "unique_campaign": _maybe(chance, [True, False]),
        },
        campaign=CampaignId(chance.choice(["summer", "winter"])),
        source=_maybe(chance, [SourceId("ads")]),
        lander=_maybe(chance, [LanderId("quiz")]),
        offer=_maybe(chance, [OfferId("shoes"), OfferId("boots")]),
        network=_maybe(chance, [NetworkId("good")]),
        filter=_maybe(chance, [FilterId("standard")]),
        stopped=chance.random() < 0.1,
        cost_micros=_maybe(chance, [20_000, 1, 333_333]),
        currency=chance.choice(currencies),
        test=chance.random() < 0.03,
    )


def _any_change(chance: random.Random, conversion_id: str, at_ms: int, *, currencies: list[str]) -> ConversionChange:
    return conversion(
        conversion_id,
        at_ms,
        status=_maybe(chance, ["lead", "sale", "rejected"]),
        payout=_maybe(chance, [12_500_000, 1, 999_999]),
        currency=chance.choice(currencies),
        network=_maybe(chance, [NetworkId("other")]),
        cost_micros=_maybe(chance, [5_000_000, 7]),
        cost_currency=chance.choice(currencies),
        origin=chance.choices(["postback", "test"], [20, 1])[0],
    )


def _any_event(chance: random.Random, conversion_id: str, at_ms: int, *, currencies: list[str]) -> Event:
    match chance.choices(["lander", "conversion", "label", "filter"], [8, 9, 2, 3])[0]:
        case "lander":
            offer, network = _maybe(chance, [OfferId("boots")]), _maybe(chance, [NetworkId("x")])
            return LanderClick(at_ms=at_ms, offer=offer, network=network)
        case "label":
            failed = LabelChange(at_ms=at_ms, traffic="bot", reasons=("crawler_failed",))
            return chance.choice([failed, LabelChange(at_ms=at_ms, traffic="human", reasons=())])
        case "filter":
            passed = chance.random() < 0.4
            return FilterChange(
                at_ms=at_ms,
                by=FilterId("strict"),
                filter=None if passed else FilterId("strict"),
                stopped=not passed and chance.random() < 0.7,
                reasons=() if passed else ("filter_country",),
                undone=chance.random() < 0.2,
            )
        case _:
            return _any_change(chance, conversion_id, at_ms, currencies=currencies)


def any_day(
    seed: int, *, date: Date = DATE, clicks: int = 60, events: int = 40, currencies: tuple[str, ...] = ("USD",)
) -> Day:
    """A day with clicks of every kind that change their label, lander clicks, conversions that change their status."""
    chance = random.Random(seed)
    day, start_ms = Day(), day_start_ms(date)
    for at_ms in sorted(start_ms + chance.randrange(DAY_MS) for _ in range(clicks)):
        day.add(_any_click(chance, at_ms, currencies=[*currencies]), skip=chance.choice([0, 0, 3]))
    for number in range(events):
        seq, its_click = chance.choice(day.numbered_clicks)
        at_ms = its_click.clicked_at_ms + chance.randrange(3 * DAY_MS)
        event = _any_event(chance, f"{seq}-{number % 3}", at_ms, currencies=[*currencies])
        day.happen(seq, event, skip=chance.choice([0, 0, 2]))
    return day
