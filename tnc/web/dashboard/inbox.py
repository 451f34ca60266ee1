"""The postback inbox: every call as it came, what became of it, and hearing it again."""

import asyncio
from typing import Final, get_args

from aiohttp import web

from tnc.core.errors import InvalidError
from tnc.store.days.inbox import UNMATCHED, CallOutcome
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page

_SHOWN: Final = 100
OUTCOMES: Final[tuple[CallOutcome, ...]] = get_args(CallOutcome)
_ONLY_UNMATCHED: Final = "unmatched"


async def index(request: web.Request) -> web.StreamResponse:
    """GET /inbox"""
    wanted = request.query.get("outcome", "")
    rows = await asyncio.to_thread(request.app[APPLIANCE].mail.calls, outcomes=_outcomes(wanted), limit=_SHOWN)
    return page(
        request,
        "inbox.html",
        rows=rows,
        wanted=wanted,
        choices=[(_ONLY_UNMATCHED, "did not match"), *((each, each) for each in OUTCOMES)],
        unmatched=UNMATCHED,
        heard=_number(request.query.get("heard")),
        most=_SHOWN,
    )


async def replay(request: web.Request) -> web.StreamResponse:
    """POST /inbox/replay: the call that the form names, else all that did not match."""
    form = await request.post()
    call = form.get("call")
    heard = await asyncio.to_thread(request.app[APPLIANCE].mail.hear_again, call if isinstance(call, str) else None)
    raise web.HTTPSeeOther(f"/inbox?heard={heard}")


def _outcomes(wanted: str) -> frozenset[CallOutcome] | None:
    if not wanted:
        return None
    if wanted == _ONLY_UNMATCHED:
        return UNMATCHED
    found = frozenset(each for each in OUTCOMES if each == wanted)
    if not found:
        raise InvalidError(f"{wanted!r} is nothing that a call comes to; choose one of {', '.join(OUTCOMES)}")
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
