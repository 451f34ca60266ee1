"""The ordinary visitor as whom a declared crawler is decided: of its country and device, and in nothing else like it.

What a crawler lacks tells it apart as surely as its name: no header that browsers send, no system, no language. So it
gets those of the browser that most people of its device use, and what it came from is a network like any other.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tnc.model import Device, Visit


class Browser(Struct, frozen=True, kw_only=True):
    """A browser that many people use, and what is known of one who comes with it."""

    device: Device
    os: str
    browser: str
    browser_version: str
    user_agent: str
    os_version: str | None = None  # most freeze it
    hints: Mapping[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        return {"user-agent": self.user_agent, **_USUAL_HEADERS, **self.hints}


_BLINK: Final = "AppleWebKit/537.36 (KHTML, like Gecko)"
_LANGUAGE: Final = "en"
_USUAL_HEADERS: Final = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en-US,en;q=0.9",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "cross-site",
}
# Of the crawler's own headers those that say nothing of who asks.
_KEPT: Final = ("host", "referer", "cf-ipcountry", "x-forwarded-proto")


def _chrome(device: Device, os: str, system: str, mobile: str = "") -> Browser:
    return Browser(
        device=device,
        os=os,
        browser="Chrome",
        browser_version="150",
        user_agent=f"Mozilla/5.0 ({system}) {_BLINK} Chrome/150.0.0.0 {mobile}Safari/537.36",
        hints={
            "sec-ch-ua": '"Google Chrome";v="150", "Chromium";v="150", "Not A(Brand";v="24"',
            "sec-ch-ua-mobile": "?1" if mobile else "?0",
            "sec-ch-ua-platform": f'"{os}"',
        },
    )


def _safari(device: Device, os: str, system: str, os_version: str | None, end: str) -> Browser:
    return Browser(
        device=device,
        os=os,
        os_version=os_version,
        browser="Safari",
        browser_version="26",
        user_agent=f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 {end}",
    )


# The first of a device is what most people have.
BROWSERS: Final = (
    _chrome("desktop", "Windows", "Windows NT 10.0; Win64; x64"),
    _safari("desktop", "macOS", "Macintosh; Intel Mac OS X 10_15_7", None, "Safari/605.1.15"),
    _chrome("mobile", "Android", "Linux; Android 10; K", "Mobile "),
    _safari("mobile", "iOS", "iPhone; CPU iPhone OS 18_7 like Mac OS X", "26", "Mobile/15E148 Safari/604.1"),
    _chrome("tablet", "Android", "Linux; Android 10; K"),
    _safari("tablet", "iOS", "iPad; CPU OS 18_7 like Mac OS X", "26", "Mobile/15E148 Safari/604.1"),
)
_NO_REVIEWER: Final[Mapping[str, Any]] = {
    "traffic": "human", "bot": None, "reasons": (), "crawler_verified": None, "brand": None, "model": None,
    "visit_number": 0, "unique_campaign": True, "unique_workspace": True, "converted": False,
}  # fmt: skip
# A network as good as any: numbers and addresses of documents (RFC 5398, 5737). Unknown stays unknown, as for people.
_NETWORK: Final[Mapping[str, Any]] = {
    "ip": "192.0.2.1", "asn": 64496, "isp": "Access provider", "connection": "broadband",
    "vpn": False, "proxy": False, "tor": False, "datacenter": False, "relay": False,
}  # fmt: skip


def browser_like(visit: Visit) -> Browser:
    """The browser of most people with the visit's device and system; a device that no person has is a desktop."""
    alike = [each for each in BROWSERS if each.device == visit.device] or list(BROWSERS[:2])
    return next((each for each in alike if each.os == visit.os), alike[0])


def as_ordinary(visit: Visit) -> Visit:
    """A declared crawler as an ordinary visitor of the same country and device, who comes for the first time."""
    browser = browser_like(visit)
    return replace(
        visit,
        **_NO_REVIEWER,
        **{fact: None if getattr(visit, fact) is None else usual for fact, usual in _NETWORK.items()},
        device=visit.device if visit.device not in {None, "other"} else browser.device,
        os=browser.os,
        os_version=browser.os_version,
        browser=browser.browser,
        browser_version=browser.browser_version,
        user_agent=browser.user_agent,
        language=visit.language or _LANGUAGE,
        headers={name: visit.headers[name] for name in _KEPT if name in visit.headers} | browser.headers,
    )
