"""A tracking request: cleaned text, headers, cookies, query, language and referrer."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from msgspec import Struct

from tnc.rules.templates import RAW_BYTE

# Bytes that are not UTF-8, such as keywords in windows-1251, stay different values: each byte of them is a character
# of the private use area, U+EF80 to U+EFFF, and goes out as the byte it was (`rules.templates.encoded`).
_RAW_BYTES: Final = {0xDC00 + byte: RAW_BYTE + byte for byte in range(128, 256)}

# C0 and C1. A tab is a separator in headers; the others only do harm in logs, tables and terminals.
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160))) | {9: " "}


def clean(text: str) -> str:
    """Text without control characters that can be encoded as UTF-8.

    aiohttp turns bytes that are not UTF-8 into lone surrogates, on which RE2, SQLite and JSON raise; they become
    characters of the private use area. Other lone surrogates become question marks.
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_CONTROLS)
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape").translate(_RAW_BYTES)
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text if text.isprintable() else text.translate(_CONTROLS)


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """A request with cleaned texts. Lines of one header name are joined by commas; cookies are a field of their own."""

    method: str
    host: str  # as sent, with its port
    target: str  # path and query as sent, still percent-encoded
    headers: dict[str, str]  # by lower-case name
    repeated: frozenset[str] = frozenset()  # names of headers that came in several lines
    cookies: dict[str, str] = {}
    peer: str  # IP address of the socket's other end
    secure: bool  # the socket speaks TLS
    arrived_at_ms: int

    @classmethod
    def of(
        cls,
        headers: Iterable[tuple[str, str]],
        *,
        method: str = "GET",
        host: str,
        target: str,
        peer: str,
        secure: bool,
        arrived_at_ms: int,
    ) -> "Request":
        """`headers` are pairs in the order received, like the items of aiohttp's `request.headers`."""
        pairs = list(headers)
        joined = {name.lower(): value for name, value in pairs}
        repeated = frozenset[str]()
        # One check of all headers at once: nearly every request is plain text without repetitions.
        everything = "".join(chain.from_iterable(pairs))
        if len(joined) != len(pairs) or not everything.isascii() or not everything.isprintable():
            joined, repeated = _joined(pairs)
        cookie = joined.pop("cookie", None)
        return cls(
            method=method,
            host=clean(host),
            target=clean(target),
            headers=joined,
            repeated=repeated,
            cookies=read_cookies(cookie) if cookie else {},
            peer=peer,
            secure=secure,
            arrived_at_ms=arrived_at_ms,
        )


def _joined(pairs: list[tuple[str, str]]) -> tuple[dict[str, str], frozenset[str]]:
    joined: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        key, text = clean(name).lower(), clean(value)
        if key in joined:
            repeated.add(key)
            text = f"{joined[key]}{'; ' if key == 'cookie' else ', '}{text}"
        joined[key] = text
    return joined, frozenset(repeated)


def read_cookies(header: str) -> dict[str, str]:
    """Cookies by name. Of two with the same name the first counts: browsers send the longer path first."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name:
            found.setdefault(name, value.strip('"'))
    return found


_MAX_HOST: Final = 253
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#\\@]*@)*([^/?#\\@ ]+)")


@lru_cache(4096)
def domain_of(host: str) -> str | None:
    """The host name of a `Host` header: without port, in lower case."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name = host
    return name.rstrip(".").lower()[:_MAX_HOST] or None


def referrer_domain(referrer: str) -> str | None:
    """The host of a referrer; None when it has none."""
    found = _AUTHORITY.match(referrer)
    return domain_of(found.group(1)) if found else None


def language_of(headers: Mapping[str, str]) -> str | None:
    """The primary tag of the language that the browser prefers."""
    accepted = headers.get("accept-language")
    if not accepted:
        return None
    first = accepted.partition(",")[0]
    if ";" in first:
        first = max(accepted.split(","), key=_quality)
    tag = first.partition(";")[0].strip().partition("-")[0].lower()
    return tag if 2 <= len(tag) <= 8 and tag.isascii() and tag.isalpha() else None


def _quality(item: str) -> float:
    quality = item.partition(";")[2].replace(" ", "").lower()
    if not quality.startswith("q="):
        return 0.0 if quality else 1.0
    try:
        return float(quality[2:])
    except ValueError:
        return 0.0


# ------------------------------------------------------------------------------------------------- query

ESCAPED_AMPERSAND: Final = "amp;"
MAX_PARAMETERS: Final = 200
MAX_NAME: Final = 128
# Click ids of ad platforms can be longer than a thousand characters and are useless when cut.
MAX_VALUE: Final = 2048

_MAX_PARTS: Final = MAX_PARAMETERS * 4  # some may be blank or repeated


def split_target(target: str) -> tuple[str, str]:
    """The path and the query of a request target, both still percent-encoded."""
    path, _, query = target.partition("?")
    return path, query


def read_query(raw: str) -> dict[str, str]:
    """Parameters by name, percent-decoded once. The first of several values that is not empty counts.

    A second `?` is read as `&`: some sources append `?gclid=x` to a link that has a query already. So is `&amp;`, which
    is what a form or a spreadsheet makes of `&`. Names are never empty.
    """
    if not raw:
        return {}
    raw = clean(raw)
    escaped = "%" in raw or "+" in raw
    found: dict[str, str] = {}
    for part in raw.replace("?", "&").split("&", _MAX_PARTS):
        name, _, value = part.partition("=")
        if escaped:
            name, value = _decoded(name), _decoded(value)
        if name.startswith(ESCAPED_AMPERSAND):
            name = name.removeprefix(ESCAPED_AMPERSAND)
        if name and not found.get(name):
            found[name[:MAX_NAME]] = value[:MAX_VALUE]
    return found if len(found) <= MAX_PARAMETERS else dict(islice(found.items(), MAX_PARAMETERS))


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    plain = unquote_plus(text)
    if "\ufffd" in plain:  # perhaps bytes that are no UTF-8
        plain = unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")
    return clean(plain)
