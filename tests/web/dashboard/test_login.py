"""Signing in and out: what works, what is refused, and what stays in the browser."""

import pytest

from tests.web.dashboard.conftest import Client, Open
from tests.web.dashboard.installed import EMAIL, PASSWORD, Installation
from tnc.web.dashboard.login_throttle import FREE_FAILURES, FREE_TRIES, FREQUENT_A_MINUTE
from tnc.web.dashboard.middleware import hash_token

RIGHT = {"email": EMAIL, "password": PASSWORD}
WRONG = {"email": EMAIL, "password": "wrong horse battery"}
PROTECTED = ["/", "/campaigns", "/campaigns/summer", "/clicks", "/clicks/x", "/try", "/reports", "/reports.csv",
             "/settings", "/nothing"]  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
async def test_every_page_needs_a_session(stranger: Open, shared: Installation, path: str) -> None:
    client = await stranger(shared)

    answer = await client.get(path, allow_redirects=False)

    assert answer.status == 303
    assert answer.headers["Location"].startswith("/sign-in")


async def test_after_the_sign_in_the_wanted_page_follows(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)
    form = await client.get("/reports?by=country&timezone=Europe/Berlin")
    assert 'value="/reports?by=country&amp;timezone=Europe/Berlin"' in await form.text()

    answer = await client.post(
        "/sign-in", data=RIGHT | {"next": "/reports?by=country&timezone=Europe/Berlin"}, allow_redirects=False
    )

    assert (answer.status, answer.headers["Location"]) == (303, "/reports?by=country&timezone=Europe/Berlin")
    assert (await client.get("/reports")).status == 200


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/\nx", "javascript:x", ""]
)
async def test_the_sign_in_leads_to_no_other_site(stranger: Open, shared: Installation, elsewhere: str) -> None:
    client = await stranger(shared)

    answer = await client.post("/sign-in", data=RIGHT | {"next": elsewhere}, allow_redirects=False)

    assert answer.headers["Location"] == "/"


async def test_the_cookie_is_http_only_and_stored_as_a_hash(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)

    answer = await client.post("/sign-in", data=RIGHT, allow_redirects=False)

    cookie = answer.cookies["tnc_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", "")
    found = shared.workspace.accounts.find_session(hash_token(cookie.value), now_ms=shared.clock.now_ms)
    assert await found is not None


async def test_behind_tls_the_cookie_is_bound_to_it(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)

    answer = await client.post(
        "/sign-in",
        data=RIGHT,
        allow_redirects=False,
        headers={"X-Forwarded-Proto": "https", "Host": "track.example", "Origin": "https://track.example"},
    )

    cookie = answer.cookies["__Host-tnc_session"]
    attributes = (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"])
    assert attributes == (True, True, "Lax", "/", ""), "as the prefix demands, and hidden from scripts"


async def test_a_password_is_refused_over_plain_http(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)

    answer = await client.post("/sign-in", data=RIGHT, headers={"Host": "track.example"}, allow_redirects=False)

    assert answer.status == 403
    assert "ssh -L" in await answer.text()


@pytest.mark.parametrize(
    "given",
    [
        WRONG,
        {"email": "nobody@example.com", "password": PASSWORD},
        {"email": EMAIL},
        {},
        {"email": EMAIL, "password": PASSWORD * 500},
        {"email": "x" * 10_000, "password": PASSWORD},
    ],
    ids=["wrong", "unknown", "none", "empty", "long password", "long address"],
)
async def test_the_answer_does_not_say_what_was_wrong(
    stranger: Open, shared: Installation, given: dict[str, str]
) -> None:
    client = await stranger(shared)

    answer = await client.post("/sign-in", data=given)

    assert answer.status == 401
    assert "E-mail and password do not match" in await answer.text()
    assert not answer.cookies


async def test_guessing_is_slowed_down(stranger: Open, fresh: Installation) -> None:
    client = await stranger(fresh)
    for _ in range(FREE_FAILURES):
        assert (await client.post("/sign-in", data=WRONG)).status == 401

    refused = await client.post("/sign-in", data=RIGHT)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
    assert "Try again in 5 seconds" in await refused.text()

    fresh.clock.later(seconds=5)
    assert (await client.post("/sign-in", data=RIGHT)).status == 200


async def test_the_owner_can_sign_in_during_a_flood_of_guesses(stranger: Open, shared: Installation) -> None:
    """Behind a proxy on this machine all requests have its address; the proxy names the client's."""
    client = await stranger(shared)
    flood = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    statuses = [(await client.post("/sign-in", data=WRONG, headers=flood)).status for _ in range(8)]
    names = [WRONG | {"email": f"{number}@example.com"} for number in range(40)]
    others = [(await client.post("/sign-in", data=each, headers=flood)).status for each in names]

    answer = await client.post(
        "/sign-in", data=RIGHT, headers={"X-Forwarded-For": "198.51.100.7, 192.0.2.5"}, allow_redirects=False
    )

    assert statuses == [401] * FREE_FAILURES + [429] * 3
    assert others.count(401) == FREQUENT_A_MINUTE - (FREE_FAILURES - FREE_TRIES)
    assert answer.status == 303


async def test_each_sign_in_makes_a_new_session(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)

    tokens = [
        (await client.post("/sign-in", data=RIGHT, allow_redirects=False, headers=_same_origin(client)))
        .cookies["tnc_session"]
        .value
        for _ in range(2)
    ]

    assert tokens[0] != tokens[1]
    assert min(map(len, tokens)) >= 43


async def test_signing_out_ends_the_session(owner: Open, shared: Installation) -> None:
    client = await owner(shared)
    token = next(cookie.value for cookie in client.session.cookie_jar)

    answer = await client.post("/sign-out", headers=_same_origin(client), allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert answer.headers["Clear-Site-Data"] == '"cookies", "storage"'
    stolen = await client.get("/", headers={"Cookie": f"tnc_session={token}"}, allow_redirects=False)
    assert stolen.status == 303


async def test_an_idle_session_ends(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    fresh.clock.later(seconds=29 * 60)
    assert (await client.get("/", allow_redirects=False)).status == 200

    fresh.clock.later(seconds=31 * 60)

    assert (await client.get("/", allow_redirects=False)).status == 303


def _same_origin(client: Client) -> dict[str, str]:
    return {"Origin": client.address}
