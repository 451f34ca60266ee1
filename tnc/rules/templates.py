"""URL templates: parsed once and filled for every click. A macro can never change the host."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from tnc.core.errors import InvalidError
from tnc.core.hosts import to_ascii
from tnc.rules.macros import MACRO, Macro, Part, ValueOf, is_like_macro, read_template

_AUTHORITY: Final = re.compile(r"(https?)://([^/?#\\{}@\s]+)", re.ASCII | re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?|\[[0-9a-f:.]+\]", re.ASCII)
_ENCODED_BRACES: Final = re.compile(r"%7B((?:(?!%7[BD]).)+)%7D", re.IGNORECASE)
_CONTROL_OR_SPACE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_URL_SIGNS: Final = "%:/?#[]@!$&'()*+,;=~"  # RFC 3986: all that a URL may hold besides letters, digits and -._


RAW_BYTE: Final = 0xEF00
"""A byte that was not UTF-8 is the character of this code point plus the byte (U+EF80 to U+EFFF)."""

_BYTES: Final = {RAW_BYTE + byte: 0xDC00 + byte for byte in range(128, 256)}  # as surrogateescape writes them


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """A URL with macros after its host. The first part is text: scheme, host, and the rest up to the first macro."""

    parts: tuple[Part, ...]
    host: str

    @classmethod
    def parse(cls, text: str) -> "UrlTemplate":
        """Raises InvalidError for anything but an http(s) URL, a macro before the path, or an unknown macro."""
        decoded = _ENCODED_BRACES.sub(_decoded_macro, text.strip())
        authority = _AUTHORITY.match(decoded)
        if authority is None:
            raise InvalidError(
                f"{text!r} is no URL to send visitors to: write http:// or https:// and a host without macros"
            )
        rest = decoded[authority.end() :]
        if rest[:1] not in {"", "/", "?", "#"}:
            raise InvalidError(_why_not_host(text, rest[0]))
        host, port = _read_host(authority[2], text)
        parts = tuple(_encoded_text(part, text) if isinstance(part, str) else part for part in read_template(rest))
        start = f"{authority[1].lower()}://{host}{port}"
        if parts and isinstance(parts[0], str):
            return cls((start + parts[0], *parts[1:]), host)
        return cls((start, *parts), host)

    def fill(self, value_of: ValueOf) -> str:
        """The URL for one click, in ASCII. A macro without a value becomes an empty text."""
        return "".join(part if part.__class__ is str else _fill_in_url(part, value_of) for part in self.parts)  # type: ignore[arg-type]

    @property
    def macros(self) -> frozenset[str]:
        """Canonical names of its macros."""
        return frozenset(part.name for part in self.parts if isinstance(part, Macro))


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """`{"id": "{click_id}"}`: only braces around the name of a macro are macros."""

    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> "TextTemplate":
        """Raises InvalidError for an unknown macro."""
        return cls(read_template(text))

    def fill(self, value_of: ValueOf, encode: Callable[[str], str]) -> str:
        """`encode` escapes a value for JSON, a form or a header; raw macros are not escaped."""

        def written(macro: Macro) -> str:
            value = macro.mapped(value_of(macro.name) or "")
            return value if macro.raw else encode(value)

        return "".join(part if isinstance(part, str) else written(part) for part in self.parts)


# --------------------------------------------------------------------------------------------- writing values


def _fill_in_url(macro: Macro, value_of: ValueOf) -> str:
    value = value_of(macro.name)
    if value is None:
        return ""
    value = macro.mapped(value)
    return raw(value) if macro.raw else encoded(value)


def encoded(value: str) -> str:
    """Percent-encoded except for RFC 3986's unreserved characters; bytes that were no UTF-8 go out as they came."""
    return value if value.isascii() and value.isalnum() else _quote(value, safe="")


def raw(value: str) -> str:
    """As it is, as far as a URL can carry it: control characters go, spaces and other letters are encoded."""
    return _quote(_CONTROLS.sub("", value), safe=_URL_SIGNS)


def _quote(value: str, safe: str) -> str:
    try:
        return quote(value.translate(_BYTES), safe=safe, errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return quote(value, safe=safe, errors="replace")


def _decoded_macro(found: re.Match[str]) -> str:
    """Some tools encode the braces of macros when they save a URL. Around anything else they stay encoded."""
    inner = f"{{{unquote(found[1])}}}"
    macro = MACRO.fullmatch(inner)
    if macro is None:
        return found[0]
    return inner if is_like_macro(macro[1]) else found[0]


def _encoded_text(part: str, text: str) -> str:
    if "{" in part or "}" in part:
        raise InvalidError(f"{text!r}: there is a brace that belongs to no macro; write %7B and %7D for braces")
    if _CONTROL_OR_SPACE.search(part):
        raise InvalidError(f"{text!r}: there is a space or a control character; write %20 for a space")
    return quote(part, safe=_URL_SIGNS)


def _why_not_host(text: str, sign: str) -> str:
    if sign == "{":
        return f"{text!r}: there is a macro before the path; a macro cannot change the host, so write a / before it"
    if sign == "@":
        return f"{text!r}: user and password are not allowed in a URL that visitors are sent to"
    return f"{text!r}: {sign!r} is not allowed in or after a host; write / there"


def _read_host(authority: str, text: str) -> tuple[str, str]:
    """The host in ASCII, and `:port` or nothing."""
    try:
        split = urlsplit(f"//{authority}")
        host = to_ascii(split.hostname or "") if "[" not in authority else f"[{split.hostname}]"
        port = "" if split.port is None else f":{split.port}"
    except ValueError as error:  # UnicodeError is one
        raise InvalidError(f"{text!r}: {authority!r} is no host; write one like shop.example") from error
    if not _HOST.fullmatch(host):
        raise InvalidError(f"{text!r}: {authority!r} is no host; write one like shop.example")
    return host, port
