"""GET /tnc.js, and GET /tnc.js/{path of a campaign}, which the script requests: tracking without a redirect."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from msgspec.structs import replace

from tnc.core.errors import UnavailableError
from tnc.store.days.click_log import Day
from tnc.store.days.writer import utc_date
from tnc.tracking.record import record_sign
from tnc.visitors.request import Request, split_target
from tnc.web.tracking import responses as answers
from tnc.web.tracking.click import arrive, read, record, set_cookie
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.landers import find

_SCRIPT: Final = (Path(__file__).parent / "static" / "tnc.js").read_bytes()
_REFERRER: Final = "tnc_referrer"  # the referrer of the page; the request's own referrer is the page itself


async def script(_tracking: Tracking, _request: web.BaseRequest, _word: str) -> web.StreamResponse:
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=_SCRIPT, content_type="text/javascript", charset="utf-8", headers=headers)


async def visit_by_script(tracking: Tracking, request: web.BaseRequest, path: str) -> web.StreamResponse:
    """Record a visit without a redirect. The reply is `{"click_id"}`, null if nothing was recorded."""
    plan = tracking.tracker.plans.by_path.get(path)
    if plan is None:
        return answers.status(404)
    now_ms = tracking.world.now_ms()
    real = request.method == "GET"
    arrival = arrive(tracking, plan, lambda: as_a_visit(read(request, now_ms), path), now_ms, remember=real)
    visit = arrival.click.visit
    recorded = real and visit.mode != "none" and visit.traffic != "prefetch"
    if real:
        await record(tracking, arrival)
    response = web.json_response({"click_id": arrival.click.click_id if recorded else None})
    response.headers.update(_shared(request))
    if arrival.cookie is not None:
        response.headers["Set-Cookie"] = set_cookie(arrival.cookie, secure=arrival.secure)
    return response


def as_a_visit(incoming: Request, path: str) -> Request:
    """The request as if the visitor had followed the campaign's link."""
    params = parse_qsl(split_target(incoming.target)[1], keep_blank_values=True)
    referrer = next((value for name, value in params if name == _REFERRER), "")
    query = urlencode([(name, value) for name, value in params if name != _REFERRER])
    headers = {name: value for name, value in incoming.headers.items() if not name.startswith("sec-fetch-")}
    return replace(
        incoming, target=f"/{path}?{query}" if query else f"/{path}", headers=headers | {"referer": referrer}
    )


def _shared(request: web.BaseRequest) -> dict[str, str]:
    """CORS headers: any page may send the request with the visitor's cookie; it gets the id of that visit."""
    origin = request.headers.get("Origin")
    shared = {"Cache-Control": "no-store", "Vary": "Origin"}
    if origin is not None:
        shared |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
    return shared


# An automated browser; a click on a hidden link; a click within 0.8 seconds.
REASONS: Final[Mapping[str, str]] = {"webdriver": "js_webdriver", "link": "honeypot", "fast": "lander_fast"}


async def sign(tracking: Tracking, request: web.BaseRequest, what: str) -> web.StreamResponse:
    """Record a sign of a bot that the page reports. The reply does not reveal whether the click exists.

    It only counts from the browser of the click, by its cookie or pseudonym: networks and readers of logs know click
    ids too, because they are in offer URLs.
    """
    now_ms = tracking.world.now_ms()
    facts = tracking.tracker.uncounted_reader.facts(read(request, now_ms), None)
    found = None if facts.classification.traffic == "prefetch" else await find(tracking, facts, now_ms)
    if found is not None and tracking.tracker.is_own_visit(facts, found.click.visit, now_ms):
        click = found.click
        day: Day = (click.workspace, utc_date(click.clicked_at_ms))
        with suppress(UnavailableError):  # reported by /-/health and in the log
            await tracking.click_log.run(
                day, lambda writer: record_sign(writer, click.click_id, REASONS[what], at_ms=now_ms)
            )
    return answers.status(204)
