"""People: the register of requests, one request, how long things are kept, and what is stored at all."""

import asyncio
import functools
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date as Date
from typing import Any, Final, get_args

from aiohttp import web

from tnc.core.errors import InvalidError, NotFoundError, RefusedError, TncError
from tnc.store.requests import Outcome
from tnc.store.terms import start_ms
from tnc.web.dashboard.keys import APPLIANCE, USER
from tnc.web.dashboard.login import confirm
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import People

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_WHO: Final = ("click", "ip", "external_id", "visitor")
KINDS: Final = ("access", "erasure", "restriction", "objection", "rectification", "withdrawal", "question")
CHANNELS: Final = ("email", "letter")
_CONFIRMATION: Final = "erase"
_NO_TERMS: Final = ("sure", "password")
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


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
    request: web.Request,
    *,
    found: Mapping[str, Any] | None = None,
    receipt: Mapping[str, Any] | None = None,
    said: str = "",
    error: TncError | None = None,
) -> web.StreamResponse:
    people, request_id = _people(request), request.match_info["request_id"]
    told = await asyncio.to_thread(people.request, request_id)
    given = {} if request.method == "GET" else await _form(request)  # nobody is named in an address of ours
    who = _who(given)
    if told["click"] and not who:
        who = {"click": told["click"]}
    if who and found is None and receipt is None:
        with suppress(*(() if error is None else (TncError,))):
            found = await asyncio.to_thread(people.find, who)
    return page(
        request,
        "person.html",
        status=200 if error is None else error.http_status,
        error="" if error is None else str(error),
        given=defaultdict(str, given),
        told=told,
        following=people.following(told["state"]),
        who=who,
        typed={name: who.get(name, "") for name in _WHO},
        found=found,
        receipt=None if receipt is None else json.dumps(receipt, indent=2),
        confirmation=_CONFIRMATION,
        said=said,
        outcomes=OUTCOMES,
    )


def keeping_words(handler: _Handler) -> _Handler:
    """A refusal is told on the page itself, where all that was typed still stands."""

    @functools.wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (InvalidError, RefusedError, NotFoundError) as error:
            return await _one(request, error=error)

    return answer


@keeping_words
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


@keeping_words
async def told(request: web.Request) -> web.StreamResponse:
    """POST /people/{request_id}/told: what became of it at somebody who had been told before."""
    given, request_id = await _form(request), request.match_info["request_id"]
    await asyncio.to_thread(
        _people(request).settle, request_id, receiver=given.get("receiver", ""), outcome=given.get("outcome", "")
    )
    raise web.HTTPSeeOther(f"/people/{request_id}")


@keeping_words
async def extend(request: web.Request) -> web.StreamResponse:
    """POST /people/{request_id}/extend: more time, with the reason that the person reads."""
    given, request_id = await _form(request), request.match_info["request_id"]
    until_ms = _day_ms(given.get("until", ""))
    await asyncio.to_thread(_people(request).extend, request_id, until_ms=until_ms, reason=given.get("reason", ""))
    raise web.HTTPSeeOther(f"/people/{request_id}")


def _day_ms(text: str) -> int:
    try:
        return start_ms(Date.fromisoformat(text))
    except ValueError as error:
        raise InvalidError(f"{text!r} is no day; write it like 2026-11-23.") from error


def _zip(name: str, content: bytes) -> web.Response:
    return web.Response(
        body=content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@keeping_words
async def act(request: web.Request) -> web.StreamResponse:
    """POST /people/{request_id}/act: find, copy, erase, object, restrict or lift it; erasing needs the word typed."""
    given, people = await _form(request), _people(request)
    who = _who(given)
    match given.get("do"):
        case "find":
            return await _one(request)
        case "erase":
            if given.get("confirmation") != _CONFIRMATION:
                raise InvalidError(f"type the word {_CONFIRMATION} to confirm: it cannot be taken back.")
            receipt = await asyncio.to_thread(people.erase, who, request_id=request.match_info["request_id"])
            return await _one(request, receipt=receipt)
        case "copy":
            return _zip(*await asyncio.to_thread(people.copy, who))
        case "object":
            objected = await asyncio.to_thread(people.object, who)
            return await _one(request, said=f"Visits of this person leave no trace until {objected['until'][:10]}.")
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
    return await _terms(request)


async def _terms(
    request: web.Request,
    given: Mapping[str, str] = {},
    *,
    wanted: Mapping[str, int] = {},
    error: TncError | None = None,
) -> web.StreamResponse:
    people = _people(request)
    told = await asyncio.to_thread(people.terms)
    preview = await asyncio.to_thread(people.preview_terms, wanted) if wanted else None
    return page(
        request,
        "keeping.html",
        status=200 if error is None else error.http_status,
        error="" if error is None else str(error),
        given=defaultdict(str, given),
        told=told,
        preview=preview,
        wanted=wanted,
        shorter=_is_shorter(told, wanted),
    )


def _is_shorter(told: Mapping[str, Any], wanted: Mapping[str, int]) -> bool:
    return any(each["days"] > wanted[each["name"]] for each in told["terms"] if each["name"] in wanted)


async def set_terms(request: web.Request) -> web.StreamResponse:
    """POST /keeping: first what would go, then, when that was seen, the change."""
    given, people, wanted = await _form(request), _people(request), dict[str, int]()
    try:
        wanted = _wanted(given)
        if given.get("sure") != "yes":
            return await _terms(request, given, wanted=wanted)
        if _is_shorter(await asyncio.to_thread(people.terms), wanted):
            await confirm(request, given.get("password", ""))
        await asyncio.to_thread(people.set_terms, wanted, by=request[USER].email)
    except InvalidError as error:
        return await _terms(request, given, error=error)
    except RefusedError as error:
        return await _terms(request, given, wanted=wanted, error=error)
    raise web.HTTPSeeOther("/keeping")


def _wanted(given: Mapping[str, str]) -> dict[str, int]:
    wanted = {name: _days(days) for name, days in given.items() if days and name not in _NO_TERMS}
    if not wanted:
        raise InvalidError("write the days that are to change.")
    return wanted


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


# ------------------------------------------------------------------------------------------------- the records


async def records(request: web.Request) -> web.StreamResponse:
    """GET /records: of processing; with `from`, the kit for a breach."""
    people, since, until = _people(request), request.query.get("from", ""), request.query.get("to", "")
    found = await asyncio.to_thread(people.records)
    breach = None
    if since:
        breach = await asyncio.to_thread(people.breach, _day_ms(since), _day_ms(until) if until else None)
    return page(request, "records.html", found=found, breach=breach, since=since, until=until, checked=None)


async def check_receipt(request: web.Request) -> web.StreamResponse:
    """POST /records: does a receipt hold, by the keys and stores as they are now?"""
    people, given = _people(request), await _form(request)
    found = await asyncio.to_thread(people.records)
    checked = await asyncio.to_thread(people.check_receipt, given.get("receipt", ""))
    return page(request, "records.html", found=found, breach=None, since="", until="", checked=checked)
