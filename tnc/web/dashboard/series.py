"""Visits by the hour: the rows of a report as an unbroken row of hours, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour, UTC. The heights are parts of the busiest hour, 0 to 100."""

    start_ms: int
    visits: int
    valid: int
    height: float
    valid_height: float


def first_hour_ms(now_ms: int, hours: int) -> int:
    """When the earliest of so many hours began, the present one included."""
    return now_ms // HOUR_MS * HOUR_MS - (hours - 1) * HOUR_MS


def by_hour(rows: Sequence[dict[str, Any]], *, first_ms: int, hours: int) -> Sequence[Hour]:
    """Hours in which nobody came are hours too."""
    found = {row["hour"]: row for row in rows}
    picked = [(at, found.get(_name(at), {})) for at in range(first_ms, first_ms + hours * HOUR_MS, HOUR_MS)]
    counts = [(at, int(row.get("visits") or 0), int(row.get("valid") or 0)) for at, row in picked]
    most = max((visits for _, visits, _ in counts), default=0) or 1
    return [
        Hour(
            start_ms=at,
            visits=visits,
            valid=valid,
            height=round(100 * visits / most, 2),
            valid_height=round(100 * valid / most, 2),
        )
        for at, visits, valid in counts
    ]


def _name(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:00}"


def summary(hours: Sequence[Hour]) -> str:
    """The sentence that says what the picture shows."""
    total = sum(hour.visits for hour in hours)
    if not total:
        return "Nobody came in this time."
    busiest = max(hours, key=lambda hour: hour.visits)
    when = datetime.fromtimestamp(busiest.start_ms / 1000, UTC)
    return (
        f"{total:,} visits; the busiest hour was {when:%-d %b %H:00} UTC with {busiest.visits:,}. "
        "The last hour is still running."
    )
