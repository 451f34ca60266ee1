"""Which words of a conversion go out, and under which id."""

from typing import Any

import pytest

from tests.destinations.examples import NOW_MS, change, conversion, destination
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.models import ConversionChange, DeliveryKind, Destination
from tnc.destinations.eligibility import due_event

LEAD = change(status="lead", at_ms=NOW_MS - 9_000)
SALE = change(at_ms=NOW_MS - 8_000)
MORE = change(payout_micros=20_000_000, at_ms=NOW_MS - 7_000)
REFUND = change(status="rejected", at_ms=NOW_MS - 6_000)
AGAIN = change(status="sale", at_ms=NOW_MS - 5_000)
UNMAPPED = change(status=None, status_word="hold", at_ms=NOW_MS - 4_000)
META, BOTH = destination("meta"), destination("meta", on=("lead", "sale", "rejected"))
GOOGLE, FILE = destination("google-data-manager"), destination("google-csv")


def words(to: Destination, *changes: ConversionChange) -> list[tuple[str, int]]:
    """What went out while these changes came in, one after the other."""
    made: list[DeliveryKind] = []
    out: list[tuple[str, int]] = []
    for count in range(1, len(changes) + 1):
        found = due_event(to, PLATFORMS[to.type], conversion(*changes[:count]), made)
        if found is not None:
            assert found.at_ms == changes[count - 1].at_ms
            made.append(found.kind)
            out.append((found.kind, found.number))
    return out


@pytest.mark.parametrize(
    ("to", "changes", "wanted"),
    [
        (META, [SALE], [("convert", 0)]),
        (META, [LEAD], []),
        (META, [LEAD, SALE], [("convert", 0)]),
        (META, [SALE, MORE], [("convert", 0)]),
        (META, [SALE, REFUND], [("convert", 0)]),
        (BOTH, [LEAD, SALE, REFUND], [("convert", 0), ("adjust", 1), ("retract", 2)]),
        (GOOGLE, [SALE, MORE, REFUND], [("convert", 0), ("adjust", 1), ("retract", 2)]),
        (GOOGLE, [SALE, SALE], [("convert", 0)]),
        (GOOGLE, [SALE, REFUND, REFUND], [("convert", 0), ("retract", 1)]),
        (GOOGLE, [SALE, REFUND, AGAIN], [("convert", 0), ("retract", 1), ("adjust", 2)]),
        (GOOGLE, [LEAD, REFUND], []),
        (GOOGLE, [SALE, UNMAPPED], [("convert", 0)]),
        (FILE, [SALE, MORE, REFUND], [("convert", 0)]),
    ],
)
def test_each_change_makes_due_what_the_destination_takes(to: Destination, changes: Any, wanted: Any) -> None:
    assert words(to, *changes) == wanted
