"""User-Agent Client Hints, parsed as structured fields (RFC 9651).

Browsers put made-up brands with quotes and commas into the list on purpose, so splitting at commas does not work. A
hint that cannot be parsed counts as not sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HINTS: Final = (
    "sec-ch-ua",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "sec-ch-ua-model",
)
# Sent with responses over HTTPS; never as Critical-CH, which makes the browser send the click a second time.
ACCEPT_CH: Final = "Sec-CH-UA-Full-Version-List, Sec-CH-UA-Platform-Version, Sec-CH-UA-Model"

_MAX_LENGTH: Final = 1024
_NOT_SENT: Final = ("",) * len(HINTS)

_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")
_BARE: Final = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])*"|\?[01]|[A-Za-z0-9*:._/+-]+')


@dataclass(frozen=True, slots=True)
class ClientHints:
    """What the browser says about itself; empty where it sent nothing or nothing readable."""

    brands: Mapping[str, str]  # brand -> version, the full version where it was given
    platform: str = ""
    platform_version: str = ""
    model: str = ""
    mobile: bool = False


def hint_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The hint headers in the order of `HINTS`, usable as a cache key; empty when the browser sends none."""
    if "sec-ch-ua" not in headers and "sec-ch-ua-platform" not in headers:
        return ()
    sent = tuple(map(headers.get, HINTS, _NOT_SENT))
    return sent if len("".join(sent)) <= _MAX_LENGTH else tuple(each[:_MAX_LENGTH] for each in sent)


def read_hints(sent: tuple[str, ...]) -> ClientHints:
    brief, full, mobile, platform, version, model = sent
    return ClientHints(
        brands=_brands(full) or _brands(brief),
        platform=_string(platform),
        platform_version=_string(version),
        model=_string(model).strip(),
        mobile=mobile.strip() == "?1",
    )


def _string(field: str) -> str:
    match = _STRING.fullmatch(field.strip())
    return _unescape(match.group(1)) if match else ""


def _unescape(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text


def _brands(field: str) -> dict[str, str]:
    """`"Google Chrome";v="153", ...` by brand; empty when any member of the list is malformed."""
    found: dict[str, str] = {}
    rest = field.strip(" ")
    while rest:
        brand = _STRING.match(rest)
        if brand is None:
            return {}
        rest, version = _parameters(rest[brand.end() :])
        found[_unescape(brand.group(1))] = version
        rest = rest.lstrip(" \t")
        if rest and not rest.startswith(","):
            return {}
        rest = rest[1:].lstrip(" \t")
    return found


def _parameters(rest: str) -> tuple[str, str]:
    """The rest of the list behind the parameters of one member, and the value of parameter `v`."""
    version = ""
    while rest.startswith(";"):
        rest = rest[1:].lstrip(" ")
        key = _KEY.match(rest)
        if key is None:
            return "!", ""  # malformed: `_brands` refuses a rest that begins so
        rest = rest[key.end() :]
        if rest.startswith("="):
            value = _BARE.match(rest, 1)
            if value is None:
                return "!", ""
            if key.group() == "v":
                version = _unescape(value.group().strip('"'))
            rest = rest[value.end() :]
    return rest, version
