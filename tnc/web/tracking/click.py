"""GET /{path}: a click is decided, recorded and redirected."""

import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from msgspec.structs import replace as amended

from tnc.rules import Plan
from tnc.tracking.test_links import PARAMETER, is_signed, without
from tnc.tracking.tracker import COOKIE_DAYS, COOKIE_PLAIN, COOKIE_SECURE, Arrival
from tnc.visitors.request import Request, split_target
from tnc.web.tracking import responses as answers
from tnc.web.tracking.keys import Tracking


def read(request: web.BaseRequest, arrived_at_ms: int, target: str | None = None) -> Request:
    """The request as visitor data; `target` replaces the one that was sent."""
    return Request.of(
        request.headers.items(),
        method=request.method,
        host=request.headers.get("Host", ""),
        target=target_of(request) if target is None else target,
        peer=request.remote or "",
        secure=request.secure,
        arrived_at_ms=arrived_at_ms,
    )


def target_of(request: web.BaseRequest) -> str:
    """Path and query as they were sent; a proxy's absolute form becomes the usual one."""
    target = request.raw_path
    if not target.startswith("/"):
        return "/" + target.partition("://")[2].partition("/")[2]
    return target


def path_of(request: web.BaseRequest) -> str:
    """The decoded path without the slashes around it."""
    path = target_of(request).partition("?")[0].strip("/")
    return unquote(path, errors="replace") if "%" in path else path


log = logging.getLogger(__name__)

_COOKIE: Final = f"; Path=/; Max-Age={COOKIE_DAYS * 86400}; HttpOnly; SameSite=Lax"


async def visit(
    tracking: Tracking, plan: Plan, request: web.BaseRequest, target: str | None = None
) -> web.StreamResponse:
    """Decide, record, redirect; a HEAD request is not recorded. `target` is the corrected one of an odd path."""
    real, now_ms = request.method == "GET", tracking.world.now_ms()
    arrival = arrive(tracking, plan, lambda: read(request, now_ms, target), now_ms, remember=real)
    if real:
        await record(tracking, arrival)
    return answer(tracking, arrival)


def arrive(tracking: Tracking, plan: Plan, request: Callable[[], Request], now_ms: int, *, remember: bool) -> Arrival:
    """The decision. If reading the request fails, the visitor is still redirected."""
    try:
        incoming = request()
        if PARAMETER in incoming.target:
            return _arrive_on_test(tracking, plan, incoming, now_ms, remember=remember)
        return tracking.tracker.arrive(plan, incoming, remember=remember)
    except Exception:
        log.exception("a visit could not be read")
        return tracking.tracker.arrive_unreadable(plan, now_ms)


def _arrive_on_test(tracking: Tracking, plan: Plan, incoming: Request, now_ms: int, *, remember: bool) -> Arrival:
    """A signed test click is decided like any visit, not remembered, and never counted."""
    path, query = split_target(incoming.target)
    query, text = without(query)
    incoming = amended(incoming, target=f"{path}?{query}" if query else path)
    if not is_signed(text, tracking.page_key, now_ms):
        return tracking.tracker.arrive(plan, incoming, remember=remember)
    arrival = tracking.tracker.arrive(plan, incoming, remember=False)
    return arrival._replace(click=amended(arrival.click, test=True), cookie=None)


async def record(tracking: Tracking, arrival: Arrival) -> None:
    """Store a click: durable on return, or queued while the disk fails. After an opt-out it is only counted."""
    workspace, click = tracking.tracker.workspace, arrival.click
    if click.visit.mode == "none":
        await tracking.click_log.count_opted_out(workspace, click)
    else:
        await tracking.click_log.put(workspace, arrival.stored)


def answer(tracking: Tracking, arrival: Arrival) -> web.Response:
    if arrival.click.visit.traffic == "prefetch":
        return answers.refuse_prefetch()
    if arrival.destination is None:
        response = answers.status(arrival.click.status or 404)
    else:
        response = answers.onward(
            arrival.plan.campaign, arrival.destination, page_key=tracking.page_key, secure=arrival.secure
        )
    if arrival.cookie is not None:
        response.headers["Set-Cookie"] = set_cookie(arrival.cookie, secure=arrival.secure)
    return response


def set_cookie(text: str, *, secure: bool) -> str:
    return f"{COOKIE_SECURE}={text}{_COOKIE}; Secure" if secure else f"{COOKIE_PLAIN}={text}{_COOKIE}"
