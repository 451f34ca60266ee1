"""Postbacks (GET and POST /postback) and the conversion pixel. Answered once the conversion is durable."""

import asyncio
import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from tnc.core.errors import InvalidError, TncError
from tnc.store.days.inbox import Origin
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.conversions.postback import NAMES
from tnc.tracking.test_links import PARAMETER, is_signed
from tnc.visitors.request import ESCAPED_AMPERSAND, MAX_VALUE, clean, read_query, split_target
from tnc.web.tracking.click import path_of, read
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.landers import find

_MAX_BODY: Final = 64 * 1024
_MAX_DIGITS: Final = 64  # of a JSON number that is written without an exponent
_DOT: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_ESCAPED: Final = "The URL contained &amp; in place of &; write & in the postback URL. It was read as &."
_NO_STORE: Final = {"Cache-Control": "no-store"}


async def postback(tracking: Tracking, request: web.BaseRequest, key: str) -> web.StreamResponse:
    """The reply is plain text. `key` is the one in the path, as networks set up for Keitaro send it."""
    incoming = read(request, tracking.world.now_ms())
    params = read_query(split_target(incoming.target)[1])
    if key:
        params.setdefault("key", key)
    problem = None
    try:
        params |= {name: value for name, value in (await _posted(request)).items() if value or name not in params}
    except InvalidError as error:
        problem = str(error)
    path = "/postback" if key else f"/{path_of(request)}"
    peer_ip = tracking.tracker.uncounted_reader.facts(incoming, None).ip
    origin: Origin = "postback"
    if is_signed(params.pop(PARAMETER, ""), tracking.page_key, incoming.arrived_at_ms):
        peer_ip, origin = None, "test"  # test postbacks of the owner need no key
    note = _ESCAPED if ESCAPED_AMPERSAND in unquote(incoming.target) else ""
    call = PostbackCall(
        method=request.method,
        path=path,
        params=_trimmed(params),
        peer_ip=peer_ip,
        origin=origin,
        problem=problem,
        note=note,
    )
    status, text = await _receive(tracking, call)
    return web.Response(status=status, text=text, headers=_NO_STORE)


async def pixel(tracking: Tracking, request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """GET /conversion.gif: by `cid`, else by the newest click of the visitor. Always answered with an image."""
    now_ms = tracking.world.now_ms()
    incoming = read(request, now_ms)
    params = read_query(split_target(incoming.target)[1])
    facts = tracking.tracker.uncounted_reader.facts(incoming, None)
    if not any(name.lower() in NAMES["click_id"] for name in params) and facts.mode != "none":
        found = await find(tracking, facts, now_ms)
        # Any page can hold an image: without a cookie, it proves nothing about other people at that address.
        is_foreign = incoming.headers.get("sec-fetch-site") == "cross-site" and found is not None
        if found is not None and not (is_foreign and found.by == "visitor"):
            params["cid"] = found.click.click_id
    call = PostbackCall(
        method=request.method, path="/conversion.gif", params=_trimmed(params), peer_ip=facts.ip, origin="pixel"
    )
    status, _ = await _receive(tracking, call)
    return web.Response(status=status, body=_DOT, content_type="image/gif", headers=_NO_STORE)


async def _receive(tracking: Tracking, call: PostbackCall) -> tuple[int, str]:
    try:
        reply = await asyncio.to_thread(tracking.services.conversions.receive, call)
    except TncError as error:
        return error.http_status, str(error)
    return reply.status, reply.text


def _trimmed(params: Mapping[str, str]) -> dict[str, str]:
    """Names without surrounding space, so that a key is known, and masked, by its name."""
    trimmed: dict[str, str] = {}
    for name, value in params.items():
        if not trimmed.get(name.strip()):
            trimmed[name.strip()] = value
    return trimmed


async def _posted(request: web.BaseRequest) -> dict[str, str]:
    """The parameters of a POST: a form, also as multipart, or a flat JSON object. Raises InvalidError.

    A body that begins like a JSON object is one, whatever type it says: PHP's curl and forms name others.
    """
    if request.method != "POST" or not request.can_read_body:
        return {}
    body = b""
    while part := await request.content.read(_MAX_BODY + 1 - len(body)):
        body += part
        if len(body) > _MAX_BODY:
            raise InvalidError("the body is too large: send the parameters only.")
    if request.content_type == "multipart/form-data":
        return _parts(request.headers["Content-Type"], body)
    if "json" not in request.content_type and not body.lstrip().startswith(b"{"):
        return read_query(body.decode("utf-8", "surrogateescape"))
    try:
        given = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidError("the body is not JSON: send an object of parameters.") from error
    if not isinstance(given, dict):
        raise InvalidError("the body is not a JSON object: send an object of parameters.")
    return {clean(str(name)): clean(_text(value)) for name, value in given.items() if value is not None}


def _parts(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart body (RFC 7578); files in it are left out."""
    whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, str] = {}
    for part in whole.iter_parts() if whole.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and name and isinstance(content, bytes) and part.get_filename() is None:
            text = clean(content.decode("utf-8", "surrogateescape"))
            if not found.get(name):
                found[name] = text[:MAX_VALUE]
    if not found:
        raise InvalidError("the body is not multipart/form-data with fields: send a form or a JSON object.")
    return found


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        raise InvalidError("the body contains nested values: send a flat object of parameters.")
    if isinstance(value, Decimal):  # some programs write amounts like 1e-05
        return f"{value:f}" if abs(value.adjusted()) <= _MAX_DIGITS else str(value)
    return value if isinstance(value, str) else json.dumps(value)
