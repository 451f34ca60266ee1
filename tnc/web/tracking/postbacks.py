"""GET and POST /postback, and the pixel: somebody tells of a conversion. Answered after it is durable."""

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from aiohttp import web

from tnc.core.errors import InvalidError, TncError
from tnc.store.days.inbox import Origin
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.conversions.postback import NAMES
from tnc.tracking.test_links import PARAMETER, is_signed
from tnc.visitors.request import read_query, split_target
from tnc.web.tracking.click import path_of, read
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.landers import find

_LARGEST: Final = 64 * 1024
_MOST_DIGITS: Final = 64  # of a number in JSON that is written out
_DOT: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_NO_STORE: Final = {"Cache-Control": "no-store"}


async def postback(tracking: Tracking, request: web.BaseRequest, key: str) -> web.StreamResponse:
    """In plain text. `key` is the one in the path, as networks set up for Keitaro send it."""
    asked = read(request, tracking.world.now_ms())
    params = read_query(split_target(asked.target)[1])
    if key:
        params.setdefault("key", key)
    problem = None
    try:
        params |= await _posted(request)
    except InvalidError as error:
        problem = str(error)
    path = "/postback" if key else f"/{path_of(request)}"
    peer_ip = tracking.tracker.looker.facts(asked, None).ip
    origin: Origin = "postback"
    if is_signed(params.pop(PARAMETER, ""), tracking.page_key, asked.arrived_at_ms):
        peer_ip, origin = None, "test"  # its owner needs no network's key
    status, text = await _hear(tracking, request, path, params, peer_ip=peer_ip, origin=origin, problem=problem)
    return web.Response(status=status, text=text, headers=_NO_STORE)


async def pixel(tracking: Tracking, request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """GET /conversion.gif: by `cid`, else by the visitor's own click. A picture in any case."""
    now_ms = tracking.world.now_ms()
    asked = read(request, now_ms)
    params = read_query(split_target(asked.target)[1])
    facts = tracking.tracker.looker.facts(asked, None)
    if not any(name.lower() in NAMES["click_id"] for name in params) and facts.mode != "none":
        found = await find(tracking, facts, now_ms)
        if found is not None:
            params["cid"] = found.click.click_id
    status, _ = await _hear(tracking, request, "/conversion.gif", params, peer_ip=facts.ip, origin="pixel")
    return web.Response(status=status, body=_DOT, content_type="image/gif", headers=_NO_STORE)


async def _hear(
    tracking: Tracking,
    request: web.BaseRequest,
    path: str,
    params: Mapping[str, str],
    *,
    peer_ip: str | None,
    origin: Origin,
    problem: str | None = None,
) -> tuple[int, str]:
    heard = PostbackCall(
        method=request.method, path=path, params=params, peer_ip=peer_ip, origin=origin, problem=problem
    )
    try:
        answered = await tracking.hear(heard)
    except TncError as error:
        return error.http_status, str(error)
    return answered.status, answered.text


async def _posted(request: web.BaseRequest) -> dict[str, str]:
    """The parameters of a POST: a form or a flat JSON object. Raises InvalidError."""
    if request.method != "POST" or not request.can_read_body:
        return {}
    body = b""
    while part := await request.content.read(_LARGEST + 1 - len(body)):
        body += part
        if len(body) > _LARGEST:
            raise InvalidError("the body is too large: send the parameters only.")
    if "json" not in request.content_type:
        return dict(read_query(body.decode(errors="replace")))
    try:
        given = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidError("the body is not JSON: send an object of parameters.") from error
    if not isinstance(given, dict):
        raise InvalidError("the body is not a JSON object: send an object of parameters.")
    return {str(name): _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        raise InvalidError("the body holds more than plain values: send a flat object of parameters.")
    if isinstance(value, Decimal):  # what a program writes as 1e-05 is money all the same
        return f"{value:f}" if abs(value.adjusted()) <= _MOST_DIGITS else str(value)
    return value if isinstance(value, str) else json.dumps(value)
