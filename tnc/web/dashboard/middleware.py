"""What happens to every request before its handler, and to every response after it."""

import hashlib
import ipaddress
import logging
import re
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from tnc.core.errors import RefusedError, TncError
from tnc.web.dashboard.keys import ACCOUNTS, HOSTS, PROXIES, USER, WORLD
from tnc.web.dashboard.pages import error_page

log = logging.getLogger(__name__)

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS: Final = ("/sign-in", "/static/")
# RFC 9110, 7.2, without the user names that a URL could have: a browser sends none.
_HOST: Final = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_CLIENT_HEADERS: Final = ("x-forwarded-for", "forwarded", "x-real-ip")
_LOOPBACK: Final = ("127.0.0.1", "::1")

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Security headers; pages are not cached."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def errors_become_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Show errors of tnc with their own text; log all others under a reference, which is all that is shown of them."""
    try:
        return await handler(request)
    except TncError as error:
        return error_page(request, error.http_status, str(error))
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return error_page(request, answer.status)
    except ConnectionError:
        raise  # the browser is gone: nothing failed here
    except Exception:
        reference = request.app[WORLD].token(4).hex()
        log.exception("a page failed", extra={"route": request.match_info.handler.__qualname__, "reference": reference})
        return error_page(request, 500, reference=reference)


@web.middleware
async def host_is_ours(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse host names of others: pages of a site whose name points here could read the response (DNS rebinding)."""
    if not is_our_host(request.host, request.app[HOSTS]):
        raise RefusedError(
            f"The dashboard is not served under the name {request.host!r}. "
            "Open it under its own address, or set this name as `dashboard` in config.toml."
        )
    return await handler(request)


def is_our_host(host: str, allowed: frozenset[str]) -> bool:
    """Loopback names, numeric addresses (which no DNS can point elsewhere) and the configured names."""
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["address"] or found["name"]
    return name == "localhost" or name in allowed or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@web.middleware
async def unsafe_is_same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse forms of other sites, which would act as the signed-in user; own forms need no token for that."""
    if request.method not in SAFE_METHODS and not _same_origin(request):
        raise RefusedError("This form was sent by another site. Open the page here and send it again.")
    return await handler(request)


def _same_origin(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.host
    # Browsers send one of the two. Without a cookie there is nothing to misuse; with one it is refused.
    return "Cookie" not in request.headers


@web.middleware
async def signed_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """All but the sign-in and static files needs a session."""
    if request.path.startswith(OPEN_PATHS):
        return await handler(request)
    token_hash = session_of(request)
    now_ms = request.app[WORLD].now_ms()
    user = None if token_hash is None else await request.app[ACCOUNTS].find_session(token_hash, now_ms=now_ms)
    if user is None:
        back = request.path_qs if request.method in SAFE_METHODS else "/"
        raise web.HTTPSeeOther("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='/')}")
    request[USER] = user
    return await handler(request)


@web.middleware
async def form_is_readable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that is no form with 400. The handler gets the form that was read here: aiohttp keeps it."""
    if request.method not in SAFE_METHODS:
        try:
            await request.post()
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # aiohttp and the codecs raise many kinds
            raise web.HTTPBadRequest from error
    return await handler(request)


def is_https(request: web.Request) -> bool:
    """Whether the browser speaks TLS to us, or to a proxy on this machine that says so."""
    return request.secure or (request.headers.get("X-Forwarded-Proto") == "https" and request.remote in _LOOPBACK)


def client_of(request: web.Request) -> str:
    """The client's IP address; behind a trusted proxy the one that the proxy names."""
    headers = {name: ",".join(request.headers.getall(name)) for name in _CLIENT_HEADERS if name in request.headers}
    return request.app[PROXIES].find(request.remote or "", headers).ip or ""


def cookie_name(request: web.Request) -> str:
    """`__Host-` binds the cookie to this host and to TLS; plain HTTP on this machine cannot have it."""
    return "__Host-tnc_session" if is_https(request) else "tnc_session"


def session_of(request: web.Request) -> bytes | None:
    """The hash under which the session is stored; the token itself is only in the browser's cookie."""
    token = request.cookies.get(cookie_name(request))
    return hash_token(token) if token else None


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


MIDDLEWARES: Final = (
    errors_become_pages,
    host_is_ours,
    unsafe_is_same_origin,
    signed_in,
    form_is_readable,
)
