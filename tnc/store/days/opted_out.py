"""Visits after an opt-out or an objection: nothing of them is stored but how many came and what they cost.

They are counted by campaign, source and quarter of an hour, in the table `numbers` of their day.
"""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from datetime import date as Date
from typing import Final

import msgspec

from tnc.core.clock import QUARTER_MS
from tnc.core.models import Click

_PREFIX: Final = "opted out: "
_OLD_PREFIX: Final = "visits without a trace: "  # of versions that counted a whole day, and no cost


class OptedOutVisits(msgspec.Struct, frozen=True, kw_only=True):
    """The visits of one campaign in one quarter of an hour (number since 1970)."""

    campaign: str
    source: str | None
    quarter: int
    visits: int
    cost_micros: int = 0
    currency: str | None = None


def numbers_of(click: Click) -> Mapping[str, int]:
    """What to add to the numbers of the day for an opted-out visit. Prefetches and test visits are not counted."""
    if click.visit.traffic == "prefetch" or click.test:
        return {}
    currency = click.currency if click.cost_micros else None
    key = (click.campaign, click.source, click.clicked_at_ms // QUARTER_MS, currency)
    name = f"{_PREFIX}{msgspec.json.encode(key).decode()}"
    return {name: 1, f"cost, {name}": click.cost_micros} if click.cost_micros else {name: 1}


def read_opted_out(database: sqlite3.Connection, date: Date) -> list[OptedOutVisits]:
    """All counts of the day, in the order of their names."""
    numbers = dict(
        database.execute(
            "select name, value from numbers where name glob ? or name glob ?", (f"*{_PREFIX}*", f"{_OLD_PREFIX}*")
        )
    )
    noon = int(datetime(date.year, date.month, date.day, 12, tzinfo=UTC).timestamp()) * 1000 // QUARTER_MS
    found = []
    for name in sorted(numbers):
        if name.startswith(_OLD_PREFIX):
            campaign = name.removeprefix(_OLD_PREFIX)
            found.append(OptedOutVisits(campaign=campaign, source=None, quarter=noon, visits=numbers[name]))
        elif name.startswith(_PREFIX):
            campaign, source, quarter, currency = msgspec.json.decode(
                name.removeprefix(_PREFIX), type=tuple[str, str | None, int, str | None]
            )
            found.append(
                OptedOutVisits(
                    campaign=campaign,
                    source=source,
                    quarter=quarter,
                    visits=numbers[name],
                    cost_micros=numbers.get(f"cost, {name}", 0),
                    currency=currency,
                )
            )
    return found
