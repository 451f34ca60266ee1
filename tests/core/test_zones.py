"""One table of time zones for rules, caps, reports and files."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.clock import DAY_MS, QUARTER_MS
from tnc.core.zones import find_zone, offsets, zone_names

DAYS = st.integers(min_value=0, max_value=30 * 365)


@pytest.mark.parametrize(
    ("name", "hours"),
    # As IANA publishes them since 2026: these zones keep their summer time. Tables of many machines are older.
    [("America/Vancouver", -7), ("America/Havana", -4), ("America/Edmonton", -6), ("Africa/Casablanca", 0)],
)
def test_zones_that_changed_lately(name: str, hours: int) -> None:
    assert datetime(2027, 1, 15, tzinfo=find_zone(name)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["localtime", "Mars/Base", "", "../../etc/passwd", "europe/berlin", "Europe"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(KeyError):
        find_zone(name)


def test_every_name_has_a_zone() -> None:
    for name in zone_names():
        assert datetime(2026, 11, 30, tzinfo=find_zone(name)).utcoffset() is not None


@given(st.sampled_from(sorted(zone_names())), DAYS, st.integers(min_value=1, max_value=800))
def test_offsets_are_those_of_the_zone_in_every_hour(name: str, day: int, days: int) -> None:
    zone, start_ms = find_zone(name), day * DAY_MS
    changes = list(offsets(zone, start_ms, start_ms + days * DAY_MS))
    assert changes[0][0] == start_ms // QUARTER_MS
    at, position = changes[0][1], 0
    for quarter in range(start_ms // QUARTER_MS, (start_ms + days * DAY_MS) // QUARTER_MS, 37):
        while position + 1 < len(changes) and changes[position + 1][0] <= quarter:
            position += 1
        at = changes[position][1]
        offset = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC).astimezone(zone).utcoffset()
        assert offset is not None
        if offset.total_seconds() % 900 == 0:
            assert offset.total_seconds() == at
