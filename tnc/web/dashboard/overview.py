"""The first page: how today is going."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from tnc.errors import TncError
from tnc.web.dashboard import series, words
from tnc.web.dashboard.campaigns import tracking_link
from tnc.web.dashboard.keys import APPLIANCE, WORLD
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import Answer, Appliance, ReportQuestion
from tnc.web.dashboard.series import Hour
from tnc.web.dashboard.words import Change

PERIODS: Final[Mapping[str, tuple[str, int]]] = {"24h": ("Last 24 hours", 24), "7d": ("Last 7 days", 168)}
_DAY_MS: Final = 86_400_000
_FIGURES: Final = (
    ("visits", False), ("valid", False), ("conversions", False), ("revenue", True), ("cost", True), ("profit", True),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    text: str
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the reports say: visits by the hour, and today beside yesterday until the same time."""

    hours: Sequence[Hour]
    today: Answer
    yesterday: Answer


async def show(request: web.Request) -> web.StreamResponse:
    """GET /: what is wrong stands on top, and a report that cannot be made is one of these things."""
    appliance, now_ms = request.app[APPLIANCE], request.app[WORLD].now_ms()
    period = request.query.get("period", "24h")
    period = period if period in PERIODS else "24h"
    _, configuration = await asyncio.to_thread(appliance.configuration)
    problems = [*await asyncio.to_thread(appliance.problems)]
    found: Figures | None = None
    try:
        found = await _figures(appliance, now_ms, hours=PERIODS[period][1])
    except TncError as error:
        problems.append(str(error))
    active = [each for each in configuration.campaigns.values() if not each.archived and not each.paused]
    return page(
        request,
        "overview.html",
        problems=problems,
        found=found,
        compared=_compare(found) if found else (),
        summary=series.summary(found.hours) if found else "",
        period=period,
        periods=PERIODS,
        until=f"{datetime.fromtimestamp(now_ms / 1000, UTC):%H:%M} UTC",
        campaigns=configuration.campaigns,
        first_link=tracking_link(appliance.tracking_base, active[0]) if active else None,
        quiet=found is not None and not any(hour.visits for hour in found.hours) and not found.today["rows"],
    )


async def _figures(appliance: Appliance, now_ms: int, *, hours: int) -> Figures:
    first_ms = series.first_hour_ms(now_ms, hours)
    midnight_ms = now_ms // _DAY_MS * _DAY_MS
    by_hour = await appliance.report(_between(("hour",), first_ms, now_ms))
    today = await appliance.report(_between(("campaign",), midnight_ms, now_ms, sort="visits"))
    yesterday = await appliance.report(_between(("day",), midnight_ms - _DAY_MS, now_ms - _DAY_MS))
    drawn = series.by_hour(by_hour["rows"], first_ms=first_ms, hours=hours)
    return Figures(hours=drawn, today=today, yesterday=yesterday)


def _between(by: tuple[str, ...], start_ms: int, end_ms: int, *, sort: str | None = None) -> ReportQuestion:
    # The end is not included: one second more keeps the present one in.
    return ReportQuestion(by=by, start=words.machine_time(start_ms), end=words.machine_time(end_ms + 1000), sort=sort)


def _compare(found: Figures) -> Sequence[Figure]:
    now: Mapping[str, Any] = found.today["totals"]
    before: Mapping[str, Any] = found.yesterday["totals"]
    return [
        Figure(
            name=name,
            text=words.amount(now.get(name)) if is_money else words.number(now.get(name)),
            change=words.change(now.get(name), before.get(name), money=is_money),
        )
        for name, is_money in _FIGURES
    ]
