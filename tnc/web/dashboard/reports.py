"""Reports: figures by any dimensions, as a page or as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tnc.core.errors import TncError
from tnc.core.models import SUBS, Configuration
from tnc.reports.dimensions import DIMENSIONS, METRICS
from tnc.reports.query import ReportQuery
from tnc.web.dashboard import format as words
from tnc.web.dashboard.clicks import NONE_IF_EMPTY, name_of
from tnc.web.dashboard.keys import REPORTS, SERVICES
from tnc.web.dashboard.pages import long_page

TIMES: Final = tuple(each.name for each in DIMENSIONS.values() if each.is_time)
FACTS: Final = tuple(each.name for each in DIMENSIONS.values() if not each.is_time and each.name != "workspace")
COLUMNS: Final = tuple(
    METRICS[name]
    for name in (
        "visits", "valid", "unique_visits", "lander_clicks", "conversions", "cr", "revenue", "cost", "profit", "roi",
        "epv", "epc",
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
class Name:
    """The value of a dimension; `id` is that of a named thing whose name is the text."""

    text: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    text: str
    is_loss: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`part` is its visits in percent of those of the row with the most."""

    names: Sequence[Name]
    figures: Sequence[Figure]
    part: float


async def show(request: web.Request) -> web.StreamResponse:
    """GET /reports"""
    query = _query(request)
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    result: Mapping[str, Any] | None = None
    error: TncError | None = None
    try:
        (result,) = await request.app[REPORTS].fetch_page(query)
    except TncError as refusal:
        error = refusal
    rows = result["rows"] if result else []
    return await long_page(
        request,
        "reports.html",
        status=error.http_status if error else 200,
        query=query,
        labels=_labels(configuration, query.by),
        error=error,
        result=result,
        notes=result.get("notes", ()) if result else (),
        columns=COLUMNS,
        rows=_rows(query.by, rows, configuration),
        count=len(rows),
        totals=_figures(result["totals"]) if result else (),
        again=request.rel_url,
        times=TIMES,
        facts=FACTS,
        periods=PERIODS,
        period=request.query.get("period", "7d"),
        given={name: request.query.get(name, "") for name in ("from", "to", "campaign", "sort")},
        zones=ZONES,
        csv_url=request.rel_url.with_path("/reports.csv", keep_query=True),
        sorts={name: _sort(request, query, name) for name in (*query.by, *(each.name for each in COLUMNS))},
        offset=query.offset,
        pages=_pages(request, query.offset, len(rows)),
    )


async def download(request: web.Request) -> web.StreamResponse:
    """GET /reports.csv: the same report with all rows and figures, unrounded."""
    return web.Response(
        text=await request.app[REPORTS].fetch_csv(_query(request, limit=None)),
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="report.csv"'},
    )


def _query(request: web.Request, *, limit: int | None = _MOST_ROWS) -> ReportQuery:
    query = request.query
    by = tuple(dict.fromkeys(name for name in query.getall("by", []) if name))[:_MOST_DIMENSIONS]
    campaign = query.get("campaign")
    offset = query.get("offset", "")
    return ReportQuery(
        by=by or ("campaign",),
        start=query.get("from") or query.get("period") or "7d",
        end=query.get("to") or (None if query.get("from") else _ENDS.get(query.get("period", ""))),
        timezone=query.get("timezone") or "UTC",
        where=(f"campaign={campaign}",) if campaign else (),
        sort=query.get("sort") or (by[0] if by[:1] and by[0] in TIMES else "visits"),
        limit=limit,
        offset=int(offset) if limit is not None and offset.isdecimal() and len(offset) < 10 else 0,
    )


def _sort(request: web.Request, query: ReportQuery, name: str) -> tuple[str, str | None]:
    """Where the heading of a column leads, and the direction if the rows are sorted by it: the same column again turns
    the direction round.
    """
    sort = query.sort or ""
    url = request.rel_url.without_query_params("offset")
    if sort.removeprefix("-") != name:
        return str(url.update_query(sort=name)), None
    is_ascending = sort.startswith("-") == (name in METRICS)
    return str(url.update_query(sort=name if sort.startswith("-") else f"-{name}")), (
        "ascending" if is_ascending else "descending"
    )


def _pages(request: web.Request, offset: int, count: int) -> Mapping[str, str | None]:
    """Links to the rows before and after these."""
    before, after = max(0, offset - _MOST_ROWS), offset + _MOST_ROWS
    return {
        "before": str(request.rel_url.update_query(offset=before)) if offset else None,
        "after": str(request.rel_url.update_query(offset=after)) if count == _MOST_ROWS else None,
    }


def _labels(configuration: Configuration, by: Sequence[str]) -> Mapping[str, str]:
    """Dimensions by their names on pages. A free parameter has the names that sources give it: `site (sub1)`."""
    labels = {name: words.label(name) for name in (*TIMES, *FACTS, *by)}
    for sub in SUBS:
        parameters = {each.params[sub]: None for each in configuration.sources.values() if sub in each.params}
        if parameters:
            labels[sub] = f"{', '.join(parameters)} ({sub})"
    return labels


def _rows(by: Sequence[str], rows: Sequence[Mapping[str, Any]], configuration: Configuration) -> Iterator[Row]:
    """Made one by one, while the page is rendered."""
    most = max((row.get("visits") or 0 for row in rows), default=0) or 1
    return (
        Row(
            names=[_name(dimension, row.get(dimension), configuration) for dimension in by],
            figures=_figures(row),
            part=round(100 * (row.get("visits") or 0) / most, 2),
        )
        for row in rows
    )


def _name(dimension: str, value: Any, configuration: Configuration) -> Name:
    named = name_of(dimension, value, configuration)
    if named is not None:
        return Name(text=named, id=str(value) if named != value else "")
    if dimension == "reasons" and value:
        return Name(text=", ".join(map(words.reason, str(value).split(","))))
    return Name(text=words.value(value, words.NONE if dimension in NONE_IF_EMPTY else words.UNKNOWN))


def _figures(row: Mapping[str, Any]) -> Sequence[Figure]:
    return [_figure(_SHOW[each.kind](row.get(each.name)), row.get(each.name)) for each in COLUMNS]


def _figure(text: str, value: float | None) -> Figure:
    return Figure(text=text, is_loss=value is not None and value < 0)


_SHOW: Final = {"count": words.number, "money": words.amount, "price": words.amount, "ratio": words.percent}
