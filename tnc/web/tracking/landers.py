"""GET /click and /click/{n}: from a lander to the offer."""

from contextlib import suppress

from aiohttp import web

from tnc.errors import UnavailableError
from tnc.recording import record_lander_click
from tnc.rules import LanderOffer
from tnc.store.clicklog import Day
from tnc.store.days import utc_date
from tnc.web.tracking import answers
from tnc.web.tracking.finding import Found, find
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.reading import read


async def lander_click(tracking: Tracking, request: web.BaseRequest, number_text: str) -> web.StreamResponse:
    """Find the click, find its offer under today's caps, remember it once, send on."""
    now_ms = tracking.world.now_ms()
    facts = tracking.tracker.looker.facts(read(request, now_ms), None)
    found = await find(tracking, facts, now_ms)
    plan = None if found is None else tracking.tracker.plans.by_id.get(found.click.campaign)
    if found is None or plan is None:
        return answers.status(404)
    if facts.verdict.traffic == "prefetch":
        return answers.refuse_prefetch()
    number = int(number_text) if number_text else None
    offer = plan.lander_offer(found.click, number=number, capped=tracking.tracker.caps.full(now_ms))
    if offer is None:
        return answers.status(404)
    if request.method == "GET":
        await _remember(tracking, found, offer, number=number, now_ms=now_ms)
    url = plan.fill(offer.template, found.click, offer=offer.offer)
    return answers.onward(plan.campaign, url, page_key=tracking.page_key, secure=facts.secure)


async def _remember(tracking: Tracking, found: Found, offer: LanderOffer, *, number: int | None, now_ms: int) -> None:
    click = found.click
    day: Day = (click.workspace, utc_date(click.clicked_at_ms))
    # The visitor goes on all the same; that the disk refuses is told by /-/health and in the log.
    with suppress(UnavailableError):
        await tracking.log.run(
            day,
            lambda writer: record_lander_click(
                writer,
                click.click_id,
                at_ms=now_ms,
                offer=offer.offer,
                network=offer.network,
                number=number,
                found_by=found.by,
            ),
        )
