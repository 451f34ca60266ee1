"""GET /{path}: the whole life of a click."""

import logging
from typing import Final

from aiohttp import web

from tnc.live.tracker import COOKIE_DAYS, COOKIE_PLAIN, COOKIE_SECURE, Arrival
from tnc.rules import Plan
from tnc.store.days import utc_date
from tnc.web.tracking import answers
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.reading import read

log = logging.getLogger(__name__)

_COOKIE: Final = f"; Path=/; Max-Age={COOKIE_DAYS * 86400}; HttpOnly; SameSite=Lax"


async def visit(tracking: Tracking, plan: Plan, request: web.BaseRequest) -> web.StreamResponse:
    """Decide, record, send on; a HEAD request leaves no trace."""
    real, now_ms = request.method == "GET", tracking.world.now_ms()
    try:
        arrival = tracking.tracker.arrive(plan, read(request, now_ms), remember=real)  # who, and where to
    except Exception:
        log.exception("a visit could not be read")
        arrival = tracking.tracker.arrive_unread(plan, now_ms)
    if real:
        await record(tracking, arrival)  # remember
    return answer(tracking, arrival)  # go


async def record(tracking: Tracking, arrival: Arrival) -> None:
    """Durable when this returns, or in line for it; somebody who objected leaves only a number."""
    workspace, click = tracking.tracker.workspace, arrival.click
    if click.visit.mode == "none":
        day = (workspace, utc_date(click.clicked_at_ms))
        await tracking.log.count(day, f"visits without a trace: {click.campaign}")
        return
    await tracking.log.put(workspace, arrival.stored)


def answer(tracking: Tracking, arrival: Arrival) -> web.Response:
    if arrival.click.visit.traffic == "prefetch":
        return answers.refuse_prefetch()
    if arrival.destination is None:
        response = answers.status(arrival.click.status or 404)
    else:
        response = answers.onward(
            arrival.plan.campaign, arrival.destination, page_key=tracking.page_key, secure=arrival.secure
        )
    if arrival.cookie is not None:
        name, end = (COOKIE_SECURE, "; Secure") if arrival.secure else (COOKIE_PLAIN, "")
        response.headers["Set-Cookie"] = f"{name}={arrival.cookie}{_COOKIE}{end}"
    return response
