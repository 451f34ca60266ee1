"""Forms of other sites: no request that changes something is taken without our own origin."""

import re

import pytest

from tests.security.target import Target
from tnc.web.dashboard.routes import ROUTES

pytestmark = pytest.mark.e2e

POSTS = sorted({route.path for route in ROUTES if getattr(route, "method", "") == "POST"} - {"/sign-in"})
FOREIGN = ("https://evil.example", "null", "http://127.0.0.1", "http://localhost:1", "https://127.0.0.1.evil.example")


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "go", path)


@pytest.mark.parametrize("path", POSTS)
def test_a_post_from_elsewhere_is_refused(target: Target, path: str) -> None:
    for headers in (
        {},
        *({"Origin": origin} for origin in FOREIGN),
        *({"Origin": origin, "Sec-Fetch-Site": "cross-site"} for origin in FOREIGN),
        {"Referer": "https://evil.example/"},
        {"Sec-Fetch-Site": "cross-site", "Origin": target.origin},
    ):
        reply = target.dashboard(filled(path), method="POST", form={"a": "b"}, headers=headers)
        assert reply.status == 403, (path, headers, reply.status)


@pytest.mark.parametrize("path", POSTS)
def test_other_methods_change_nothing(target: Target, path: str) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        reply = target.dashboard(filled(path), method=method, form={"a": "b"}, headers={"Origin": target.origin})
        assert reply.status in (403, 404, 405)


@pytest.mark.parametrize("path", POSTS)
def test_nobody_posts_without_a_session(target: Target, path: str) -> None:
    reply = target.dashboard(
        filled(path), method="POST", form={"a": "b"}, headers={"Origin": target.origin}, signed_in=False
    )
    assert reply.status in (302, 303, 401, 403)
    assert "/sign-in" in (reply.header("location") or "/sign-in")


def test_the_session_cookie_is_for_this_site_and_no_script(target: Target) -> None:
    form = {"email": "owner@shop.example", "password": "wrong"}
    wrong = target.dashboard("/sign-in", method="POST", form=form, headers={"Origin": target.origin}, signed_in=False)
    assert wrong.header("set-cookie") is None
    fixed = {"Origin": target.origin, "Cookie": target.session_cookie().partition("=")[0] + "=chosen-by-an-attacker"}
    form["password"] = "a password for the attacked"
    right = target.dashboard("/sign-in", method="POST", form=form, headers=fixed, signed_in=False)
    cookie = right.header("set-cookie") or ""
    assert "chosen-by-an-attacker" not in cookie
    assert {"httponly", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
