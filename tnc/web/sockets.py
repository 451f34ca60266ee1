"""Sockets and what answers on them: tracking, the dashboard, and the local socket for commands."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from tnc.admin.remote import short_path
from tnc.core.errors import FailedError, RefusedError
from tnc.core.formats import ListenAddress
from tnc.store.workspace import Paths
from tnc.web.tracking import ROUTE, Lanes, Tracking, front

_LARGEST_LINE: Final = 32 * 1024  # of a request line and of a header: aiohttp's 8 kB refuse what browsers send
_DRAIN_SECONDS: Final = 10.0


def listening_socket(address: ListenAddress) -> socket.socket:
    """A bound socket. `[::]` answers IPv4 too. Raises RefusedError when the port is not to be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        bound.bind((address.host, address.port))
    except OSError as error:
        bound.close()
        raise RefusedError(
            f"cannot listen on {address}: {error.strerror}. Stop what uses the port (`ss -ltnp` names it), or choose "
            "another in config.toml."
        ) from error
    bound.listen(1024)
    bound.setblocking(False)  # noqa: FBT003 - the socket's own words
    return bound


def url_of(bound: socket.socket, address: ListenAddress) -> str:
    return f"http://{ListenAddress(host=address.host, port=bound.getsockname()[1])}"


class _AccessLog(AbstractAccessLogger):
    """Route, status and milliseconds, at level `debug`; aiohttp's own writes addresses, queries and user agents.

    Clicks in the express lanes are not told here: they stand in the click log.
    """

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        resource = request.match_info.route.resource if isinstance(request, web.Request) else None
        route = request.get(ROUTE, "/{unknown}") if resource is None else resource.canonical
        self.logger.debug("asked", extra={"route": route, "status": response.status, "ms": round(time * 1000)})


class _Discreet(web.RequestHandler):
    """Says of a request that cannot be read what its status means; aiohttp would say its words again. And nobody needs
    to know what answers here, and of which version.
    """

    __slots__ = ()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.StreamResponse):  # else a handler failed, which is said there
            resp.headers.setdefault("Server", "web")
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        message = None if message is None else HTTPStatus(status).phrase
        return super().handle_error(request, status, exc, message)


_SERVER_OPTIONS: Final[dict[str, Any]] = {
    "access_log": logging.getLogger(__name__),
    "access_log_class": _AccessLog,
    "keepalive_timeout": 15.0,
    "max_line_size": _LARGEST_LINE,
    "max_field_size": _LARGEST_LINE,
}


def _discreet(server: web.Server) -> Callable[[], _Discreet]:
    """Makes the protocol of each connection."""
    loop = asyncio.get_running_loop()
    return lambda: _Discreet(server, loop=loop, **_SERVER_OPTIONS)


def application(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, handle_signals=False, shutdown_timeout=_DRAIN_SECONDS, **_SERVER_OPTIONS)


@asynccontextmanager
async def tracking_site(tracking: Tracking, bound: socket.socket) -> AsyncIterator[None]:
    """The tracking listener: express lanes in front, aiohttp for all that is no plain click."""
    server = web.Server(front(tracking), **_SERVER_OPTIONS)
    lanes = Lanes(tracking, _discreet(server))
    listening = await asyncio.get_running_loop().create_server(lanes, sock=bound)
    try:
        yield
    finally:
        listening.close()
        await lanes.close()
        await server.shutdown(_DRAIN_SECONDS)


@asynccontextmanager
async def site(runner: web.AppRunner, bound: socket.socket) -> AsyncIterator[None]:
    await runner.setup()
    if runner.server is None:
        raise FailedError("the pages could not be made ready.")
    listening = await asyncio.get_running_loop().create_server(_discreet(runner.server), sock=bound)
    try:
        yield
    finally:
        listening.close()
        await runner.cleanup()


@asynccontextmanager
async def local_socket(app: web.Application, paths: Paths) -> AsyncIterator[None]:
    paths.socket.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(paths.socket) as path:
        bound.bind(path)
    paths.socket.chmod(0o600)
    bound.listen(16)
    bound.setblocking(False)  # noqa: FBT003 - the socket's own words
    async with site(application(app), bound):
        yield
    paths.socket.unlink(missing_ok=True)
