"""GET /-/sign/{what}: what a page with tnc.js saw of its visitor. The click gets the reason, and goes nowhere else."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiohttp import web

from tnc.errors import UnavailableError
from tnc.recording import record_sign
from tnc.store.clicklog import Day
from tnc.store.days import utc_date
from tnc.web.tracking import answers
from tnc.web.tracking.finding import find
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.reading import read

# A browser that says that it is driven; a link that no person can see was followed; a link was followed in no time.
REASONS: Final[Mapping[str, str]] = {"webdriver": "js_webdriver", "link": "honeypot", "fast": "lander_fast"}


async def sign(tracking: Tracking, request: web.BaseRequest, what: str) -> web.StreamResponse:
    """Says nothing in return: whether there is such a click is nobody's business."""
    now_ms = tracking.world.now_ms()
    facts = tracking.tracker.looker.facts(read(request, now_ms), None)
    found = None if facts.verdict.traffic == "prefetch" else await find(tracking, facts, now_ms)
    if found is not None:
        click = found.click
        day: Day = (click.workspace, utc_date(click.clicked_at_ms))
        with suppress(UnavailableError):  # told by /-/health and in the log
            await tracking.log.run(day, lambda writer: record_sign(writer, click.click_id, REASONS[what], at_ms=now_ms))
    return answers.status(204)
