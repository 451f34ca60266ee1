"""The postback log: every call as it came, what became of it, and processing it again."""

import asyncio
from typing import Final, get_args

from aiohttp import web

from tnc.core.errors import InvalidError
from tnc.store.days.inbox import UNMATCHED, CallOutcome
from tnc.tracking.conversions.inbox import call_id
from tnc.web.dashboard.format import word
from tnc.web.dashboard.keys import SERVICES
from tnc.web.dashboard.pages import page

_SHOWN: Final = 100
OUTCOMES: Final[tuple[CallOutcome, ...]] = get_args(CallOutcome)
_ONLY_UNMATCHED: Final = "unmatched"


async def index(request: web.Request) -> web.StreamResponse:
    """GET /postbacks"""
    services, wanted = request.app[SERVICES], request.query.get("outcome", "")
    rows, (_, configuration) = await asyncio.gather(
        asyncio.to_thread(services.conversions.rows, outcomes=_outcomes(wanted), limit=_SHOWN),
        services.workspace.load_configuration(),
    )
    return page(
        request,
        "postbacks.html",
        rows=[(call_id(date, row), row) for date, row in rows],
        networks=configuration.networks,
        wanted=wanted,
        choices=[(_ONLY_UNMATCHED, "all unmatched"), *((each, word(each)) for each in OUTCOMES)],
        unmatched=UNMATCHED,
        processed=_number(request.query.get("processed")),
        limit=_SHOWN,
    )


async def replay(request: web.Request) -> web.StreamResponse:
    """POST /postbacks/replay: the call that the form names, else all unmatched ones."""
    call = (await request.post()).get("call")
    named = call if isinstance(call, str) else None
    done = await asyncio.to_thread(request.app[SERVICES].conversions.replay, named)
    raise web.HTTPSeeOther(f"/postbacks?processed={done['replayed']}")


def _outcomes(wanted: str) -> frozenset[CallOutcome] | None:
    if not wanted:
        return None
    if wanted == _ONLY_UNMATCHED:
        return UNMATCHED
    found = frozenset(each for each in OUTCOMES if each == wanted)
    if not found:
        raise InvalidError(f"{wanted!r} is no result of a postback; choose one of {', '.join(OUTCOMES)}.")
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
