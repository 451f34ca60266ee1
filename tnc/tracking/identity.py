"""Pseudonyms of visitors, and the cookie that carries them.

The cookie holds 128 random bits that only this browser has (they prove a request for the data of its visitor),
the pseudonym of its first visit (so that sticky choices and uniqueness go on), a checksum under the key of the
workspace, and the last click (so that a lander needs no parameter). Without a cookie the pseudonym is a keyed hash
of IP address and user agent under a salt that is destroyed after two days.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from tnc.core.models import ClickId, Mode, WorkspaceId

_SECRET_BYTES: Final = 16
_VISITOR_BYTES: Final = 16
_CHECK_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`secret` is None where no cookie may be used."""

    visitor: str
    secret: bytes | None = None
    browser_id: str | None = None
    last_click: ClickId | None = None


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Makes and reads the pseudonyms and cookies of one workspace."""

    workspace: WorkspaceId
    cookie_key: bytes

    def salted(self, salt: bytes, ip: str | None, user_agent: str | None) -> str:
        text = f"{self.workspace}|{ip or ''}|{user_agent or ''}".encode(errors="replace")
        return blake2b(text, key=salt, digest_size=_VISITOR_BYTES, person=b"visitor").hexdigest()

    def identify(self, cookie: str | None, *, mode: Mode, salted: str, chance: Callable[[int], bytes]) -> Identity:
        """The identity of a visit; `chance` gives random bytes, for a browser that has no cookie yet."""
        if mode != "full":
            return Identity(visitor=salted)
        known = None if cookie is None else self.read_cookie(cookie)
        if known is not None:
            return known
        secret = chance(_SECRET_BYTES)
        return Identity(visitor=salted, secret=secret, browser_id=self._browser_id(secret))

    def _browser_id(self, secret: bytes) -> str:
        return blake2b(secret, key=self.cookie_key, digest_size=16, person=b"browser").hexdigest()

    def _check(self, body: bytes) -> bytes:
        return blake2b(body, key=self.cookie_key, digest_size=_CHECK_BYTES, person=b"cookie").digest()

    def cookie(self, identity: Identity, click_id: ClickId) -> str:
        """The cookie's text: 54 characters, a dot, the click."""
        if identity.secret is None:
            raise ValueError("this identity has no cookie")
        body = identity.secret + bytes.fromhex(identity.visitor)
        return base64.urlsafe_b64encode(body + self._check(body)).decode().rstrip("=") + "." + click_id

    def read_cookie(self, cookie: str) -> Identity | None:
        """The identity in a cookie that was made here; None for any other text."""
        text, _, click = cookie.partition(".")
        try:
            whole = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return None
        body, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
        if len(body) != _SECRET_BYTES + _VISITOR_BYTES or not compare_digest(check, self._check(body)):
            return None
        secret = body[:_SECRET_BYTES]
        return Identity(
            visitor=body[_SECRET_BYTES:].hex(),
            secret=secret,
            browser_id=self._browser_id(secret),
            last_click=ClickId(click) if click else None,
        )
