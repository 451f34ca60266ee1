"""Keys of the configuration that more than one platform has."""

import re
from typing import Final

from tnc.campaigns.platforms.base import PlatformKey
from tnc.campaigns.text_types import SHORT_TEXT, URL
from tnc.core.mistakes import show
from tnc.core.shapes import MapOf, Secret, Text

_API_VERSION: Final = re.compile(r"v[0-9]{1,3}(\.[0-9]{1,3})?")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PIXEL: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def _matching(pattern: re.Pattern[str], meant: str) -> Text:
    return Text(meant, lambda text: None if pattern.fullmatch(text) else f"must be {meant}, not {show(text)}")


def _without_macros(text: str) -> str | None:
    if "{" in text:
        return f"takes no macros, and {show(text)} holds a brace"
    return URL.check(text)


PLAIN_URL: Final = Text("an http or https address without macros", _without_macros)
HEADERS: Final = MapOf(_matching(_HEADER, "the name of a header"), Secret())
_VERSION: Final = _matching(_API_VERSION, "a version like v26 or v26.0")
_PIXEL_ID: Final = _matching(_PIXEL, "letters, digits, - and _, in quotes")


def pixel(text: str, where: str) -> PlatformKey:
    return PlatformKey(shape=_PIXEL_ID, text=text, where=where, needed=True)


def access_token(where: str) -> PlatformKey:
    return PlatformKey(shape=Secret(), text="access token", where=where, needed=True)


def api_version(api: str, default: str, where: str) -> PlatformKey:
    return PlatformKey(shape=_VERSION, text=f"version of the {api}", where=where, default=default)


def test_code(where: str) -> PlatformKey:
    return PlatformKey(
        shape=SHORT_TEXT, text="shows the events in the platform's test view, too", where=f"{where}. {_TEST_CODE}"
    )


_TEST_CODE: Final = "While it is set, nothing counts"

PAGE: Final = PlatformKey(
    shape=PLAIN_URL,
    text="address sent as the page; otherwise the tracking address that was clicked, without query",
    where="the page that counts as the place of the conversion, if it should not be the tracking link",
)
