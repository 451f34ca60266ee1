"""GET /{path}: the whole life of a click."""

from typing import Final

from aiohttp import web

from tnc.live.tracker import COOKIE_DAYS, COOKIE_PLAIN, COOKIE_SECURE, Arrival
from tnc.store.days import utc_date
from tnc.web.tracking import answers
from tnc.web.tracking.keys import TRACKING, Tracking
from tnc.web.tracking.reading import path_of, read

_COOKIE: Final = f"; Path=/; Max-Age={COOKIE_DAYS * 86400}; HttpOnly; SameSite=Lax"


async def visit(request: web.Request) -> web.StreamResponse:
    """Decide, record, send on; a HEAD request leaves no trace."""
    tracking = request.app[TRACKING]
    plan = tracking.tracker.plans.by_path.get(path_of(request))  # which campaign
    if plan is None or plan.campaign.archived:
        return answers.status(answers.NOT_FOUND)
    real = request.method == "GET"
    arrival = tracking.tracker.arrive(plan, read(request, tracking.world.now_ms()), remember=real)  # who, and where to
    if real:
        await record(tracking, arrival)  # remember
    return answer(tracking, arrival)  # go


async def record(tracking: Tracking, arrival: Arrival) -> None:
    """Durable when this returns, or in line for it; somebody who objected leaves only a number."""
    if arrival.visit.mode == "none":
        day = (tracking.tracker.workspace, utc_date(arrival.visit.visited_at_ms))
        await tracking.log.count(day, f"visits without a trace: {arrival.click.campaign}")
        return
    await tracking.log.put(tracking.tracker.workspace, arrival.stored)


def answer(tracking: Tracking, arrival: Arrival) -> web.Response:
    if arrival.visit.traffic == "prefetch":
        return answers.refuse_prefetch()
    if arrival.destination is None:
        response = answers.status(arrival.decision.status or answers.NOT_FOUND)
    else:
        response = answers.onward(
            arrival.plan.campaign, arrival.destination, page_key=tracking.page_key, secure=arrival.facts.secure
        )
    if arrival.cookie is not None:
        name, end = (COOKIE_SECURE, "; Secure") if arrival.facts.secure else (COOKIE_PLAIN, "")
        response.headers["Set-Cookie"] = f"{name}={arrival.cookie}{_COOKIE}{end}"
    return response
