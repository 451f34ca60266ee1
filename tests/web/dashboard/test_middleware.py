"""What happens to every request before its page, and to every response after it."""

import hashlib
import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from aiohttp import web

from tests.web.dashboard.conftest import Client, Open
from tests.web.dashboard.installed import Installation
from tnc.store.database import all_tables, connect_to_read
from tnc.web.dashboard.middleware import SAFE_METHODS, is_our_host
from tnc.web.dashboard.routes import ROUTES


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8400", "127.0.0.1:8400", "[::1]:8400", "[::1]", "192.168.1.5", "dash.example:443",
     "DASH.example"],
)  # fmt: skip
def test_own_host_names_are_allowed(host: str) -> None:
    assert is_our_host(host, frozenset({"dash.example"}))


@pytest.mark.parametrize(
    "host", ["evil.example", "dash.example.evil.example", "localhost.evil.example", "", "[::1", "a:b:c", "localhost:x"]
)
def test_other_host_names_are_not(host: str) -> None:
    assert not is_our_host(host, frozenset({"dash.example"}))


async def test_a_foreign_host_name_gets_no_page(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    answer = await client.get("/campaigns", headers={"Host": "rebound.example"})

    assert answer.status == 403
    assert "Summer" not in await answer.text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "SELF"}, 403),
        ({"Origin": "SELF"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
    ids=str,
)
async def test_forms_from_other_sites_are_refused(
    owner: Open, shared: Installation, headers: dict[str, str], status: int
) -> None:
    client = await owner(shared)
    here = client.address
    sent = {name: here if value == "SELF" else value for name, value in headers.items()}

    answer = await client.post("/sign-out", headers=sent, allow_redirects=False)

    assert answer.status == status
    still_in = (await client.get("/", allow_redirects=False)).status == 200
    assert still_in == (status == 403)


UNSAFE_ROUTES = {
    (route.method, re.sub(r"{[^}]*}", "x", route.path)) for route in ROUTES if route.method not in SAFE_METHODS
}


def bytes_of(installation: Installation) -> dict[str, str]:
    """Everything that is stored, but the sessions of the dashboard."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in installation.workspace.paths.data.rglob("*")
        if path.is_file() and not path.name.startswith("control.db")
    } | {"control": "\n".join(_stored(installation))}


def _stored(installation: Installation) -> Iterator[str]:
    with closing(connect_to_read(installation.workspace.paths.control)) as database:
        for name in all_tables(database):
            if name != "sessions":
                yield f"{name}: {sorted(map(str, database.execute(f'select * from {name}')))}"


ELSEWHERE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"},
    {},  # a cookie, and nothing that says where the form comes from
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
async def test_every_changing_route_refuses_forms_of_other_sites(
    owner: Open, fresh: Installation, headers: dict[str, str]
) -> None:
    client = await owner(fresh)
    here = client.address
    sent = {name: here if value == "SELF" else value for name, value in headers.items()}
    known = {
        ("POST", "/privacy/requests/x/action"),
        ("POST", "/privacy/retention"),
        ("POST", "/sign-in"),
        ("POST", "/sign-out"),
    }
    assert known <= UNSAFE_ROUTES
    before = bytes_of(fresh)

    for method, path in sorted(UNSAFE_ROUTES):
        answer = await client.request(method, path, data={"sure": "yes"}, headers=sent, allow_redirects=False)
        assert answer.status == 403, f"{method} {path}"
        assert not answer.cookies
    for method in ("PUT", "PATCH", "DELETE"):  # that no route has
        assert (await client.request(method, "/privacy/retention", headers=sent)).status == 403

    assert bytes_of(fresh) == before
    assert (await client.get("/", allow_redirects=False)).status == 200, "and the session goes on"


def test_all_other_methods_only_read(shared: Installation) -> None:
    """Browsers send GET and HEAD with the session cookie from any site."""
    assert {route.method for route in shared.dashboard().router.routes()} == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/reports.csv", "/clicks"])
async def test_every_response_has_security_headers(owner: Open, shared: Installation, path: str) -> None:
    client = await owner(shared)

    headers = (await client.get(path)).headers

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


async def test_static_files_stay_for_ever_under_their_version(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)
    page = await (await client.get("/sign-in")).text()
    address = next(part for part in page.split('"') if part.endswith("/app.css"))

    answer = await client.get(address)
    of_another_version = await client.get("/static/000000000000/app.css")

    assert (answer.status, answer.content_type) == (200, "text/css")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert of_another_version.headers["Cache-Control"] == "no-store"
    assert (await client.get(address, headers={"Accept-Encoding": "identity"})).headers.get("Content-Encoding") is None


@pytest.mark.parametrize("path", ["nothing.css", "../middleware.py", "%2e%2e/middleware.py", "/etc/passwd", "vendor/"])
async def test_only_static_files_are_served_there(stranger: Open, shared: Installation, path: str) -> None:
    client = await stranger(shared)

    answer = await client.get(f"/static/x/{path}", allow_redirects=False)

    assert answer.status in (303, 404)
    assert "def " not in await answer.text()


async def test_an_unexpected_error_is_logged_and_not_shown(
    browse: Callable[[str], Client], shared: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        raise RuntimeError("the secret inside")

    app = shared.dashboard()
    app.router.add_get("/broken", broken)
    client = browse(shared.serve(app))
    client.session.cookie_jar.update_cookies({"tnc_session": shared.open_session()})

    with caplog.at_level(logging.ERROR):
        answer = await client.get("/broken")

    text = await answer.text()
    assert answer.status == 500
    assert "the secret inside" not in text
    reference = next(record for record in caplog.records if record.name == "tnc.web.dashboard.middleware")
    assert reference.__dict__["reference"] in text


async def test_a_too_large_form_is_refused(stranger: Open, shared: Installation) -> None:
    client = await stranger(shared)

    form = io.BytesIO(b"email=" + b"x" * 2_000_000)
    answer = await client.post("/sign-in", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status == 413


async def test_an_unknown_address_is_a_404_page(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    answer = await client.get("/nothing")

    assert answer.status == 404
    assert "Page not found" in await answer.text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/inbox?outcome=new", "/postbacks?outcome=new"),
        ("/people", "/privacy/requests"),
        ("/people/0123456789", "/privacy/requests/0123456789"),
        ("/keeping", "/privacy/retention"),
        ("/stored?class=pii", "/privacy/data-map?class=pii"),
        ("/records", "/privacy/processing"),
    ],
)
async def test_addresses_of_earlier_versions_redirect(owner: Open, shared: Installation, old: str, new: str) -> None:
    client = await owner(shared)

    answer = await client.get(old, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (301, new)
