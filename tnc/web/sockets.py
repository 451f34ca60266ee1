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
from aiohttp.http_exceptions import BadHttpMethod
from aiohttp.streams import StreamReader

from tnc.admin.remote import short_path
from tnc.core.errors import FailedError, RefusedError
from tnc.core.formats import ListenAddress
from tnc.store.damage import put_aside
from tnc.store.paths import Paths
from tnc.web.connections import BACKLOG, TLS, Connections, dashboard_limits, descriptor_limit, tracking_limits
from tnc.web.tracking import ROUTE, Lanes, Tracking, front

log = logging.getLogger(__name__)

_LARGEST_LINE: Final = 32 * 1024  # of a request line and of a header: aiohttp's 8 kB refuse what browsers send
_TRACKING_BODY_SECONDS: Final = 5.0  # from the head of a request to the end of its body
_DASHBOARD_BODY_SECONDS: Final = 10.0
_UNREAD_BODY_SECONDS: Final = 2.0  # for the rest of a body that was answered before its end
_UNSENT_MS: Final = 30_000  # a client that takes nothing of its answer for so long is gone
# A stop takes under five seconds: aiohttp waits so long for handlers, and once more for those it has cancelled.
_TRACKING_DRAIN_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 0.5


def listening_socket(address: ListenAddress) -> socket.socket:
    """A bound socket. `[::]` answers IPv4 too. Raises RefusedError when the port is not to be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MS)  # accepted sockets inherit it
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
    bound.listen(BACKLOG)
    bound.setblocking(False)  # noqa: FBT003 - the socket's own words
    return bound


def url_of(bound: socket.socket, address: ListenAddress) -> str:
    return f"http://{ListenAddress(host=address.host, port=bound.getsockname()[1])}"


class _AccessLog(AbstractAccessLogger):
    """Route, status and milliseconds, at level `debug`; aiohttp's own writes addresses, queries and user agents.

    Clicks of the express lanes are left out: the click log has them.
    """

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        resource = request.match_info.route.resource if isinstance(request, web.Request) else None
        route = request.get(ROUTE, "/{unknown}") if resource is None else resource.canonical
        self.logger.debug("request", extra={"route": route, "status": response.status, "ms": round(time * 1000)})


class _Http(web.RequestHandler):
    """A connection that aiohttp serves, with a deadline for bodies, and half-closed ones answered.

    Errors show their status only (aiohttp would repeat what was sent), and no header names the software.
    """

    __slots__ = ("_body_deadline", "_body_seconds", "_connections", "_make", "_unanswered")

    def __init__(
        self, server: web.Server, connections: Connections | None, body_seconds: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(server, loop=loop, **_SERVER_OPTIONS)
        self._connections = connections
        self._body_seconds = body_seconds
        self._body_deadline: asyncio.TimerHandle | None = None
        self._make = server.request_factory
        self._unanswered: StreamReader | None = None  # the body of the request that has no answer yet
        self._request_factory = self._take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._connections is not None:
            self._connections.add(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._connections is not None and self.transport is not None:
            self._connections.remove(self.transport)
        if self._body_deadline is not None:
            self._body_deadline.cancel()
        super().connection_lost(exc)

    def force_close(self) -> None:
        if self._connections is not None and self.transport is not None:
            self._connections.remove(self.transport)  # aiohttp forgets the transport here
        super().force_close()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own type; aiohttp narrows it
        """Answer what has come whole from a client that sends no more, then close; a body cut off is not answered."""
        waiting = [payload for _, payload in self._messages]
        if self._unanswered is not None:  # aiohttp's own flag is set a turn of the loop after it took the request
            waiting.append(self._unanswered)
        if not waiting or not all(payload.is_eof() for payload in waiting):
            return False
        self.close()
        return True

    def _take(self, message: Any, payload: StreamReader, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        self._unanswered = payload
        if self._body_seconds and not payload.is_eof():
            deadline = self._loop.call_later(self._body_seconds, self._refuse_body, payload)
            self._body_deadline = deadline
            payload.on_eof(deadline.cancel)
        return self._make(message, payload, protocol, writer, task)

    def _refuse_body(self, payload: StreamReader) -> None:
        """The handler that reads the body ends with 408, and the connection is closed."""
        late = web.HTTPRequestTimeout()
        late.force_close()
        payload.set_exception(late)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.StreamResponse):  # else a handler failed, and aiohttp logs it
            resp.headers.setdefault("Server", "web")
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._unanswered = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        kind = _unreadable(status, exc)
        if kind is None or self._connections is None:
            message = None if message is None else HTTPStatus(status).phrase
            return super().handle_error(request, status, exc, message)
        self._connections.note_unreadable(kind)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = web.Response(status=min(status, 400), text=HTTPStatus(min(status, 400)).phrase)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        kind = "body too late" if isinstance(kw.get("exc_info"), web.HTTPRequestTimeout) else None
        kind = kind or _unreadable(500, kw.get("exc_info"))
        if kind is None or self._connections is None:
            super().log_exception(*args, **kw)
        else:
            self._connections.note_unreadable(kind)


def _unreadable(status: int, error: BaseException | None) -> str | None:
    """What the sender of a request did wrong; None when the fault is ours."""
    if isinstance(error, BadHttpMethod) and ("HTTPS" in error.message or "\\x16\\x03" in error.message):
        return TLS
    if isinstance(error, ConnectionError):
        return "connection lost"
    if isinstance(error, web.RequestPayloadError):
        return "body"
    return "request" if status < 500 else None


_SERVER_OPTIONS: Final[dict[str, Any]] = {
    "access_log": logging.getLogger(__name__),
    "access_log_class": _AccessLog,
    "keepalive_timeout": 15.0,
    "lingering_time": _UNREAD_BODY_SECONDS,
    "max_line_size": _LARGEST_LINE,
    "max_field_size": _LARGEST_LINE,
}


def _protocols(server: web.Server, connections: Connections | None, body_seconds: float) -> Callable[[], _Http]:
    """Makes the protocol of each connection."""
    loop = asyncio.get_running_loop()
    return lambda: _Http(server, connections, body_seconds, loop)


def application(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, handle_signals=False, shutdown_timeout=_DRAIN_SECONDS, **_SERVER_OPTIONS)


@asynccontextmanager
async def tracking_site(tracking: Tracking, bound: socket.socket) -> AsyncIterator[None]:
    """The tracking listener: express lanes in front, aiohttp for all that is no plain click."""
    limits = tracking_limits(descriptor_limit())
    connections = Connections(limits, is_trusted=tracking.proxies.is_trusted)
    server = web.Server(front(tracking), **_SERVER_OPTIONS)
    lanes = Lanes(tracking, _protocols(server, connections, _TRACKING_BODY_SECONDS), connections)
    listening = await asyncio.get_running_loop().create_server(lanes, sock=bound, backlog=BACKLOG)
    try:
        yield
    finally:
        listening.close()
        server.pre_shutdown()
        await asyncio.gather(lanes.close(), server.shutdown(_TRACKING_DRAIN_SECONDS))
        connections.report()


@asynccontextmanager
async def site(
    runner: web.AppRunner, bound: socket.socket, *, is_trusted: Callable[[str], bool] | None = None
) -> AsyncIterator[None]:
    """An application on its own listener. Without `is_trusted` (the local socket) nothing is limited."""
    await runner.setup()
    if runner.server is None:
        raise FailedError("the pages could not be made ready.")
    limits = dashboard_limits(descriptor_limit())
    connections = None if is_trusted is None else Connections(limits, is_trusted=is_trusted)
    protocols = _protocols(runner.server, connections, 0 if connections is None else _DASHBOARD_BODY_SECONDS)
    listening = await asyncio.get_running_loop().create_server(protocols, sock=bound, backlog=BACKLOG)
    try:
        yield
    finally:
        listening.close()
        await runner.cleanup()
        if connections is not None:
            connections.report()


@asynccontextmanager
async def local_socket(app: web.Application, paths: Paths) -> AsyncIterator[None]:
    """Where commands find the server. Without it visitors are redirected all the same."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if paths.socket.is_dir() and not paths.socket.is_symlink():
            put_aside(paths.socket)
        paths.socket.unlink(missing_ok=True)
        with short_path(paths.socket) as path:
            bound.bind(path)
        paths.socket.chmod(0o600)
    except OSError as error:
        bound.close()
        log.error("commands cannot reach this server", extra={"reason": f"{paths.socket}: {error.strerror}"})  # noqa: TRY400
        yield
        return
    bound.listen(16)
    bound.setblocking(False)  # noqa: FBT003 - the socket's own words
    async with site(application(app), bound):
        yield
    paths.socket.unlink(missing_ok=True)
