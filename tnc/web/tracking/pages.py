"""Small pages of the tracking domain: health, second page of a double meta refresh, CSV files, robots.txt."""

import asyncio
from typing import Final

from aiohttp import web

from tnc import __version__
from tnc.web.tracking import responses as answers
from tnc.web.tracking.click import read
from tnc.web.tracking.keys import Tracking

_LOOPBACK: Final = ("127.0.0.1", "::1")
_FORWARDED: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "Via")


async def health(tracking: Tracking, request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """GET /-/health: 200, or 503 while clicks cannot be recorded; visitors are redirected in both cases.

    The status is `degraded`, with 200, while the clock is doubted, and while something in the data directory is damaged
    or missing; `tnc doctor` says what. Version and counts are shown to this machine only.
    """
    recording = tracking.click_log.recording()
    workspace = tracking.services.workspace
    doubted = workspace.clock.doubt() is not None
    damaged = len(workspace.damage.all()) + (workspace.degraded is not None)
    working = "degraded" if doubted or damaged else "ok"
    result: dict[str, object] = {
        "status": working if recording.failing is None else "not recording",
        "clock": "doubted" if doubted else "ok",
    }
    if _is_local(tracking, request):
        result |= {
            "version": __version__,
            "config_version": tracking.tracker.plans.version,
            "waiting": recording.waiting,
            "lost": recording.lost,
            "damaged": damaged,
            "postbacks_not_kept": tracking.services.conversions.limits.not_kept,
        }
    return web.json_response(
        result, status=200 if recording.failing is None else 503, headers={"Cache-Control": "no-store"}
    )


def _is_local(tracking: Tracking, request: web.BaseRequest) -> bool:
    """Whether a program on this machine asks. A proxy on it names the client, whether it is trusted or not."""
    incoming = read(request, tracking.world.now_ms())
    ip = tracking.tracker.uncounted_reader.facts(incoming, None).ip
    if ip not in _LOOPBACK:
        return False
    return tracking.proxies.is_trusted(request.remote or "") or not any(name in request.headers for name in _FORWARDED)


async def second_page(tracking: Tracking, _request: web.BaseRequest, token: str) -> web.StreamResponse:
    """GET /-/onward/{token}"""
    url = answers.read_onward_token(token, tracking.page_key)
    return answers.status(404) if url is None else answers.second_page(url)


async def file(tracking: Tracking, _request: web.BaseRequest, secret: str) -> web.StreamResponse:
    """GET /-/feed/{secret}.csv: conversions for an ad platform that downloads them."""
    text = await asyncio.to_thread(tracking.services.destinations.file, secret)
    if text is None:
        return answers.status(404)
    headers = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)


async def robots(_tracking: Tracking, _request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """GET /robots.txt: everything is allowed, also for the crawlers of ad platforms."""
    return web.Response(text="User-agent: *\nDisallow:\n")


async def nothing(_tracking: Tracking, _request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """Empty reply for paths that browsers request by themselves."""
    return answers.status(204)
