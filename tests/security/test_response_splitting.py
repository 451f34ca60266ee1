"""Values of a request that reach the answer: never a header, a script or a host of their own."""

from collections.abc import Mapping
from urllib.parse import quote_from_bytes, urlsplit

import pytest

from tests.security.target import CAMPAIGN_PATHS, OUR_HOSTS, Page, Target

pytestmark = pytest.mark.e2e

PAYLOADS = (
    b"\r\nX-Injected: 1\r\n\r\n<script>alert(1)</script>",
    b"\nSet-Cookie: owned=1",
    b"\rX-Injected: 1",
    "\u560d\u560aX-Injected: 1".encode(),
    b"%0d%0aX-Injected: 1",
    b"\xe5\x98\x8a\xe5\x98\x8dX-Injected:1",
    b"\x00\r\nX-Injected: 1",
    b'"><script>alert(1)</script>',
    b"';alert(1);//",
    b"</script><script>alert(1)</script>",
    b"@evil.example/",
    b"//evil.example",
    b"/../../evil.example",
    b"#@evil.example",
    b"?https://evil.example",
    b"\\\\evil.example",
    b"javascript:alert(1)",
    b"{{7*7}}{click_id}",
)
HEADERS = ("Referer", "User-Agent", "Accept-Language", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "Origin")


def check(headers: list[tuple[str, str]], body: str) -> None:
    names = {name for name, _ in headers}
    assert "x-injected" not in names
    assert not any("owned=1" in value for name, value in headers if name == "set-cookie")
    page = Page(body)
    assert page.executable() == []
    assert not any("alert(1)" in script and "\\u" not in script and "%" not in script for script in page.scripts)
    addresses = [value for name, value in headers if name == "location"]
    addresses += [value.partition("url=")[2] for value in page.values("content") if "url=" in value]
    for address in addresses:
        assert address.isascii()
        assert urlsplit(address.strip("'\"")).hostname in OUR_HOSTS | {None}


@pytest.mark.parametrize("path", CAMPAIGN_PATHS)
def test_in_every_parameter(target: Target, path: str) -> None:
    for payload in PAYLOADS:
        value = quote_from_bytes(payload)
        for name in ("site", "ext", "utm_source", value):
            reply = target.get(f"/{path}?{name}={value}")
            assert reply.status in (200, 302, 303, 307), payload
            check(reply.headers, reply.body)


@pytest.mark.parametrize("name", HEADERS)
def test_in_every_header(target: Target, name: str) -> None:
    for payload in PAYLOADS:
        value = payload.replace(b"\r", b"").replace(b"\n", b"").replace(b"\x00", b"").decode("latin-1")
        header: Mapping[str, str] = {name: value}
        for path in ("go", "meta", "script"):
            reply = target.get(f"/{path}?site=header", header)
            check(reply.headers, reply.body)
