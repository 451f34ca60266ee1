"""People: the register of requests, one request, how long things are kept, and what is stored at all."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from tnc.errors import InvalidError
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import People

_WHO: Final = ("click", "ip", "external_id", "visitor")
KINDS: Final = ("access", "erasure", "restriction", "objection", "rectification", "withdrawal", "question")
CHANNELS: Final = ("email", "letter")
_CONFIRMATION: Final = "erase"


def _people(request: web.Request) -> People:
    return request.app[APPLIANCE].people


async def _form(request: web.Request) -> dict[str, str]:
    return {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}


def _who(given: Mapping[str, str]) -> dict[str, str]:
    """Who is meant, in the words that were filled in."""
    return {name: given[name] for name in _WHO if given.get(name)}


# ------------------------------------------------------------------------------------------------- the register


async def index(request: web.Request) -> web.StreamResponse:
    """GET /people"""
    requests = await asyncio.to_thread(_people(request).requests)
    waiting = [each for each in requests if each["days_left"] is not None]
    return page(
        request,
        "people.html",
        requests=requests,
        late=[each for each in waiting if each["overdue"]],
        waiting=waiting,
        kinds=KINDS,
        channels=CHANNELS,
    )


async def take_down(request: web.Request) -> web.StreamResponse:
    """POST /people: a request that came by letter or e-mail."""
    given = await _form(request)
    if given.get("kind") not in KINDS or given.get("channel") not in CHANNELS:
        raise InvalidError("choose what was asked for, and how it came.")
    told = await asyncio.to_thread(
        _people(request).take_down,
        given["kind"],
        channel=given["channel"],
        text=given.get("text", ""),
        contact=given.get("contact", ""),
    )
    raise web.HTTPSeeOther(f"/people/{told['request_id']}")


# -------------------------------------------------------------------------------------------------- one request


async def show(request: web.Request) -> web.StreamResponse:
    """GET /people/{request_id}"""
    return await _one(request)


async def _one(
    request: web.Request, *, found: Mapping[str, Any] | None = None, receipt: Mapping[str, Any] | None = None
) -> web.StreamResponse:
    people, request_id = _people(request), request.match_info["request_id"]
    told = await asyncio.to_thread(people.request, request_id)
    who = _who(request.query) if request.method == "GET" else _who(await _form(request))
    if who and found is None and receipt is None:
        found = await asyncio.to_thread(people.find, who)
    return page(
        request,
        "person.html",
        told=told,
        following=people.following(told["state"]),
        who=who,
        typed={name: who.get(name, "") for name in _WHO},
        found=found,
        receipt=None if receipt is None else json.dumps(receipt, indent=2),
        confirmation=_CONFIRMATION,
    )


async def move(request: web.Request) -> web.StreamResponse:
    """POST /people/{request_id}/move: the next state, with its reason and what the person reads."""
    given, request_id = await _form(request), request.match_info["request_id"]
    await asyncio.to_thread(
        _people(request).move,
        request_id,
        given.get("state", ""),
        reason=given.get("reason", ""),
        answer=given.get("answer", ""),
    )
    raise web.HTTPSeeOther(f"/people/{request_id}")


async def act(request: web.Request) -> web.StreamResponse:
    """POST /people/{request_id}/act: erase, restrict, or lift it; erasing needs the word typed."""
    given, people = await _form(request), _people(request)
    who = _who(given)
    match given.get("do"):
        case "erase":
            if given.get("confirmation") != _CONFIRMATION:
                raise InvalidError(f"type the word {_CONFIRMATION} to confirm: it cannot be taken back.")
            receipt = await asyncio.to_thread(people.erase, who)
            return await _one(request, receipt=receipt)
        case "restrict":
            found = await asyncio.to_thread(people.restrict, who)
        case "unrestrict":
            found = await asyncio.to_thread(people.unrestrict, who)
        case _:
            raise InvalidError("choose what is to be done.")
    return await _one(request, found=_counted(found))


def _counted(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stores as they are afterwards."""
    stores: Sequence[Mapping[str, Any]] = told["stores"]
    return {"stores": [{"store": each["store"], "count": each["after"]} for each in stores]}


# --------------------------------------------------------------------------------------------------- how long


async def terms(request: web.Request) -> web.StreamResponse:
    """GET /keeping"""
    told = await asyncio.to_thread(_people(request).terms)
    return page(request, "keeping.html", told=told, preview=None, wanted={})


async def set_terms(request: web.Request) -> web.StreamResponse:
    """POST /keeping: first what would go, then, when that was seen, the change."""
    given, people = await _form(request), _people(request)
    wanted = {name: _days(days) for name, days in given.items() if days and name != "sure"}
    if not wanted:
        raise InvalidError("write the days that are to change.")
    if given.get("sure") == "yes":
        await asyncio.to_thread(people.set_terms, wanted)
        raise web.HTTPSeeOther("/keeping")
    preview = await asyncio.to_thread(people.preview_terms, wanted)
    told = await asyncio.to_thread(people.terms)
    return page(request, "keeping.html", told=told, preview=preview, wanted=wanted)


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise InvalidError(f"{text!r} is no number of days.")
    return int(text)


# --------------------------------------------------------------------------------------------- what is stored


async def stored(request: web.Request) -> web.StreamResponse:
    """GET /stored"""
    people = _people(request)
    entries, receivers = await asyncio.gather(asyncio.to_thread(people.stored), asyncio.to_thread(people.receivers))
    wanted = request.query.get("class", "")
    return page(
        request,
        "stored.html",
        entries=[each for each in entries if not wanted or each["class"] == wanted],
        classes=sorted({each["class"] for each in entries}),
        wanted=wanted,
        receivers=receivers,
    )
