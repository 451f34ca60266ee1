"""Strings from visitors, networks and the owner: shown as text on every page."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from tests.security.target import Page, Target

pytestmark = pytest.mark.e2e

MARK = "xq7z"
PAYLOADS = (
    f"<script>alert('{MARK}')</script>",
    f'"><img src=x onerror=alert("{MARK}")>',
    f"'><svg/onload=alert('{MARK}')>",
    f"javascript:alert('{MARK}')",
    f"</title><script>{MARK}</script>",
    f"<a href='javascript:{MARK}'>x</a>",
    f"{{{{7*7}}}}{MARK}",
    f"<iframe srcdoc='<script>{MARK}</script>'>",
)
LINK = re.compile(r'href="(/[^"#]*)"')
OF_A_KIND = 6


def plant(target: Target) -> None:
    for payload in PAYLOADS:
        value = quote(payload, safe="")
        reply = target.get(f"/go?site={value}&ext={value}&{value}={value}", {"Referer": f"https://r.example/?{value}"})
        click = re.search(r"s2=([0-9a-z]+)", reply.header("location") or "")
        assert click is not None
        target.get(f"/postback?cid={click[1]}&status={value}&txid={value}&event=e&payout=1")
        target.get(f"/postback?cid={value}&status={value}&currency={value}")
        target.get("/go", {"User-Agent": payload, "Sec-CH-UA-Platform": payload, "Accept-Language": payload})
        target.post(
            "/privacy", f"ask=access&text={value}&contact={value}".encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip


def test_every_page_shows_them_as_text(target: Target) -> None:
    plant(target)
    todo, seen, kinds = (
        ["/", "/clicks", "/reports?by=sub1", "/reports?by=referrer_domain"],
        set[str](),
        dict[str, int](),
    )
    planted = [click["click_id"] for click in target.clicks() if MARK in str(click["sub1"])]
    todo += [f"/clicks/{click_id}" for click_id in planted[:4]]
    shown = 0
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        kind = re.sub(r"[0-9a-z]{16,}", "ID", path.partition("?")[0])
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > OF_A_KIND or "sign-out" in path or path.startswith("/static/"):
            continue
        reply = target.dashboard(path)
        assert reply.status == 200, path
        page = Page(reply.body)
        assert page.executable() == [], path
        assert page.scripts == [], path
        policy = reply.header("content-security-policy") or ""
        assert "unsafe-inline" not in policy, path
        assert "default-src 'none'" in policy, path
        shown += MARK in reply.body
        todo += [unescape(link) for link in LINK.findall(reply.body)]
    assert shown >= 2  # else nothing was planted where it could be seen


@pytest.mark.parametrize("payload", PAYLOADS)
def test_parameters_of_pages_are_text(target: Target, payload: str) -> None:
    value = quote(payload, safe="")
    for path in (
        f"/clicks?campaign={value}", f"/clicks?before={value}", f"/clicks/{value}", f"/campaigns/{value}",
        f"/reports?by={value}", f"/reports?from={value}&where={value}", f"/try?campaign=go&query={value}&ip={value}",
        f"/templates/{value}", f"/sign-in?next={value}", f"/{value}",
    ):  # fmt: skip
        reply = target.dashboard(path)
        assert reply.status < 500, path
        page = Page(reply.body)
        assert (page.executable(), page.scripts) == ([], []), path
