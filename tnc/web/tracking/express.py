"""The fast path for clicks: no task, router or response object for each.

Measured, aiohttp spends as much CPU on a new connection as everything that tnc does for a click. So the first data of a
connection is examined here. A complete, plain GET or HEAD of a campaign's path is answered here; everything else (a
fragment, a body, a pipeline, any other path) is handed over to aiohttp from its first byte. Both parse with llhttp and
call the same functions.
"""

import asyncio
import re
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import httptools
from aiohttp import web

from tnc.rules import Plan
from tnc.tracking.tracker import Arrival
from tnc.visitors.request import Request
from tnc.web.connections import Connections
from tnc.web.tracking import responses as answers
from tnc.web.tracking.click import answer, arrive, record, set_cookie
from tnc.web.tracking.keys import Tracking

_LARGEST: Final = 32 * 1024
_PATIENCE_SECONDS: Final = 15.0  # for the first byte, and between the requests of one connection
_STOP_SECONDS: Final = 1.5  # for clicks under way at a stop
_METHODS: Final = (b"GET /", b"HEAD /")
_BARE: Final = frozenset((204, 304))  # without a body and a Content-Length


class Lanes:
    """All fast-path connections of one listener."""

    def __init__(self, tracking: Tracking, usual: Callable[[], asyncio.Protocol], connections: Connections) -> None:
        """`usual` creates aiohttp's protocol for a connection that is handed over."""
        self.connections = connections
        self.tracking = tracking
        self.usual = usual
        self.loop = asyncio.get_running_loop()
        self.open: set[ExpressLane] = set()
        self.recording: set[asyncio.Task[None]] = set()
        self._line: list[tuple[ExpressLane, Plan, bytes]] = []
        self._date = (0, "")
        self._emptied: asyncio.Future[None] | None = None

    def __call__(self) -> "ExpressLane":
        return ExpressLane(self)

    def queue(self, lane: "ExpressLane", plan: Plan, data: bytes) -> None:
        """Serve all requests that are readable now together, after all of them were read.

        Reading and deciding in turns is slower: each kernel call evicts the code of a decision from the CPU cache.
        """
        if not self._line:
            self.loop.call_soon(self._serve)
        self._line.append((lane, plan, data))

    def _serve(self) -> None:
        line, self._line = self._line, []
        for lane, plan, data in line:
            if lane in self.open and not lane.serve(plan, data):
                lane.hand_over(data)

    def date(self) -> str:
        """The Date header of this second."""
        now_s = self.tracking.world.now_ms() // 1000
        if self._date[0] != now_s:
            self._date = (now_s, formatdate(now_s, usegmt=True))
        return self._date[1]

    async def close(self) -> None:
        """Finish the requests in progress and accept no new ones."""
        for lane in tuple(self.open):
            lane.stop()
        if self.open:
            self._emptied = self.loop.create_future()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._emptied
            except TimeoutError:
                for lane in tuple(self.open):
                    lane.abort()

    def leave(self, lane: "ExpressLane") -> None:
        self.open.discard(lane)
        if self._emptied is not None and not self.open and not self._emptied.done():
            self._emptied.set_result(None)


class _Head:
    """One request as httptools parses it; httptools finds the callbacks by their names."""

    __slots__ = ("_parser", "complete", "has_body", "headers", "keep_alive", "method", "target")

    def __init__(self) -> None:
        self.method = b""
        self.keep_alive = False
        self.target = b""
        self.headers: list[tuple[str, str]] = []
        self.has_body = False
        self.complete = False

    def read(self, data: bytes) -> None:
        """Raises the errors of httptools."""
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        finally:
            # Break the reference cycle, which only the garbage collector would free. Measured under load, that took 4 %
            # of the server's time, 20 ms at once.
            del self._parser

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")))

    def on_headers_complete(self) -> None:
        self.method = self._parser.get_method()
        self.keep_alive = self._parser.should_keep_alive()  # later it returns the value of the next request

    def on_body(self, _body: bytes) -> None:
        self.has_body = True

    def on_message_complete(self) -> None:
        self.complete = True


def _read(data: bytes) -> _Head | None:
    """A complete request without a body; None for anything else, which aiohttp handles."""
    head = _Head()
    try:
        head.read(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return head if head.complete and not head.has_body else None


_NOT_IN_TARGETS: Final = re.compile(rb"[^\x21-\x7e]")
_NOT_IN_HEADERS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def mended(data: bytes) -> bytes:
    """A request with its invalid bytes encoded or replaced.

    Some apps and ad platforms put raw UTF-8, spaces or stray bytes into URLs; their visitors are redirected too.
    """
    line, end, headers = data.partition(b"\r\n")
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    target = _NOT_IN_TARGETS.sub(lambda found: b"%%%02X" % found[0][0], target)
    return b" ".join((method, target, version)) + end + _NOT_IN_HEADERS.sub(b" ", headers)


class ExpressLane(asyncio.Protocol):
    """One connection until it is answered or handed over."""

    __slots__ = ("_ended", "_keep", "_lanes", "_next", "_patience", "_peer_ip", "_stopping", "_transport", "busy")

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._keep = False
        self._stopping = False
        self._ended = False
        self._next = b""  # what came before the request under way was answered
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._lanes.open.add(self)
        self._patience = self._lanes.loop.call_later(_PATIENCE_SECONDS, self._transport.abort)
        self._peer_ip = self._lanes.connections.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lanes.leave(self)
        self._lanes.connections.remove(self._transport)
        self._patience.cancel()

    def stop(self) -> None:
        """Accept no further request; the current one is answered."""
        self._stopping = True
        if not self.busy:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def eof_received(self) -> bool:
        """A client that sends no more still gets the answer that is under way."""
        self._ended = True
        return self.busy

    def data_received(self, data: bytes) -> None:
        self._patience.cancel()
        if self.busy:
            self._next += data
            if len(self._next) > _LARGEST:
                self._transport.abort()
            return
        plan = self._plan_of(data)
        if plan is None:
            self.hand_over(data)
        else:
            self.busy = True
            self._lanes.queue(self, plan, data)

    def hand_over(self, data: bytes) -> None:
        """Hand the connection over to aiohttp, from the first byte."""
        self.busy = False
        self._lanes.leave(self)
        usual = self._lanes.usual()
        self._transport.set_protocol(usual)
        usual.connection_made(self._transport)
        usual.data_received(data + self._next)
        if self._ended and not usual.eof_received():
            self._transport.close()

    def _plan_of(self, data: bytes) -> Plan | None:
        """The plan of a campaign, if the data looks like a complete and plain request for it."""
        if len(data) > _LARGEST or not data.startswith(_METHODS) or data.find(b"\r\n\r\n") != len(data) - 4:
            return None
        end = data.find(b" ", 5)
        if end < 0:  # a request line without a version, as of HTTP/0.9
            return None
        path = data[data.index(b"/") : end].partition(b"?")[0].strip(b"/")
        return self._lanes.tracking.tracker.plans.by_path.get(path.decode("latin-1"))

    def serve(self, plan: Plan, data: bytes) -> bool:
        """Decide, record, redirect. Returns False, without doing anything, if it is not a plain request."""
        head = _read(data) or _read(mended(data))
        if head is None:
            return False
        self._keep = head.keep_alive
        tracking, now_ms = self._lanes.tracking, self._lanes.tracking.world.now_ms()
        real = head.method == b"GET"
        arrival = arrive(tracking, plan, lambda: self._request(head, now_ms), now_ms, remember=real)
        if not real:
            self._reply(arrival, with_body=False)
        elif arrival.click.visit.mode == "none":
            task = self._lanes.loop.create_task(record(tracking, arrival))
            self._lanes.recording.add(task)
            task.add_done_callback(self._lanes.recording.discard)
            task.add_done_callback(lambda _: self._reply(arrival))
        else:
            tracking.click_log.submit(
                tracking.tracker.workspace,
                now_ms,
                lambda: arrival.stored,
                lambda *, durable: self._reply(arrival),  # noqa: ARG005 - redirected in both cases
            )
        return True

    def _request(self, head: _Head, now_ms: int) -> Request:
        return Request.of(
            head.headers,
            host=next((value for name, value in head.headers if name.lower() == "host"), ""),
            target=head.target.decode("utf-8", "surrogateescape"),
            peer=self._peer_ip,
            secure=self._transport.get_extra_info("sslcontext") is not None,
            arrived_at_ms=now_ms,
        )

    def _reply(self, arrival: Arrival, *, with_body: bool = True) -> None:
        self.busy = False
        if self._transport.is_closing():
            return
        keep = self._keep and not self._stopping and (not self._ended or self._next != b"")
        end = f"Date: {self._lanes.date()}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        self._transport.write(_redirect(arrival, end) or _other(answer(self._lanes.tracking, arrival), end, with_body))
        if not keep:
            self._transport.close()
        elif self._transport.get_write_buffer_size() > _LARGEST:
            self._transport.abort()  # it asks and asks, and takes no answer
        elif self._next:
            data, self._next = self._next, b""
            self.data_received(data)
        else:
            self._patience = self._lanes.loop.call_later(_PATIENCE_SECONDS, self._transport.abort)


def _redirect(arrival: Arrival, end: str) -> bytes | None:
    """The reply to nearly every click: a plain redirect. None for other replies."""
    campaign = arrival.plan.campaign
    status = answers.PLAIN.get(campaign.redirect)
    if status is None or arrival.destination is None or arrival.click.visit.traffic == "prefetch":
        return None
    headers = answers.headers_onward(campaign, secure=arrival.secure)
    if arrival.cookie is not None:
        headers["Set-Cookie"] = set_cookie(arrival.cookie, secure=arrival.secure)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nLocation: {arrival.destination}\r\n"
    return f"{start}{lines}Content-Length: 0\r\n{end}".encode("latin-1")


def _other(response: web.Response, end: str, with_body: bool) -> bytes:  # noqa: FBT001 - a reply to HEAD has no body
    body = response.body if isinstance(response.body, bytes) else b""
    headers = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name != "Content-Length"]
    if response.status not in _BARE:
        headers.append(f"Content-Length: {len(body)}\r\n")
    head = f"HTTP/1.1 {response.status} {response.reason}\r\n{''.join(headers)}{end}"
    return head.encode("latin-1") + (body if with_body else b"")
