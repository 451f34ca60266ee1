"""The way in and the way out."""

import asyncio
import base64
import ipaddress
import math
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from tnc.core.errors import RefusedError
from tnc.store.accounts import ABSOLUTE_MS, User
from tnc.web.dashboard.format import duration
from tnc.web.dashboard.keys import ACCOUNTS, HASHERS, PASSWORDS, THROTTLE, USER, WORLD
from tnc.web.dashboard.login_throttle import Guesser
from tnc.web.dashboard.middleware import client_of, cookie_name, hash_token, is_https, session_of
from tnc.web.dashboard.pages import page

_LONGEST_EMAIL: Final = 254
_LONGEST_PASSWORD: Final = 4096


async def show(request: web.Request) -> web.StreamResponse:
    """GET /sign-in"""
    return _form(request, next_path=_local(request.query.get("next", "/")))


async def sign_in(request: web.Request) -> web.StreamResponse:
    """POST /sign-in"""
    _refuse_plain_http(request)
    form = await request.post()
    email, password, next_path = (str(form.get(name, "")) for name in ("email", "password", "next"))
    now_ms = request.app[WORLD].now_ms()
    guesser = _guesser(request, email)
    wait_ms = request.app[THROTTLE].wait_ms(guesser, now_ms=now_ms)
    if wait_ms:
        seconds = math.ceil(wait_ms / 1000)
        answer = _form(
            request,
            email=email,
            next_path=_local(next_path),
            error=f"Too many attempts. Try again in {duration(seconds)}.",
            status=429,
        )
        answer.headers["Retry-After"] = str(seconds)
        return answer
    user = await _user_of(request, email.strip(), password)
    if user is None:
        request.app[THROTTLE].failed(guesser, now_ms=now_ms)
        error = "E-mail and password do not match. Check both and try again."
        return _form(request, email=email, next_path=_local(next_path), error=error, status=401)
    request.app[THROTTLE].succeeded(guesser)
    return await _open_session(request, user, _local(next_path), now_ms)


async def confirm(request: web.Request, password: str) -> None:
    """Check the password of the signed-in user. Raises RefusedError; guesses are slowed down as at the sign-in."""
    user, now_ms = request[USER], request.app[WORLD].now_ms()
    guesser = _guesser(request, user.email)
    if request.app[THROTTLE].wait_ms(guesser, now_ms=now_ms):
        raise RefusedError("There were too many attempts. Try again in a few minutes.")
    if await _user_of(request, user.email, password) is None:
        request.app[THROTTLE].failed(guesser, now_ms=now_ms)
        raise RefusedError("This needs your password, and what you typed is not it. Nothing was changed.")
    request.app[THROTTLE].succeeded(guesser)


async def sign_out(request: web.Request) -> web.StreamResponse:
    """POST /sign-out"""
    token_hash = session_of(request)
    if token_hash:
        await request.app[ACCOUNTS].close_session(token_hash, now_ms=request.app[WORLD].now_ms())
    answer = web.HTTPSeeOther("/sign-in")
    answer.del_cookie(cookie_name(request), path="/", secure=is_https(request), httponly=True, samesite="Lax")
    answer.headers["Clear-Site-Data"] = '"cookies", "storage"'
    raise answer


async def _open_session(request: web.Request, user: User, next_path: str, now_ms: int) -> web.StreamResponse:
    token = base64.urlsafe_b64encode(request.app[WORLD].token(32)).decode().rstrip("=")
    await request.app[ACCOUNTS].open_session(user, token_hash=hash_token(token), now_ms=now_ms)
    answer = web.HTTPSeeOther(next_path)
    answer.set_cookie(
        cookie_name(request),
        token,
        path="/",
        max_age=ABSOLUTE_MS // 1000,
        httponly=True,
        samesite="Lax",
        secure=is_https(request),
    )
    raise answer


async def _user_of(request: web.Request, email: str, password: str) -> User | None:
    """The user with this password; an unknown e-mail address takes as long as a wrong password."""
    fits = len(email) <= _LONGEST_EMAIL and len(password) <= _LONGEST_PASSWORD
    found = await request.app[ACCOUNTS].find_user(email) if fits else None
    user, verifier = found or (None, None)
    loop = asyncio.get_running_loop()
    matches = request.app[PASSWORDS].matches
    right = await loop.run_in_executor(request.app[HASHERS], matches, password[:_LONGEST_PASSWORD], verifier)
    return user if right else None


def _form(
    request: web.Request, *, next_path: str, email: str = "", error: str | None = None, status: int = 200
) -> web.Response:
    return page(request, "sign_in.html", status=status, next_path=next_path, email=email, error=error)


def _local(path: str) -> str:
    """The path to continue with; `/` for anything that a browser could read as another site."""
    plain = path.startswith("/") and path.isprintable() and "\\" not in path
    return path if plain and not path.startswith("//") and not urlsplit(path).netloc else "/"


def _guesser(request: web.Request, email: str) -> Guesser:
    return Guesser(hash_token(email.strip().casefold()).hex(), _network(request))


def _network(request: web.Request) -> str:
    """The /24 or /64 that a request came from."""
    try:
        address = ipaddress.ip_address(client_of(request))
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


def _refuse_plain_http(request: web.Request) -> None:
    name = urlsplit(f"//{request.host}").hostname or ""
    local = name == "localhost" or name.endswith(".localhost") or (name and _is_loopback(name))
    if not local and not is_https(request):
        raise RefusedError(
            "Over plain HTTP others could read your password. Open the dashboard with https, or through "
            "a tunnel to this machine (ssh -L 8400:127.0.0.1:8400 SERVER) as http://localhost:8400."
        )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
