"""Caps count every conversion once, in periods of their own time zone."""

from datetime import UTC, datetime, timedelta
from datetime import date as Date
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.models import Cap, Offer, OfferId
from tnc.core.zones import find_zone
from tnc.tracking.caps import Caps, Recount, period

Per = Literal["hour", "day", "week", "month", "total"]

SHOES, BOOTS = OfferId("shoes"), OfferId("boots")

# Half and quarter hours, changes at midnight, changes into the day before, two hours, none at all.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide",
    "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Antarctica/Troll", "Pacific/Apia", "Pacific/Chatham",
)  # fmt: skip
zones = st.sampled_from(ZONES)
pers: st.SearchStrategy[Per] = st.sampled_from(["hour", "day", "week", "month"])
times_ms = st.integers(int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()), 2_051_222_400).map(lambda s: s * 1000 + 7)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def offer(offer_id: OfferId = SHOES, *, conversions: int = 2, per: Per = "day", timezone: str = "UTC") -> Offer:
    cap = Cap(conversions=conversions, per=per, timezone=timezone)
    return Offer(id=offer_id, name=offer_id, url="https://shop.example/", cap=cap)


def caps(*offers: Offer) -> Caps:
    """With nothing stored yet."""
    made = Caps()
    anew = made.configure({each.id: each for each in offers})
    made.finish_recount(Recount(offers=frozenset(anew), conversions=[], up_to={}))
    return made


# ------------------------------------------------------------------------------------------------ periods


@given(zones, pers, times_ms)
def test_a_period_contains_its_time_and_its_start(zone: str, per: Per, time_ms: int) -> None:
    cap = Cap(conversions=1, per=per, timezone=zone)

    start, end = period(cap, time_ms)

    assert start <= time_ms < end
    assert period(cap, start) == (start, end)
    assert period(cap, end - 1) == (start, end)


@given(zones, pers, times_ms)
def test_periods_follow_each_other_without_a_gap(zone: str, per: Per, time_ms: int) -> None:
    cap = Cap(conversions=1, per=per, timezone=zone)

    start, end = period(cap, time_ms)

    assert period(cap, end)[0] == end
    assert period(cap, start - 1)[1] == start


@given(zones, times_ms)
def test_a_day_is_the_calendar_day_of_the_time_zone(zone: str, time_ms: int) -> None:
    start, end = period(Cap(conversions=1, per="day", timezone=zone), time_ms)

    local = [
        datetime.fromtimestamp(at / 1000, find_zone(zone)).date() for at in (start - 1, start, time_ms, end - 1, end)
    ]

    assert local[1] == local[2] == local[3]
    assert local[0] < local[1] < local[4]


@pytest.mark.parametrize(
    ("zone", "per", "at", "start", "end"),
    [
        ("Europe/Berlin", "day", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("Europe/Berlin", "day", "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("Europe/Berlin", "week", "2026-10-25T23:59+01:00", "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("Europe/Berlin", "month", "2026-10-31T12:00+01:00", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("Asia/Kolkata", "day", "2026-11-24T00:10+05:30", "2026-11-24T00:00+05:30", "2026-11-25T00:00+05:30"),
        ("Asia/Kolkata", "hour", "2026-11-24T10:29+00:00", "2026-11-24T09:30+00:00", "2026-11-24T10:30+00:00"),
        ("Asia/Kathmandu", "hour", "2026-11-24T10:16+00:00", "2026-11-24T10:15+00:00", "2026-11-24T11:15+00:00"),
        ("America/Havana", "day", "2025-11-02T00:30-05:00", "2025-11-02T00:00-04:00", "2025-11-03T00:00-05:00"),
        ("Asia/Beirut", "day", "2026-03-29T12:00+03:00", "2026-03-29T00:00+02:00", "2026-03-30T00:00+03:00"),
        ("UTC", "month", "2026-12-31T23:59+00:00", "2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"),
    ],
)  # fmt: skip
def test_periods_follow_local_time(zone: str, per: Per, at: str, start: str, end: str) -> None:
    assert period(Cap(conversions=1, per=per, timezone=zone), ms(at)) == (ms(start), ms(end))


def test_a_total_cap_has_one_period() -> None:
    cap = Cap(conversions=1, per="total")

    assert period(cap, 0) == period(cap, ms("2035-01-01T00:00+00:00"))


# ------------------------------------------------------------------------------------------------- counts


def test_the_conversion_that_reaches_the_cap_makes_the_offer_full() -> None:
    now, held = ms("2026-11-24T12:00+00:00"), caps(offer(conversions=2), offer(BOOTS, conversions=3))

    for _ in range(2):
        assert held.full(now) == frozenset()
        held.add(SHOES, now, +1)
        held.add(BOOTS, now, +1)

    assert held.full(now) == {SHOES}
    held.add(SHOES, now, -1)
    assert held.full(now) == frozenset()
    assert (held.count(SHOES, now), held.count(BOOTS, now)) == (1, 2)


def test_a_full_offer_is_open_again_at_midnight() -> None:
    midnight = ms("2026-11-25T00:00+05:30")
    held = caps(offer(conversions=1, timezone="Asia/Kolkata"))
    held.add(SHOES, midnight - HOUR_MS, +1)

    assert held.full(midnight - 1) == {SHOES}
    assert held.full(midnight) == frozenset()
    assert held.count(SHOES, midnight) == 0


def test_a_late_conversion_counts_in_the_period_in_which_it_converted() -> None:
    now, held = ms("2026-11-24T12:00+00:00"), caps(offer(conversions=1))

    held.add(SHOES, now - DAY_MS, +1)

    assert held.full(now) == frozenset()
    assert held.full(now - DAY_MS) == {SHOES}


def test_after_the_clock_is_set_back_the_period_of_the_clock_counts() -> None:
    now, held = ms("2026-11-24T12:00+00:00"), caps(offer(conversions=1))
    held.add(SHOES, now, +1)

    assert held.full(now) == {SHOES}
    assert held.full(now - 2 * DAY_MS) == frozenset()
    assert held.full(now) == {SHOES}


def test_an_offer_without_a_cap_is_never_full() -> None:
    free = Offer(id=BOOTS, name="Boots", url="https://shop.example/")
    held = caps(free)

    held.add(BOOTS, 0, +1)

    assert held.full(0) == frozenset()
    assert held.count(BOOTS, 0) is None


def test_a_cap_of_zero_is_full_from_the_start() -> None:
    assert caps(offer(conversions=0)).full(0) == {SHOES}


changes = st.lists(
    st.tuples(st.sampled_from([SHOES, BOOTS]), st.integers(0, 3 * DAY_MS), st.sampled_from([+1, +1, -1])), max_size=40
)


@given(changes, zones, st.lists(st.integers(0, 3 * DAY_MS), min_size=1, max_size=8))
def test_full_offers_agree_with_a_plain_count(
    steps: list[tuple[OfferId, int, int]], zone: str, asked: list[int]
) -> None:
    base = ms("2026-10-24T00:00+00:00")  # a change of the clocks lies within
    offers = [offer(SHOES, conversions=1, per="hour", timezone=zone), offer(BOOTS, conversions=2, timezone=zone)]
    held, done = caps(*offers), list[tuple[OfferId, int, int]]()

    for step in steps:
        held.add(step[0], base + step[1], step[2])
        done.append(step)
        for now in (base + each for each in asked):
            by_hand = {
                each.id
                for each in offers
                if each.cap is not None
                and sum(n for at, time, n in done if at == each.id and _within(each.cap, base + time, now))
                >= each.cap.conversions
            }
            assert held.full(now) == by_hand


def _within(cap: Cap, time_ms: int, now_ms: int) -> bool:
    start, end = period(cap, now_ms)
    return start <= time_ms < end


# ------------------------------------------------------------------------------------------ configuration


def test_a_new_configuration_keeps_counts_unless_the_period_changes() -> None:
    now, held = ms("2026-11-24T12:00+00:00"), caps(offer(conversions=2), offer(BOOTS))
    held.add(SHOES, now, +1)
    held.add(BOOTS, now, +1)

    anew = held.configure({SHOES: offer(conversions=1), BOOTS: offer(BOOTS, per="week")})

    assert anew == {BOOTS}
    assert held.full(now) == {SHOES}
    assert held.count(BOOTS, now) == 0


def test_offers_without_a_cap_or_archived_are_not_counted() -> None:
    held = caps(offer())
    archived = Offer(id=SHOES, name="Shoes", url="https://shop.example/", cap=Cap(conversions=0), archived=True)

    assert held.configure({SHOES: archived}) == set()
    assert held.full(0) == frozenset()


def test_a_recount_starts_with_the_earliest_current_period() -> None:
    now = ms("2026-11-24T12:00+00:00")
    held = caps(offer(per="day"), offer(BOOTS, per="month"))

    assert held.since_ms({SHOES}, now) == ms("2026-11-24T00:00+00:00")
    assert held.since_ms({SHOES, BOOTS}, now) == ms("2026-11-01T00:00+00:00")
    assert held.since_ms(set(), now) == now


def test_every_day_of_a_year_has_its_own_period() -> None:
    for zone in ZONES:
        cap = Cap(conversions=1, per="day", timezone=zone)
        noons = [datetime(2026, 1, 1, 12, tzinfo=find_zone(zone)) + timedelta(days=n) for n in range(365)]

        periods = [period(cap, int(noon.timestamp() * 1000)) for noon in noons]

        assert all(one[1] == two[0] for one, two in pairwise(periods))


# --------------------------------------------------------------------------------------------- counting anew

TODAY = Date(2026, 11, 24)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_a_conversion_before_during_or_after_a_recount_counts_once(
    before: int, stored: int, during: int, after: int
) -> None:
    """Conversions are stored one after the other and told of some time later; meanwhile they are counted anew."""
    now, held = ms("2026-11-24T12:00+00:00"), Caps()
    stored, told = before + stored, before + during
    total = max(stored, told) + after

    def tell(start: int, end: int) -> None:
        for number in range(start, end):
            held.add(SHOES, now, +1, (TODAY, number))

    tell(0, before)
    held.configure({SHOES: offer(conversions=1)})
    tell(before, told)
    held.finish_recount(
        Recount(offers=frozenset({SHOES}), conversions=[(SHOES, now)] * stored, up_to={TODAY: stored - 1})
    )
    tell(told, total)

    assert held.count(SHOES, now) == total


def test_an_unfinished_recount_is_asked_for_again() -> None:
    held = Caps()
    held.configure({SHOES: offer(conversions=1)})

    assert held.configure({SHOES: offer(conversions=5)}) == {SHOES}
    held.finish_recount(Recount(offers=frozenset({SHOES}), conversions=[], up_to={}))
    assert held.configure({SHOES: offer(conversions=5)}) == set()
