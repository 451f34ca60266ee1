"""The replies that redirect a visitor. Caches must not store any of them."""

import base64
import binascii
import html
import json
import secrets
from typing import Final

from aiohttp import web

from tnc.core import crypto
from tnc.core.models import Campaign, Redirect

_NO_STORE: Final = {"Cache-Control": "no-store"}
_HTML: Final = "text/html"
PLAIN: Final[dict[Redirect, int]] = {"302": 302, "303": 303, "307": 307}
_HINTS: Final = "Sec-CH-UA-Model, Sec-CH-UA-Platform-Version, Sec-CH-UA-Full-Version-List"
_TOKEN_PLACE: Final = b"tnc onward 1"


def onward(campaign: Campaign, url: str, *, page_key: bytes, secure: bool) -> web.Response:
    """Redirect a visitor to `url` in the way of the campaign."""
    headers = headers_onward(campaign, secure=secure)
    match campaign.redirect:
        case "meta":
            return _page(_meta(url), headers | {"Referrer-Policy": "no-referrer"})
        case "double-meta":
            first = f"/-/onward/{onward_token(url, page_key)}"
            return _page(_meta(first), headers | {"Referrer-Policy": "no-referrer"})
        case "js":
            return _script(url, headers)
        case plain:
            headers["Location"] = url
            return web.Response(status=PLAIN[plain], headers=headers)


def headers_onward(campaign: Campaign, *, secure: bool) -> dict[str, str]:
    """The headers of every redirect except Location."""
    headers = dict(_NO_STORE)
    if secure:
        headers["Accept-CH"] = _HINTS  # never Critical-CH: the browser would send the click twice
    if campaign.referrer_policy is not None:
        headers["Referrer-Policy"] = campaign.referrer_policy
    return headers


def second_page(url: str) -> web.Response:
    """The second page of a double meta refresh: the destination gets its URL as the referrer, or none."""
    return _page(_meta(url), _NO_STORE | {"Referrer-Policy": "no-referrer"})


def onward_token(url: str, page_key: bytes) -> str:
    """The encrypted destination: the URL of the second page reveals nothing, and others cannot make one."""
    return base64.urlsafe_b64encode(crypto.seal(page_key, url.encode(), _TOKEN_PLACE)).decode().rstrip("=")


def read_onward_token(token: str, page_key: bytes) -> str | None:
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return crypto.unseal(page_key, sealed, _TOKEN_PLACE).decode()
    except (binascii.Error, ValueError, crypto.CannotOpenError):
        return None


def _meta(url: str) -> str:
    safe = html.escape(url, quote=True)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Continue</title>'
        f'<meta http-equiv="refresh" content="0;url={safe}">'
        f'<p><a href="{safe}" rel="noreferrer">Continue</a></html>'
    )


def _script(url: str, headers: dict[str, str]) -> web.Response:
    nonce = secrets.token_urlsafe(12)
    # Escape what ends a script or a line in JavaScript but not in JSON.
    text = json.dumps(url).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    safe = html.escape(url, quote=True)
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Continue</title>'
        f'<script nonce="{nonce}">location.replace({text})</script>'
        f'<noscript><meta http-equiv="refresh" content="0;url={safe}"></noscript>'
        f'<p><a href="{safe}">Continue</a></html>'
    )
    return _page(body, headers | {"Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'"})


def _page(body: str, headers: dict[str, str]) -> web.Response:
    policy = {"Content-Security-Policy": "default-src 'none'"} | headers
    return web.Response(text=body, content_type=_HTML, charset="utf-8", headers=policy)


def status(code: int) -> web.Response:
    """A status with a short text that reveals nothing about the path."""
    if code in (204, 304) or code < 200:
        return web.Response(status=code, headers=_NO_STORE)
    text = {404: "Not found", 403: "Forbidden", 410: "Gone", 503: "Not now"}.get(code, "")
    return web.Response(status=code, text=text, headers=_NO_STORE)


def not_allowed(methods: frozenset[str]) -> web.Response:
    return web.Response(status=405, headers=_NO_STORE | {"Allow": ", ".join(sorted(methods))})


def refuse_prefetch() -> web.Response:
    """Refuse a prefetch: a browser follows a prefetched redirect without a new request, and the visit would be lost.
    After a refusal it sends the request again when the visitor clicks (HTML standard, speculative loading).
    """
    return status(503)
