"""Which click a visitor made who is back: on a lander, or on a page that tells of a conversion."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from tnc.errors import NotFoundError
from tnc.facts.reader import Facts
from tnc.live.tracker import COOKIE_PLAIN, COOKIE_SECURE, LOOK_BACK_HOURS
from tnc.model import Click, ClickId
from tnc.web.tracking.keys import Tracking

_LOOK_BACK_MS: Final = LOOK_BACK_HOURS * 3_600_000
_LONGEST_ID: Final = 256


@dataclass(frozen=True, slots=True)
class Found:
    click: Click
    by: Literal["cid", "cookie", "visitor"]


async def find(tracking: Tracking, facts: Facts, now_ms: int) -> Found | None:
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
    recent = tracking.tracker.recent_pseudonyms(facts, now_ms)
    visitors = tracking.tracker.may_have_clicked(recent, now_ms)
    if not visitors:
        return None  # the search reads all of today
    click = await asyncio.to_thread(
        tracking.stories.latest_of_visitors, visitors, since_ms=now_ms - _LOOK_BACK_MS, now_ms=now_ms
    )
    return None if click is None else Found(click, "visitor")


async def _by_id(tracking: Tracking, click_id: str, by: Literal["cid", "cookie"]) -> Found | None:
    try:
        story = await asyncio.to_thread(tracking.stories.get, ClickId(click_id[:_LONGEST_ID]))
    except NotFoundError:
        return None
    return Found(story.click, by)
