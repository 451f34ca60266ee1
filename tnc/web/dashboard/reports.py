"""Reports: any figure by any fact, as a page or as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tnc.core.errors import TncError
from tnc.reports.dimensions import DIMENSIONS, METRICS
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import long_page
from tnc.web.dashboard.ports import Answer

TIMES: Final = tuple(each.name for each in DIMENSIONS.values() if each.is_time)
FACTS: Final = tuple(each.name for each in DIMENSIONS.values() if not each.is_time and each.name != "workspace")
COLUMNS: Final = tuple(
    METRICS[name]
    for name in (
        "visits", "valid", "unique_visits", "lander_clicks", "conversions", "cr", "revenue", "cost", "profit", "roi",
        "epv",
    )
)  # fmt: skip
PERIODS: Final[Mapping[str, str]] = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "this-month": "This month",
}
_ENDS: Final = {"yesterday": "today"}
ZONES: Final = (
    "UTC", "Europe/London", "Europe/Berlin", "Europe/Kyiv", "America/New_York", "America/Chicago",
    "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo",
    "Australia/Sydney",
)  # fmt: skip
_MOST_DIMENSIONS: Final = 3
_MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`names` are the values it stands for, `part` its visits in percent of the busiest row's."""

    names: Sequence[str]
    figures: Sequence[str]
    part: float


async def show(request: web.Request) -> web.StreamResponse:
    """GET /reports"""
    question = _question(request)
    answer: Answer | None = None
    error: TncError | None = None
    try:
        answer = await request.app[APPLIANCE].report(question)
    except TncError as refusal:
        error = refusal
    rows = answer["rows"] if answer else []
    return await long_page(
        request,
        "reports.html",
        status=error.http_status if error else 200,
        question=question,
        error=error,
        answer=answer,
        notes=answer.get("notes", ()) if answer else (),
        columns=COLUMNS,
        rows=_rows(question.by, rows),
        count=len(rows),
        totals=_figures(answer["totals"]) if answer else (),
        more=len(rows) == _MOST_ROWS,
        times=TIMES,
        facts=FACTS,
        periods=PERIODS,
        period=request.query.get("period", "7d"),
        given={name: request.query.get(name, "") for name in ("from", "to", "campaign", "sort")},
        zones=ZONES,
        csv_url=request.rel_url.with_path("/reports.csv", keep_query=True),
        sort_urls={each.name: request.rel_url.update_query(sort=each.name) for each in COLUMNS},
    )


async def download(request: web.Request) -> web.StreamResponse:
    """GET /reports.csv: the same question, every figure, unrounded."""
    return web.Response(
        text=await request.app[APPLIANCE].report_csv(_question(request, limit=None)),
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="report.csv"'},
    )


def _question(request: web.Request, *, limit: int | None = _MOST_ROWS) -> ReportQuery:
    query = request.query
    by = tuple(dict.fromkeys(name for name in query.getall("by", []) if name))[:_MOST_DIMENSIONS]
    campaign = query.get("campaign")
    return ReportQuery(
        by=by or ("campaign",),
        start=query.get("from") or query.get("period") or "7d",
        end=query.get("to") or (None if query.get("from") else _ENDS.get(query.get("period", ""))),
        timezone=query.get("timezone") or "UTC",
        where=(f"campaign={campaign}",) if campaign else (),
        sort=query.get("sort") or (by[0] if by[:1] and by[0] in TIMES else "visits"),
        limit=limit,
    )


def _rows(by: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Each when its turn on the page has come."""
    most = max((row.get("visits") or 0 for row in rows), default=0) or 1
    return (
        Row(
            names=[words.value(row.get(name)) for name in by],
            figures=_figures(row),
            part=round(100 * (row.get("visits") or 0) / most, 2),
        )
        for row in rows
    )


def _figures(row: Mapping[str, Any]) -> Sequence[str]:
    return [_SHOW[each.kind](row.get(each.name)) for each in COLUMNS]


_SHOW: Final = {"count": words.number, "money": words.amount, "price": words.amount, "ratio": words.percent}
