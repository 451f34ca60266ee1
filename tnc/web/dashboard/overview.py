"""The first page: today compared with yesterday, and visits by hour."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from tnc.core.clock import DAY_MS, HOUR_MS, QUARTER_MS
from tnc.core.errors import TncError
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import format as words
from tnc.web.dashboard.campaigns import tracking_link
from tnc.web.dashboard.format import Change
from tnc.web.dashboard.keys import QUERIES, REPORTS, SERVICES, WORLD
from tnc.web.dashboard.pages import page


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour, UTC. The heights are percentages of the busiest hour's visits."""

    start_ms: int
    visits: int
    valid: int
    height: float
    valid_height: float


def first_hour_ms(now_ms: int, hours: int) -> int:
    """When the earliest of so many hours began; the present hour is the last of them."""
    return now_ms // HOUR_MS * HOUR_MS - (hours - 1) * HOUR_MS


def by_hour(rows: Sequence[dict[str, Any]], *, first_ms: int, hours: int) -> Sequence[Hour]:
    """One entry for each hour, also for hours without visits."""
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
    """What the chart shows, in a sentence."""
    total = sum(hour.visits for hour in hours)
    if not total:
        return "No visits in this period."
    busiest = max(hours, key=lambda hour: hour.visits)
    when = datetime.fromtimestamp(busiest.start_ms / 1000, UTC)
    return (
        f"{total:,} visits; the busiest hour was {when:%-d %b %H:00} UTC with {busiest.visits:,}. "
        "The last hour is not over yet."
    )


PERIODS: Final[Mapping[str, tuple[str, int]]] = {"24h": ("Last 24 hours", 24), "7d": ("Last 7 days", 168)}
# Name, whether it is money, and whether more of it is good (1), bad (-1) or neither (0).
_FIGURES: Final = (
    ("visits", False, 0), ("valid", False, 1), ("conversions", False, 1), ("revenue", True, 1), ("cost", True, 0),
    ("profit", True, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of today. `judgement` says whether the change is `good` or `bad`; empty for neither."""

    name: str
    text: str
    is_loss: bool
    change: Change | None
    judgement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Visits by hour, and the reports of today and of yesterday until the same time."""

    hours: Sequence[Hour]
    today: Mapping[str, Any]
    yesterday: Mapping[str, Any]


async def show(request: web.Request) -> web.StreamResponse:
    """GET /: problems are on top, and a report that fails is one of them."""
    queries, now_ms = request.app[QUERIES], request.app[WORLD].now_ms()
    period = request.query.get("period", "24h")
    period = period if period in PERIODS else "24h"
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    problems = [*await asyncio.to_thread(queries.problems)]
    base = await asyncio.to_thread(queries.link_base)
    found: Figures | None = None
    try:
        found = await _figures(request.app[REPORTS], now_ms, hours=PERIODS[period][1])
    except TncError as error:
        problems.append(str(error))
    active = [each for each in configuration.campaigns.values() if not each.archived and not each.paused]
    return page(
        request,
        "overview.html",
        problems=problems,
        found=found,
        compared=_compare(found) if found else (),
        summary=summary(found.hours) if found else "",
        period=period,
        periods=PERIODS,
        until=f"{datetime.fromtimestamp(same_time_ms(now_ms) / 1000, UTC):%H:%M} UTC",
        campaigns=configuration.campaigns,
        first_link=tracking_link(base.url, active[0]) if active else None,
        link_base=base,
        quiet=found is not None and not any(hour.visits for hour in found.hours) and not found.today["rows"],
    )


async def _figures(reports: ReportClient, now_ms: int, *, hours: int) -> Figures:
    first_ms = first_hour_ms(now_ms, hours)
    midnight_ms = now_ms // DAY_MS * DAY_MS
    hourly, today, yesterday = await reports.fetch_page(
        _between(("hour",), first_ms, now_ms),
        _between(("campaign",), midnight_ms, now_ms, sort="visits"),
        _between(("day",), midnight_ms - DAY_MS, same_time_ms(now_ms) - DAY_MS),
    )
    drawn = by_hour(hourly["rows"], first_ms=first_ms, hours=hours)
    return Figures(hours=drawn, today=today, yesterday=yesterday)


def _between(by: tuple[str, ...], start_ms: int, end_ms: int, *, sort: str | None = None) -> ReportQuery:
    # The end is not included, and times are whole seconds. Reports cut it to the next quarter of an hour.
    return ReportQuery(by=by, start=words.machine_time(start_ms), end=words.machine_time(end_ms), sort=sort)


def same_time_ms(now_ms: int) -> int:
    """The quarter of an hour nearest to the present time: yesterday's figures are those until then."""
    return (now_ms + QUARTER_MS // 2) // QUARTER_MS * QUARTER_MS


def _compare(found: Figures) -> Sequence[Figure]:
    now: Mapping[str, Any] = found.today["totals"]
    before: Mapping[str, Any] = found.yesterday["totals"]
    return [_figure(name, now.get(name), before.get(name), money=money, more=more) for name, money, more in _FIGURES]


def _figure(name: str, now: float | None, before: float | None, *, money: bool, more: int) -> Figure:
    change = words.change(now, before, money=money)
    direction = {"up": 1, "down": -1, "same": 0}[change.direction] if change else 0
    return Figure(
        name=name,
        text=words.amount(now) if money else words.number(now),
        is_loss=now is not None and now < 0,
        change=change,
        judgement={1: "good", -1: "bad", 0: ""}[direction * more],
    )
