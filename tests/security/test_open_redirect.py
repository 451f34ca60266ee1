"""No parameter of a request chooses the host that a visitor is sent to."""

from urllib.parse import quote, urlsplit

import pytest

from tests.security.target import OUR_HOSTS, Page, Target

pytestmark = pytest.mark.e2e

NAMES = (
    "url", "redirect", "redirect_uri", "redirect_url", "return", "returnTo", "return_to", "next", "to", "dest",
    "destination", "target", "go", "out", "u", "link", "goto", "continue", "callback", "forward", "lp", "offer",
    "lander", "landing", "path", "file", "page", "site", "domain", "host",
)  # fmt: skip
VALUES = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "https:evil.example", "\thttps://evil.example",
    "https://shop.example@evil.example/", "javascript:alert(1)",
)  # fmt: skip
ADDRESSES = (
    "/go", "/meta", "/double", "/script", "/quizzed", "/click", "/click/1", "/conversion.gif", "/privacy",
    "/postback", "/tnc.js", "/-/onward",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_visitor_is_sent_to_a_configured_host_only(target: Target, address: str) -> None:
    for value in VALUES:
        # All names in one request: which of them would be followed is seen in the answer.
        reply = target.get(f"{address}?" + "&".join(f"{name}={quote(value, safe='')}" for name in NAMES))
        places = [reply.header("location") or ""]
        places += [part.partition("url=")[2] for part in Page(reply.body).values("content") if "url=" in part]
        for place in filter(None, places):
            assert urlsplit(place).hostname in OUR_HOSTS | {None}, (address, value)
            assert not place.startswith("//")


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "/sign-in?next=https://evil.example", "///evil.example/"]
)
def test_the_dashboard_sends_nobody_away(target: Target, path: str) -> None:
    for signed_in in (False, True):
        place = target.dashboard(path, signed_in=signed_in).header("location")
        assert urlsplit(place or "/").hostname in (None, target.server.dashboard[0])
        assert not (place or "").startswith(("//", "/\\"))
