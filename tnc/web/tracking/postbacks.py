"""GET and POST /postback: a network tells of a conversion. Answered in plain text, after it is durable."""

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from tnc.conversions.incoming import read_postback
from tnc.errors import InvalidError, TncError
from tnc.facts.query import read_query, split_target
from tnc.recording import Speaker
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.reading import read

_LARGEST: Final = 64 * 1024


async def postback(tracking: Tracking, request: web.BaseRequest, key: str) -> web.StreamResponse:
    """`key` is the one in the path, as networks set up for Keitaro send it."""
    asked = read(request, tracking.world.now_ms())
    try:
        params = {**read_query(split_target(asked.target)[1]), **await _posted(request)}
        if key:
            params.setdefault("key", key)
        speaker = Speaker(origin="postback", peer_ip=tracking.tracker.looker.facts(asked, None).ip)
        recorded = await tracking.convert(read_postback(params), speaker)
    except InvalidError as error:
        return _plain(400, str(error))
    except TncError as error:
        return _plain(error.http_status, str(error))
    if recorded.refused is not None:
        return _plain(404 if recorded.refused == "unknown click" else 403, recorded.refused)
    return _plain(200, recorded.outcome.answer if recorded.outcome is not None else "ok")


async def _posted(request: web.BaseRequest) -> Mapping[str, str]:
    """The parameters of a POST: a form or a flat JSON object. Raises InvalidError."""
    if request.method != "POST" or not request.can_read_body:
        return {}
    body = await request.content.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise InvalidError("the body is too large: send the parameters only.")
    if "json" not in request.content_type:
        return read_query(body.decode(errors="replace"))
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError("the body is not JSON: send an object of parameters.") from error
    if not isinstance(given, dict):
        raise InvalidError("the body is not a JSON object: send an object of parameters.")
    return {str(name): _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        raise InvalidError("the body holds more than plain values: send a flat object of parameters.")
    return value if isinstance(value, str) else json.dumps(value)


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Cache-Control": "no-store"})
