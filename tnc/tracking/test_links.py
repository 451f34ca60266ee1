"""Signed test links: a click or a postback by which the owner tries a campaign, and which counts nowhere."""

import hmac
from typing import Final

from tnc.core.clock import MINUTE_MS

PARAMETER: Final = "tnc_test"
"""The query parameter that holds the signature; removed from the URL before anything else reads it."""

_VALID_MS: Final = 5 * MINUTE_MS
_PURPOSE: Final = "tnc trial 1"  # separates these signatures from others under the same key


def signature(key: bytes, now_ms: int) -> str:
    return _signed(key, now_ms + _VALID_MS)


def is_signed(text: str, key: bytes, now_ms: int) -> bool:
    """Whether `text` is a signature made under `key` that has not expired."""
    until, _, _ = text.partition("-")
    if not (until.isascii() and until.isdigit() and len(until) <= 15):
        return False
    return now_ms <= int(until) <= now_ms + _VALID_MS and hmac.compare_digest(text, _signed(key, int(until)))


def _signed(key: bytes, until_ms: int) -> str:
    return f"{until_ms}-{hmac.digest(key, f'{_PURPOSE}|{until_ms}'.encode(), 'sha256')[:16].hex()}"


def without(query: str) -> tuple[str, str]:
    """A query without the parameter, and the value of the parameter, "" when it is missing."""
    parts = query.split("&")
    marks = [part for part in parts if part.startswith(f"{PARAMETER}=")]
    rest = "&".join(part for part in parts if part not in marks)
    return rest, marks[0].partition("=")[2] if marks else ""
