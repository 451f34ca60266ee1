"""GET /click and /click/{n}: redirects from a lander to the offer."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web
from msgspec.structs import replace

from tnc.core.clock import HOUR_MS
from tnc.core.errors import NotFoundError, UnavailableError
from tnc.core.models import Click, ClickId, Visit
from tnc.rules import LanderOffer
from tnc.store.days.click_log import Day
from tnc.store.days.writer import utc_date
from tnc.tracking.record import record_lander_click
from tnc.tracking.tracker import COOKIE_PLAIN, COOKIE_SECURE, LOOK_BACK_HOURS
from tnc.visitors.visit import RequestFacts
from tnc.web.tracking import responses as answers
from tnc.web.tracking.click import read
from tnc.web.tracking.keys import Tracking

_LOOK_BACK_MS: Final = LOOK_BACK_HOURS * HOUR_MS
_LONGEST_ID: Final = 256
_PATIENCE_SECONDS: Final = 1.5  # for a disk that hangs


@dataclass(frozen=True, slots=True)
class Found:
    click: Click
    by: Literal["cid", "cookie", "visitor"]


async def find(tracking: Tracking, facts: RequestFacts, now_ms: int) -> Found | None:
    """The click of a visitor: by `cid`, else by the cookie, else the newest of the same pseudonym within 24 hours."""
    cid = facts.params.get("cid")
    if cid:
        return await _by_id(tracking, cid, "cid")
    cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
    known = None if cookie is None else tracking.tracker.pseudonyms.read_cookie(cookie)
    if known is not None and known.last_click is not None:
        found = await _by_id(tracking, known.last_click, "cookie")
        if found is not None:
            return found
    recent = tracking.tracker.recent_pseudonyms(facts, now_ms)
    visitors = tracking.tracker.may_have_clicked(recent, now_ms)
    if not visitors:
        return None  # avoids a search, which reads all clicks of today
    search = asyncio.to_thread(
        tracking.services.workspace.histories.latest_of_visitors,
        visitors,
        since_ms=now_ms - _LOOK_BACK_MS,
        now_ms=now_ms,
    )
    try:
        click = await asyncio.wait_for(search, _PATIENCE_SECONDS)
    except TimeoutError:
        return None
    return None if click is None else Found(click, "visitor")


async def _by_id(tracking: Tracking, click_id: str, by: Literal["cid", "cookie"]) -> Found | None:
    """Reads the click; while the disk fails or hangs, recent clicks are taken from memory."""
    click_id = click_id[:_LONGEST_ID]
    click = None if tracking.click_log.recording().failing is None else tracking.tracker.click_at_lander(click_id)
    if click is None:
        read_click = asyncio.to_thread(tracking.services.workspace.histories.get, ClickId(click_id))
        try:
            click = (await asyncio.wait_for(read_click, _PATIENCE_SECONDS)).click
        except NotFoundError:
            return None
        except TimeoutError:
            click = tracking.tracker.click_at_lander(click_id)
    return None if click is None else Found(click, by)


async def lander_click(tracking: Tracking, request: web.BaseRequest, number_text: str) -> web.StreamResponse:
    """Find the click, pick its offer by the current caps, record the lander click once, redirect."""
    now_ms = tracking.world.now_ms()
    facts = tracking.tracker.uncounted_reader.facts(read(request, now_ms), None)
    found = await find(tracking, facts, now_ms)
    plan = None if found is None else tracking.tracker.plans.by_id.get(found.click.campaign)
    if found is None or plan is None:
        return answers.status(404)
    if facts.classification.traffic == "prefetch":
        return answers.refuse_prefetch()
    number = int(number_text) if number_text else None
    offer = plan.lander_offer(found.click, number=number, capped=tracking.tracker.caps.full(now_ms))
    if offer is None:
        return answers.status(404)
    click = found.click
    if found.by == "cid" and not tracking.tracker.may_be_own_visit(facts, click.visit, now_ms):
        click = _without_visitor(click)  # networks, their partners and logs know click ids
    elif request.method == "GET":
        await _remember(tracking, found, offer, number=number, now_ms=now_ms)
    url = plan.fill(offer.template, click, offer=offer.offer)
    return answers.onward(plan.campaign, url, page_key=tracking.page_key, secure=facts.secure)


def _without_visitor(click: Click) -> Click:
    """The click with nothing of its visitor, for the URL that a stranger is sent to."""
    visit = click.visit
    return replace(click, visit=Visit(visited_at_ms=visit.visited_at_ms, domain=visit.domain, mode="none"))


async def _remember(tracking: Tracking, found: Found, offer: LanderOffer, *, number: int | None, now_ms: int) -> None:
    click = found.click
    day: Day = (click.workspace, utc_date(click.clicked_at_ms))
    # If the disk fails or hangs, the visitor is still redirected; /-/health and the log report it.
    with suppress(UnavailableError):
        await tracking.click_log.run_unless_stalled(
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
