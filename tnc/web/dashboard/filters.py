"""Filters: what each one stopped or would have stopped, and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tnc.core.errors import TncError
from tnc.core.models import Configuration, Filter
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery
from tnc.rules import FILTER_REASON
from tnc.rules.describe import describe_condition
from tnc.web.dashboard import campaign_text
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import REPORTS, SERVICES
from tnc.web.dashboard.pages import page

PERIODS: Final[Mapping[str, str]] = {"24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Visits that the filter stopped, and visits that it matched and let through."""

    name: str
    stopped: int = 0
    logged: int = 0
    of: int | None = None  # all visits of the campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterResult:
    """What one filter did. A visit may have several reasons."""

    filter: Filter
    state: str
    sentence: str
    stopped: int
    logged: int
    reasons: Sequence[Count]
    campaigns: Sequence[Count]


async def show(request: web.Request) -> web.StreamResponse:
    """GET /filters"""
    period = request.query.get("period", "7d")
    period = period if period in PERIODS else "7d"
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    error: TncError | None = None
    results: Sequence[FilterResult] = ()
    try:
        results = await _results(request.app[REPORTS], configuration, period)
    except TncError as refusal:
        error = refusal
    return page(
        request,
        "filters.html",
        status=error.http_status if error else 200,
        error=error,
        results=results,
        period=period,
        periods=PERIODS,
    )


async def _results(reports: ReportClient, configuration: Configuration, period: str) -> Sequence[FilterResult]:
    by = ("filter", "campaign", "reasons", "flow")
    matched, everything = await reports.fetch_page(
        ReportQuery(by=by, start=period, where=("filter!=unknown",)), ReportQuery(by=("campaign",), start=period)
    )
    visits = {str(row["campaign"]): int(row["visits"]) for row in everything["rows"]}
    return [
        _result(each, [row for row in matched["rows"] if row["filter"] == each.id], visits, configuration)
        for each in configuration.filters.values()
        if not each.archived
    ]


def _result(
    filter_: Filter, rows: Sequence[Row], visits: Mapping[str, int], configuration: Configuration
) -> FilterResult:
    campaigns = configuration.campaigns
    using = [str(each.id) for each in campaigns.values() if each.filter == filter_.id and not each.archived]
    names = {str(each.id): each.name for each in campaigns.values()}
    counted = _counts(rows, lambda row: [str(row["campaign"])])
    counted |= {name: (0, 0) for name in using if name not in counted}
    return FilterResult(
        filter=filter_,
        state=_state(filter_),
        sentence=campaign_text.effect(filter_),
        stopped=sum(stopped for stopped, _ in counted.values()),
        logged=sum(logged for _, logged in counted.values()),
        reasons=[
            Count(name=_condition(filter_, name.removeprefix(FILTER_REASON)), stopped=stopped, logged=logged)
            for name, (stopped, logged) in _counts(rows, _reasons).items()
        ],
        campaigns=[
            Count(name=names.get(name, name), stopped=stopped, logged=logged, of=visits.get(name, 0))
            for name, (stopped, logged) in counted.items()
        ],
    )


def _condition(filter_: Filter, fact: str) -> str:
    """The conditions of the filter on a fact: `Traffic is bot`; of a yes-or-no fact its name: `Data-centre IP`."""
    conditions = [each for each in filter_.when if each.fact == fact]
    if all(each.value in (True, [True]) for each in conditions):
        return words.label(fact)
    return words.sentence(" or ".join(map(describe_condition, conditions)))


def _counts(rows: Iterable[Row], names_of: Callable[[Row], Iterable[str]]) -> dict[str, tuple[int, int]]:
    """Visits by name, most first: those that were stopped, which have no flow, and those that were let through."""
    stopped, logged = Counter[str](), Counter[str]()
    for row in rows:
        for name in names_of(row):
            (stopped if row["flow"] is None else logged)[name] += int(row["visits"])
    both = stopped + logged
    return {
        name: (stopped[name], logged[name]) for name, _ in sorted(both.items(), key=lambda each: (-each[1], each[0]))
    }


def _reasons(row: Row) -> list[str]:
    """The conditions of the filter that matched; the other reasons of a visit are those of its traffic class."""
    return [reason for reason in str(row["reasons"] or "").split(",") if reason.startswith(FILTER_REASON)]


def _state(filter_: Filter) -> str:
    if filter_.paused:
        return "paused"
    return "monitor" if filter_.mode == "monitor" or filter_.action.type == "allow" else "enforce"
