"""Try a visitor: the same decision as for a real click, with nothing recorded."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from tnc.core import fields
from tnc.core.errors import InvalidError, TncError
from tnc.core.models import CampaignId
from tnc.tracking.explain import TestVisit, TestVisitor
from tnc.web.dashboard.clicks import fact_groups, grouped, outcome
from tnc.web.dashboard.keys import QUERIES, SERVICES
from tnc.web.dashboard.pages import page

BROWSERS: Final[Mapping[str, str]] = {
    "iPhone, Safari": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/26.0 Mobile/15E148 Safari/604.1"
    ),
    "Android phone, Chrome": (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile "
        "Safari/537.36"
    ),
    "Windows, Chrome": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 "
        "Safari/537.36"
    ),
    "Mac, Safari": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
        "Safari/605.1.15"
    ),
    "Linux, Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl": "curl/8.18.0",
}
_TEXTS: Final = ("campaign", "ip", "browser", "user_agent", "language", "referrer", "query", "time")


async def show(request: web.Request) -> web.StreamResponse:
    """GET /try: the form; with a `try` parameter also what would happen."""
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    form = {name: request.query.get(name, "").strip() for name in _TEXTS}
    result: TestVisit | None = None
    error: TncError | None = None
    if "try" in request.query:
        try:
            campaign, visitor = CampaignId(form["campaign"]), _visitor(form)
            result = await asyncio.to_thread(request.app[QUERIES].try_visitor, campaign, visitor)
        except TncError as refusal:
            error = refusal
    click = result and result.arrival.click
    return page(
        request,
        "try.html",
        status=error.http_status if error else 200,
        campaigns=[each for each in configuration.campaigns.values() if not each.archived],
        browsers=[(name, name) for name in BROWSERS],
        form=form,
        error=error,
        result=result,
        outcome=click and outcome(click, click.offer, configuration),
        decisions=grouped(result.trace) if result else (),
        groups=fact_groups(click, configuration) if click else (),
    )


def _visitor(form: Mapping[str, str]) -> TestVisitor:
    return TestVisitor(
        ip=form["ip"] or None,
        user_agent=form["user_agent"] or BROWSERS.get(form["browser"]),
        language=form["language"] or None,
        referrer=form["referrer"] or None,
        query=form["query"],
        visited_at_ms=_time_ms(form["time"]),
    )


def _time_ms(text: str) -> int | None:
    if not text:
        return None
    try:
        return fields.parse_rfc3339_ms(text)
    except ValueError as error:
        raise InvalidError(f"{text!r} is no time; write one like 2026-11-23T14:05 (UTC).") from error
