"""GET /click and /click/{n}: from a lander to the offer."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from tnc.errors import NotFoundError, UnavailableError
from tnc.facts.reader import Facts
from tnc.live.tracker import COOKIE_PLAIN, COOKIE_SECURE
from tnc.model import Click, ClickId
from tnc.recording import record_lander_click
from tnc.rules import LanderOffer
from tnc.store.clicklog import Day
from tnc.store.days import utc_date
from tnc.web.tracking import answers
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.reading import read

_LOOK_BACK_MS: Final = 24 * 3_600_000
_LONGEST_ID: Final = 256


@dataclass(frozen=True, slots=True)
class _Found:
    click: Click
    by: Literal["cid", "cookie", "visitor"]


async def lander_click(tracking: Tracking, request: web.BaseRequest, number_text: str) -> web.StreamResponse:
    """Find the click, find its offer under today's caps, remember it once, send on."""
    now_ms = tracking.world.now_ms()
    facts = tracking.tracker.looker.facts(read(request, now_ms), None)
    found = await _find(tracking, facts, now_ms)
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


async def _find(tracking: Tracking, facts: Facts, now_ms: int) -> _Found | None:
    """By `cid`, else by the cookie, else the newest click of the same pseudonym within 24 hours."""
    cid = facts.params.get("cid")
    if cid:
        return await _by_id(tracking, cid, "cid")
    cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
    known = None if cookie is None else tracking.tracker.pseudonyms.known(cookie)
    if known is not None and known.last_click is not None:
        found = await _by_id(tracking, known.last_click, "cookie")
        if found is not None:
            return found
    visitors = tracking.tracker.recent_pseudonyms(facts, now_ms)
    click = await asyncio.to_thread(
        tracking.stories.latest_of_visitors, visitors, since_ms=now_ms - _LOOK_BACK_MS, now_ms=now_ms
    )
    return None if click is None else _Found(click, "visitor")


async def _by_id(tracking: Tracking, click_id: str, by: Literal["cid", "cookie"]) -> _Found | None:
    try:
        story = await asyncio.to_thread(tracking.stories.get, ClickId(click_id[:_LONGEST_ID]))
    except NotFoundError:
        return None
    return _Found(story.click, by)


async def _remember(tracking: Tracking, found: _Found, offer: LanderOffer, *, number: int | None, now_ms: int) -> None:
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
