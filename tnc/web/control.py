"""The local socket: while a server runs, commands that change something go through it.

One writer owns each file, so a command never opens them beside the server. HTTP over a Unix socket that only
the data directory's owner can reach; every answer is JSON, a refusal keeps its exit code.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from tnc.admin.errands import Errands
from tnc.core.errors import TncError
from tnc.tracking.configure import Operations
from tnc.tracking.conversions.postback import read_postback

OPERATIONS: Final = web.AppKey("OPERATIONS", Operations)
ERRANDS: Final = web.AppKey("ERRANDS", Mapping[str, Callable[..., Any]])
_LARGEST: Final = 1 << 31


async def _apply(request: web.Request) -> Any:
    given = await request.json()
    told = {"file": given["file"], "prune": given["prune"], "secret": given["secrets"].__getitem__}
    return request.app[OPERATIONS].apply, (given["text"],), told


async def _roll_back(request: web.Request) -> Any:
    return request.app[OPERATIONS].roll_back, ((await request.json())["version"],), {}


async def _add_conversion(request: web.Request) -> Any:
    return request.app[OPERATIONS].add_conversion, (read_postback(await request.json()),), {}


async def _import_clicks(request: web.Request) -> Any:
    lines = (await request.read()).split(b"\n")
    return request.app[OPERATIONS].import_clicks, (lines,), {"file": request.query["file"]}


async def _errand(request: web.Request) -> Any:
    return request.app[ERRANDS][request.match_info["name"]], (), await request.json()


def _handler(read: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            operation, arguments, keywords = await read(request)
            return web.json_response(await asyncio.to_thread(operation, *arguments, **keywords))
        except TncError as error:
            return web.json_response({"refused": type(error).__name__, "text": str(error)}, status=422)

    return handle


def control_app(operations: Operations, errands: Errands) -> web.Application:
    app = web.Application(client_max_size=_LARGEST)
    app[OPERATIONS] = operations
    app[ERRANDS] = errands
    app.add_routes(
        [
            web.post("/apply", _handler(_apply)),
            web.post("/roll-back", _handler(_roll_back)),
            web.post("/conversion", _handler(_add_conversion)),
            web.post("/clicks", _handler(_import_clicks)),
            web.post("/errands/{name}", _handler(_errand)),
        ]
    )
    return app
