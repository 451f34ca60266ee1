"""Privacy: requests from visitors, data retention, the data map and the records of processing."""

import asyncio
import functools
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date as Date
from typing import Any, Final, cast, get_args

from aiohttp import web

from tnc.admin import records
from tnc.admin.services import Services
from tnc.core.errors import InvalidError, NotFoundError, RefusedError, TncError
from tnc.privacy.data_map import map_json
from tnc.privacy.export import export_zip, file_name
from tnc.privacy.receipts import read_receipt
from tnc.privacy.subject import Subject
from tnc.store.requests import Channel, ReceiverOutcome, RequestKind, State, following
from tnc.store.terms import describe_terms, start_ms
from tnc.web.dashboard.keys import SERVICES, USER
from tnc.web.dashboard.login import confirm
from tnc.web.dashboard.pages import page

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Stores = Sequence[Mapping[str, Any]]

_WHO: Final = ("click", "ip", "external_id", "visitor")
KINDS: Final[tuple[RequestKind, ...]] = get_args(RequestKind)
CHANNELS: Final[tuple[Channel, ...]] = ("email", "letter")
OUTCOMES: Final[tuple[ReceiverOutcome, ...]] = get_args(ReceiverOutcome)
_CONFIRMATION: Final = "erase"
_NO_PERIODS: Final = ("sure", "password")


async def _form(request: web.Request) -> dict[str, str]:
    return {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}


def _who(given: Mapping[str, str]) -> dict[str, Any]:
    """By what the visitor is looked for: the fields that were filled in."""
    return {name: given[name] for name in _WHO if given.get(name)}


def _day_ms(text: str) -> int:
    try:
        return start_ms(Date.fromisoformat(text))
    except ValueError as error:
        raise InvalidError(f"{text!r} is no day; write it like 2026-11-23.") from error


# ------------------------------------------------------------------------------------------------- the register


async def index(request: web.Request) -> web.StreamResponse:
    """GET /privacy/requests"""
    requests = await asyncio.to_thread(request.app[SERVICES].privacy_requests.requests)
    waiting = [each for each in requests if each["days_left"] is not None]
    return page(
        request,
        "privacy_requests.html",
        requests=requests,
        late=[each for each in waiting if each["overdue"]],
        waiting=waiting,
        kinds=KINDS,
        channels=CHANNELS,
    )


async def record(request: web.Request) -> web.StreamResponse:
    """POST /privacy/requests: a request that came by letter or e-mail."""
    given, add = await _form(request), request.app[SERVICES].privacy_requests.add
    kind = next((each for each in KINDS if each == given.get("kind")), None)
    channel = next((each for each in CHANNELS if each == given.get("channel")), None)
    if kind is None or channel is None:
        raise InvalidError("choose the type of the request, and how you received it.")
    text, contact = given.get("text", ""), given.get("contact", "")
    added = await asyncio.to_thread(add, kind, channel=channel, text=text, contact=contact)
    raise web.HTTPSeeOther(f"/privacy/requests/{added['request_id']}")


# -------------------------------------------------------------------------------------------------- one request


async def show(request: web.Request) -> web.StreamResponse:
    """GET /privacy/requests/{request_id}"""
    return await _page(request)


async def _page(
    request: web.Request,
    *,
    stores: _Stores | None = None,
    receipt: Mapping[str, Any] | None = None,
    opted_out_until: str = "",
    error: TncError | None = None,
) -> web.StreamResponse:
    """`stores` is what is stored about the visitor; it is looked up where it is not given."""
    services, request_id = request.app[SERVICES], request.match_info["request_id"]
    found = await asyncio.to_thread(services.privacy_requests.request, request_id)
    given = {} if request.method == "GET" else await _form(request)  # no visitor is named in an address
    who, visitors = _who(given), 1
    if found["click"] and not who:
        who = {"click": found["click"]}
    if who and stores is None and receipt is None:
        with suppress(*(() if error is None else (TncError,))):
            stores, visitors = await asyncio.to_thread(_find, services, who)
    return page(
        request,
        "privacy_request.html",
        status=200 if error is None else error.http_status,
        error="" if error is None else str(error),
        given=defaultdict(str, given),
        found=found,
        following=following(found["state"]),
        who=who,
        typed={name: who.get(name, "") for name in _WHO},
        stores=stores,
        visitors=visitors,
        receipt=None if receipt is None else json.dumps(receipt, indent=2),
        confirmation=_CONFIRMATION,
        opted_out_until=opted_out_until,
        outcomes=OUTCOMES,
    )


def _find(services: Services, who: Mapping[str, Any]) -> tuple[_Stores, int]:
    """Rows by store, and how many visitors they are of."""
    subject = services.eraser.subject(**who)
    return services.eraser.find(subject)["stores"], services.eraser.count_visitors(subject)


def _refusals_on_the_page(handler: _Handler) -> _Handler:
    """A refusal is shown on the request's own page, which keeps what was typed."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (InvalidError, RefusedError, NotFoundError) as error:
            return await _page(request, error=error)

    return handle


@_refusals_on_the_page
async def change_status(request: web.Request) -> web.StreamResponse:
    """POST /privacy/requests/{request_id}/status: with the reason for the register and the reply to the visitor."""
    given, request_id = await _form(request), request.match_info["request_id"]
    await asyncio.to_thread(
        request.app[SERVICES].privacy_requests.move,
        request_id,
        cast("State", given.get("state", "")),  # checked there against what may follow
        reason=given.get("reason", ""),
        answer=given.get("answer", ""),
    )
    raise web.HTTPSeeOther(f"/privacy/requests/{request_id}")


@_refusals_on_the_page
async def record_outcome(request: web.Request) -> web.StreamResponse:
    """POST /privacy/requests/{request_id}/receiver: what became of the visitor's data at a receiver."""
    given, request_id = await _form(request), request.match_info["request_id"]
    outcome = cast("ReceiverOutcome", given.get("outcome", ""))  # checked there against the known ones
    settle = request.app[SERVICES].privacy_requests.record_outcome
    await asyncio.to_thread(settle, request_id, receiver=given.get("receiver", ""), outcome=outcome)
    raise web.HTTPSeeOther(f"/privacy/requests/{request_id}")


@_refusals_on_the_page
async def extend(request: web.Request) -> web.StreamResponse:
    """POST /privacy/requests/{request_id}/deadline: a later one, with the reason that the visitor reads."""
    given, request_id = await _form(request), request.match_info["request_id"]
    until_ms, reason = _day_ms(given.get("until", "")), given.get("reason", "")
    extend_ = request.app[SERVICES].privacy_requests.extend
    await asyncio.to_thread(extend_, request_id, until_ms=until_ms, reason=reason)
    raise web.HTTPSeeOther(f"/privacy/requests/{request_id}")


@_refusals_on_the_page
async def act(request: web.Request) -> web.StreamResponse:
    """POST /privacy/requests/{request_id}/action: find, copy, erase, object, restrict or unrestrict.

    Erasing needs the word typed.
    """
    given, services = await _form(request), request.app[SERVICES]
    eraser, who = services.eraser, _who(given)

    def subject() -> Subject:
        return eraser.subject(**who)

    match given.get("do"):
        case "find":
            return await _page(request)
        case "erase":
            if given.get("confirmation") != _CONFIRMATION:
                raise InvalidError(f"type the word {_CONFIRMATION} to confirm: erasing cannot be undone.")
            request_id = request.match_info["request_id"]
            receipt = await asyncio.to_thread(lambda: eraser.erase(subject(), request_id=request_id))
            return await _page(request, receipt=receipt)
        case "copy":
            return _zip(*await asyncio.to_thread(_copy, services, who))
        case "object":
            objection = await asyncio.to_thread(lambda: eraser.object(subject()))
            return await _page(request, opted_out_until=objection["until"][:10])
        case "restrict":
            moved = await asyncio.to_thread(lambda: eraser.restrict(subject()))
        case "unrestrict":
            moved = await asyncio.to_thread(lambda: eraser.unrestrict(subject()))
        case _:
            raise InvalidError("choose what to do.")
    return await _page(request, stores=[{"store": each["store"], "count": each["after"]} for each in moved["stores"]])


def _copy(services: Services, who: Mapping[str, Any]) -> tuple[str, bytes]:
    """A name and a ZIP for the visitor."""
    eraser, subject = services.eraser, services.eraser.subject(**who)
    return file_name(eraser.hashed(subject)), export_zip(services.workspace, eraser.vaults, subject)


def _zip(name: str, content: bytes) -> web.Response:
    return web.Response(
        body=content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


# --------------------------------------------------------------------------------------------------- retention


async def retention(request: web.Request) -> web.StreamResponse:
    """GET /privacy/retention"""
    return await _retention_page(request)


async def _retention_page(
    request: web.Request,
    given: Mapping[str, str] = {},
    *,
    wanted: Mapping[str, int] = {},
    error: TncError | None = None,
) -> web.StreamResponse:
    service = request.app[SERVICES].retention
    shown = await asyncio.to_thread(service.show)
    preview = await asyncio.to_thread(service.set, wanted, dry_run=True) if wanted else None
    return page(
        request,
        "retention.html",
        status=200 if error is None else error.http_status,
        error="" if error is None else str(error),
        given=defaultdict(str, given),
        shown=shown,
        preview=preview,
        wanted=wanted,
        shorter=_is_shorter(shown, wanted),
    )


def _is_shorter(shown: Mapping[str, Any], wanted: Mapping[str, int]) -> bool:
    return any(each["days"] > wanted[each["name"]] for each in shown["terms"] if each["name"] in wanted)


async def set_retention(request: web.Request) -> web.StreamResponse:
    """POST /privacy/retention: first shows what would be deleted, then, confirmed, makes the change."""
    given, service, wanted = await _form(request), request.app[SERVICES].retention, dict[str, int]()
    try:
        wanted = _wanted(given)
        if given.get("sure") != "yes":
            return await _retention_page(request, given, wanted=wanted)
        if _is_shorter(await asyncio.to_thread(service.show), wanted):
            await confirm(request, given.get("password", ""))
        await asyncio.to_thread(service.set, wanted, by=request[USER].email)
    except InvalidError as error:
        return await _retention_page(request, given, error=error)
    except RefusedError as error:
        return await _retention_page(request, given, wanted=wanted, error=error)
    raise web.HTTPSeeOther("/privacy/retention")


def _wanted(given: Mapping[str, str]) -> dict[str, int]:
    wanted = {name: _days(days) for name, days in given.items() if days and name not in _NO_PERIODS}
    if not wanted:
        raise InvalidError("fill in the number of days that you want to change.")
    return wanted


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise InvalidError(f"{text!r} is no number of days.")
    return int(text)


# -------------------------------------------------------------------------------- the data map and the records


async def data_map(request: web.Request) -> web.StreamResponse:
    """GET /privacy/data-map"""
    workspace, wanted = request.app[SERVICES].workspace, request.query.get("class", "")
    _, configuration = await workspace.load_configuration()
    entries = map_json(describe_terms(workspace.settings))
    return page(
        request,
        "data_map.html",
        entries=[each for each in entries if not wanted or each["class"] == wanted],
        classes=sorted({each["class"] for each in entries}),
        wanted=wanted,
        receivers=list(records.receivers(configuration)),
    )


async def processing(request: web.Request) -> web.StreamResponse:
    """GET /privacy/processing; with `from` also the draft of a notification of a breach."""
    since, until = request.query.get("from", ""), request.query.get("to", "")
    breach = None
    if since:
        workspace = request.app[SERVICES].workspace
        until_ms = _day_ms(until) if until else workspace.world.now_ms()
        breach = await asyncio.to_thread(records.breach, workspace, since_ms=_day_ms(since), until_ms=until_ms)
    return await _processing_page(request, breach=breach, since=since, until=until)


async def check_receipt(request: web.Request) -> web.StreamResponse:
    """POST /privacy/processing: whether a receipt is valid, by the keys and stores as they are now."""
    receipt = read_receipt((await _form(request)).get("receipt", ""))
    checked = await asyncio.to_thread(request.app[SERVICES].eraser.verify, receipt)
    return await _processing_page(request, checked=checked)


async def _processing_page(
    request: web.Request,
    *,
    breach: Mapping[str, Any] | None = None,
    since: str = "",
    until: str = "",
    checked: Sequence[str] | None = None,
) -> web.StreamResponse:
    found = await asyncio.to_thread(records.processing, request.app[SERVICES].workspace)
    return page(request, "processing.html", found=found, breach=breach, since=since, until=until, checked=checked)
