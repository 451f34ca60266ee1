"""Filters: what each one stopped or would have stopped, and why, before anybody switches one on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tnc.core.errors import TncError
from tnc.core.models import Configuration, Filter
from tnc.reports.query import ReportQuery
from tnc.rules import FILTER_REASON
from tnc.web.dashboard import campaign_text as sentences
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import Appliance

PERIODS: Final[Mapping[str, str]] = {"24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Visits that were stopped, and visits that only got the verdict and went where they would have gone."""

    name: str
    stopped: int = 0
    noted: int = 0
    of: int | None = None  # all visits of the campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One filter. A visit may have several reasons."""

    filter: Filter
    state: str
    sentence: str
    stopped: int
    noted: int
    reasons: Sequence[Count]
    campaigns: Sequence[Count]


async def show(request: web.Request) -> web.StreamResponse:
    """GET /filters"""
    appliance = request.app[APPLIANCE]
    period = request.query.get("period", "7d")
    period = period if period in PERIODS else "7d"
    _, configuration = await asyncio.to_thread(appliance.configuration)
    error: TncError | None = None
    judged: Sequence[Judged] = ()
    try:
        judged = await _judged(appliance, configuration, period)
    except TncError as refusal:
        error = refusal
    return page(
        request,
        "filters.html",
        status=error.http_status if error else 200,
        error=error,
        judged=judged,
        period=period,
        periods=PERIODS,
    )


async def _judged(appliance: Appliance, configuration: Configuration, period: str) -> Sequence[Judged]:
    by = ("filter", "campaign", "reasons", "flow")
    verdicts = await appliance.report(ReportQuery(by=by, start=period, where=("filter!=unknown",)))
    everything = await appliance.report(ReportQuery(by=("campaign",), start=period))
    visits = {str(row["campaign"]): int(row["visits"]) for row in everything["rows"]}
    return [
        _of(judge, [row for row in verdicts["rows"] if row["filter"] == judge.id], visits, configuration)
        for judge in configuration.filters.values()
        if not judge.archived
    ]


def _of(judge: Filter, rows: Sequence[Row], visits: Mapping[str, int], configuration: Configuration) -> Judged:
    campaigns = configuration.campaigns
    using = [str(each.id) for each in campaigns.values() if each.filter == judge.id and not each.archived]
    names = {str(each.id): each.name for each in campaigns.values()}
    counted = _counts(rows, lambda row: [str(row["campaign"])])
    counted |= {name: (0, 0) for name in using if name not in counted}
    return Judged(
        filter=judge,
        state=_state(judge),
        sentence=sentences.judgement(judge),
        stopped=sum(stopped for stopped, _ in counted.values()),
        noted=sum(noted for _, noted in counted.values()),
        reasons=[
            Count(name=words.label(name.removeprefix(FILTER_REASON)), stopped=stopped, noted=noted)
            for name, (stopped, noted) in _counts(rows, _reasons).items()
        ],
        campaigns=[
            Count(name=names.get(name, name), stopped=stopped, noted=noted, of=visits.get(name, 0))
            for name, (stopped, noted) in counted.items()
        ],
    )


def _counts(rows: Iterable[Row], names_of: Callable[[Row], Iterable[str]]) -> dict[str, tuple[int, int]]:
    """Visits by name, most first: stopped ones, which no flow got, and others."""
    stopped, noted = Counter[str](), Counter[str]()
    for row in rows:
        for name in names_of(row):
            (stopped if row["flow"] is None else noted)[name] += int(row["visits"])
    both = stopped + noted
    return {
        name: (stopped[name], noted[name]) for name, _ in sorted(both.items(), key=lambda each: (-each[1], each[0]))
    }


def _reasons(row: Row) -> list[str]:
    """Only those that the filter gave: the visit's own stand in the reports."""
    return [reason for reason in str(row["reasons"] or "").split(",") if reason.startswith(FILTER_REASON)]


def _state(judge: Filter) -> str:
    if judge.paused:
        return "paused"
    return "records" if judge.mode == "monitor" or judge.action.type == "allow" else "stops"
