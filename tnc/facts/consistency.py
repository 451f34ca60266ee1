"""Whether a request is of one piece: what a real browser never sends together, or never leaves out."""

import re
from collections.abc import Mapping
from typing import Final

from tnc.facts.hints import Hints
from tnc.facts.names import PLATFORMS

_CHROME: Final = re.compile(r" Chrome/([0-9]{1,4})\.")
_HINTING_SINCE: Final = 90
# Pages asked for as on a desktop, and names for one system that differ with the version.
_TOLERATED: Final = (frozenset({"Linux", "Android"}), frozenset({"Linux", "ChromeOS"}))
_SYSTEMS: Final = frozenset(PLATFORMS.values())
_USUAL: Final = frozenset({"accept-language", "sec-ch-ua", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"})


def contradicts(user_agent: str, os: str | None, hints: Hints) -> bool:
    """Whether the hints name another system, or another version of Chromium, than the user agent."""
    platform = PLATFORMS.get(hints.platform)
    if platform and os in _SYSTEMS and os != platform and {os, platform} not in _TOLERATED:
        return True
    said, hinted = _CHROME.search(user_agent), hints.brands.get("Chromium", "").partition(".")[0]
    return bool(said and hinted.isdecimal() and said.group(1) != hinted)


def is_hinting(user_agent: str) -> bool:
    """Whether this is a Chromium that sends hints and Sec-Fetch headers of its own accord over HTTPS."""
    said = _CHROME.search(user_agent)
    return said is not None and int(said.group(1)) >= _HINTING_SINCE


def lacks_headers(headers: Mapping[str, str]) -> bool:
    """Whether nothing of what such a browser sends over HTTPS is there. One missing header proves nothing."""
    return "accept-language" not in headers and _USUAL.isdisjoint(headers)
