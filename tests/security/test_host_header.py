"""Host headers: a foreign name that points here reads nothing of the dashboard, and no link is built from one."""

import pytest

from tests.security.target import Target

pytestmark = pytest.mark.e2e

FOREIGN = (
    "evil.example", "evil.example:8400", "127.0.0.1.evil.example", "localhost.evil.example", "localhost@evil.example",
    "evil.example@127.0.0.1", "[::1].evil.example", "127.0.0.1:x", "a b", "xn--localhost",
    "localhost\u3002evil.example".encode().decode("latin-1"),
)  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
def test_the_dashboard_answers_only_to_its_own_names(target: Target, host: str) -> None:
    for path in ("/", "/clicks", "/sign-in", "/settings"):
        reply = target.dashboard(path, headers={"Host": host})
        assert reply.status in (400, 403, 404, 421), (host, path)
        assert "Campaigns" not in reply.body


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_headers_of_proxies_change_no_link(target: Target, header: str) -> None:
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    for reply in (
        target.dashboard("/campaigns/go", headers={header: value}),
        target.dashboard("/", headers={header: value}),
        target.get("/go", {header: value}),
        target.get("/privacy", {header: value}),
        target.get("/tnc.js", {header: value}),
    ):
        assert "evil.example" not in reply.body
        assert "evil.example" not in (reply.header("location") or "")


def test_the_dashboard_is_not_served_on_the_tracking_listener(target: Target) -> None:
    for path in ("/sign-in", "/campaigns", "/clicks", "/settings", "/static/x/app.css"):
        reply = target.get(path, {"Cookie": target.session_cookie()})
        assert reply.status == 404
