"""The local socket of a running server, through which `tnc` commands change something.

Each file has one writer, so a command never opens files beside the server. HTTP over a Unix socket that only the
owner of the data directory can reach. Answers are JSON; a refusal carries the class of its error, and with it the
exit code of the command.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import web

from tnc.admin.remote import Json
from tnc.admin.services import Commands
from tnc.core.errors import TncError
from tnc.tracking.import_clicks import ClickImport

COMMANDS: Final = web.AppKey("COMMANDS", Commands)
IMPORTS: Final = web.AppKey("IMPORTS", ClickImport)
_LARGEST: Final = 1 << 26


async def _command(request: web.Request) -> Callable[[], Json]:
    """`POST /commands/erase`, with the arguments as a JSON object."""
    command = request.app[COMMANDS].get(request.match_info["name"])
    if command is None:
        raise web.HTTPNotFound
    return partial(command, **await request.json())


async def _import_clicks(request: web.Request) -> Callable[[], Json]:
    """`POST /clicks`: a portion of the lines of a file, as they are. `first` is the number of the first one."""
    lines = (await request.read()).split(b"\n")
    return partial(request.app[IMPORTS].add, lines, file=request.query["file"], first=int(request.query["first"]))


def _handler(
    read: Callable[[web.Request], Awaitable[Callable[[], Json]]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await asyncio.to_thread(await read(request)))
        except TncError as error:
            return web.json_response({"refused": type(error).__name__, "text": str(error)}, status=422)

    return handle


def control_app(commands: Commands, imports: ClickImport) -> web.Application:
    app = web.Application(client_max_size=_LARGEST)
    app[COMMANDS] = commands
    app[IMPORTS] = imports
    app.add_routes([web.post("/commands/{name}", _handler(_command)), web.post("/clicks", _handler(_import_clicks))])
    return app
