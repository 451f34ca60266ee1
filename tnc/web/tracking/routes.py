"""Every path of a tracking domain and its handler.

Campaign paths are looked up in a dictionary, and aiohttp's application layer (router, middlewares, signals) is left
out, because every click is a new connection and would pay for it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, web

from tnc.web.tracking import landers, pages, postbacks, privacy
from tnc.web.tracking import responses as answers
from tnc.web.tracking import script as scripts
from tnc.web.tracking.click import path_of, target_of, visit
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.paths import PathMender

ROUTE: Final = web.RequestKey("ROUTE", str)
"""The path of a request without its variable part, for the log."""

Handler = Callable[[Tracking, web.BaseRequest, str], Awaitable[web.StreamResponse]]

_ASK: Final = frozenset(("GET", "HEAD"))
_GET: Final = frozenset(("GET",))
_TELL: Final = frozenset(("GET", "POST"))

# Lander clicks; postbacks, also at the paths of Binom and Prosper202; script and pixel; own pages.
FIXED: Final[dict[str, tuple[frozenset[str], Handler]]] = {
    "click": (_ASK, landers.lander_click),
    "postback": (_TELL, postbacks.postback),
    "click.php": (_TELL, postbacks.postback),
    "gpb.php": (_TELL, postbacks.postback),
    "conversion.gif": (_GET, postbacks.pixel),
    "tnc.js": (_ASK, scripts.script),
    "privacy": (frozenset((*_ASK, "POST")), privacy.show),
    ".well-known/gpc.json": (_ASK, privacy.gpc),
    "-/health": (_ASK, pages.health),
    "robots.txt": (_ASK, pages.robots),
    "favicon.ico": (_ASK, pages.nothing),
}

# Paths with a variable part: the number of an offer, a key (Keitaro), a campaign, a sign, a secret, a destination.
PATTERNS: Final[tuple[tuple[re.Pattern[str], frozenset[str], Handler], ...]] = (
    (re.compile(r"click/([1-9][0-9]?)"), _ASK, landers.lander_click),
    (re.compile(r"privacy/case/([0-9a-f]{32})"), _ASK, privacy.case),
    (re.compile(r"([^/]{1,128})/postback"), _TELL, postbacks.postback),
    (re.compile(r"tnc\.js/(.{1,256})"), _ASK, scripts.visit_by_script),
    (re.compile(r"-/sign/(webdriver|link|fast)"), _GET, scripts.sign),
    (re.compile(r"-/feed/([A-Za-z0-9_-]{32})\.csv"), _ASK, pages.file),
    (re.compile(r"-/onward/([A-Za-z0-9_-]+)"), _ASK, pages.second_page),
)


_WORD: Final = re.compile(r"\(.+\)")


def front(tracking: Tracking) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    mender = PathMender()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.version < HttpVersion10:  # a request line without a version
            refused = answers.status(400)
            refused.force_close()
            return refused
        path = path_of(request)
        plan = tracking.tracker.plans.by_path.get(path)
        request[ROUTE] = "/{campaign}" if plan is not None else _template(path)
        if plan is not None:
            return await visit(tracking, plan, request) if request.method in _ASK else answers.not_allowed(_ASK)
        methods, handler, word = _find(path)
        if handler is None:
            mended = mender.mend(target_of(request), tracking.tracker.plans) if request.method in _ASK else None
            if mended is None:
                tracking.unknown_paths.note(path)
                return answers.status(404)
            return await visit(tracking, mended[0], request, mended[1])
        if request.method not in methods:
            return answers.not_allowed(methods)
        return await handler(tracking, request, word)

    return answer


def _template(path: str) -> str:
    """A path without its variable part, which the log may contain."""
    if path in FIXED:
        return f"/{path}"
    found = next((pattern for pattern, _, _ in PATTERNS if pattern.fullmatch(path)), None)
    return "/{unknown}" if found is None else "/" + _WORD.sub("{word}", found.pattern).replace("\\", "")


def _find(path: str) -> tuple[frozenset[str], Handler | None, str]:
    """Methods, handler, and the variable part of the path."""
    if path in FIXED:
        return *FIXED[path], ""
    for pattern, methods, handler in PATTERNS:
        found = pattern.fullmatch(path)
        if found is not None:
            return methods, handler, found[1]
    return _ASK, None, ""
