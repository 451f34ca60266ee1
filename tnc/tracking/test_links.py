"""Signed trials: a click or a postback that its owner makes to see the way work, and that counts nowhere."""

import hmac
from typing import Final

from tnc.core.clock import MINUTE_MS

PARAMETER: Final = "tnc_test"
"""Of an address: holds the signature, and is taken out before anything else reads it."""

_LASTS_MS: Final = 5 * MINUTE_MS
_PLACE: Final = "tnc trial 1"


def signature(key: bytes, now_ms: int) -> str:
    return _signed(key, now_ms + _LASTS_MS)


def is_signed(text: str, key: bytes, now_ms: int) -> bool:
    """Whether we made it, not long ago."""
    until, _, _ = text.partition("-")
    if not (until.isascii() and until.isdigit() and len(until) <= 15):
        return False
    return now_ms <= int(until) <= now_ms + _LASTS_MS and hmac.compare_digest(text, _signed(key, int(until)))


def _signed(key: bytes, until_ms: int) -> str:
    return f"{until_ms}-{hmac.digest(key, f'{_PLACE}|{until_ms}'.encode(), 'sha256')[:16].hex()}"


def without(query: str) -> tuple[str, str]:
    """A query without the parameter, and the parameter's text; "" when it is not there."""
    parts = query.split("&")
    marks = [part for part in parts if part.startswith(f"{PARAMETER}=")]
    rest = "&".join(part for part in parts if part not in marks)
    return rest, marks[0].partition("=")[2] if marks else ""
