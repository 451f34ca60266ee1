"""What a request passes before it reaches a page, and what each answer says to the browser."""

import io
import logging
import re

import pytest
from aiohttp import web

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import InventedAppliance
from tnc.reports.query import ReportQuery
from tnc.web.dashboard.middleware import SAFE_METHODS, is_our_host
from tnc.web.dashboard.ports import Answer


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8400", "127.0.0.1:8400", "[::1]:8400", "[::1]", "192.168.1.5", "dash.example:443",
     "DASH.example"],
)  # fmt: skip
def test_our_names_are_answered(host: str) -> None:
    assert is_our_host(host, frozenset({"dash.example"}))


@pytest.mark.parametrize(
    "host", ["evil.example", "dash.example.evil.example", "localhost.evil.example", "", "[::1", "a:b:c", "localhost:x"]
)
def test_other_names_are_not(host: str) -> None:
    assert not is_our_host(host, frozenset({"dash.example"}))


async def test_a_strangers_name_reads_no_page(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

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
async def test_forms_of_other_sites_do_nothing(
    owner: Open, appliance: InventedAppliance, headers: dict[str, str], status: int
) -> None:
    client = await owner(appliance)
    here = f"http://{client.host}:{client.port}"
    sent = {name: here if value == "SELF" else value for name, value in headers.items()}

    answer = await client.post("/sign-out", headers=sent, allow_redirects=False)

    assert answer.status == status
    still_in = (await client.get("/", allow_redirects=False)).status == 200
    assert still_in == (status == 403)


def unsafe_routes(app: web.Application) -> set[tuple[str, str]]:
    """(method, address) of all that could change something, from the application itself."""
    return {
        (route.method, re.sub(r"{[^}]*}", "x", route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None and route.method not in SAFE_METHODS
    }


ELSEWHERE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"},
    {},  # a cookie and not a word of where it comes from
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
async def test_no_form_of_another_site_reaches_any_route_with_our_cookie(
    owner: Open, appliance: InventedAppliance, headers: dict[str, str]
) -> None:
    client = await owner(appliance)
    here = f"http://{client.host}:{client.port}"
    sent = {name: here if value == "SELF" else value for name, value in headers.items()}
    routes = unsafe_routes(client.app)
    assert {("POST", "/people/x/act"), ("POST", "/keeping"), ("POST", "/sign-in"), ("POST", "/sign-out")} <= routes

    for method, path in sorted(routes):
        answer = await client.request(method, path, data={"sure": "yes"}, headers=sent, allow_redirects=False)
        assert answer.status == 403, f"{method} {path}"
        assert not answer.cookies
    for method in ("PUT", "PATCH", "DELETE"):  # that no route has
        assert (await client.request(method, "/keeping", headers=sent)).status == 403

    assert appliance.people.asked == []
    assert (await client.get("/", allow_redirects=False)).status == 200, "and the session stands"


async def test_what_is_not_guarded_so_is_only_read(owner: Open, appliance: InventedAppliance) -> None:
    """Browsers send GET and HEAD with our cookie from anywhere."""
    client = await owner(appliance)

    assert {route.method for route in client.app.router.routes()} == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/reports.csv", "/clicks"])
async def test_every_answer_binds_the_browser(owner: Open, appliance: InventedAppliance, path: str) -> None:
    client = await owner(appliance)

    headers = (await client.get(path)).headers

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


async def test_static_files_stay_for_ever_under_their_version(stranger: Open, appliance: InventedAppliance) -> None:
    client = await stranger(appliance)
    page = await (await client.get("/sign-in")).text()
    address = next(part for part in page.split('"') if part.endswith("/app.css"))

    answer = await client.get(address)
    of_another_version = await client.get("/static/000000000000/app.css")

    assert (answer.status, answer.content_type) == (200, "text/css")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert of_another_version.headers["Cache-Control"] == "no-store"
    assert (await client.get(address, headers={"Accept-Encoding": "identity"})).headers.get("Content-Encoding") is None


@pytest.mark.parametrize("path", ["nothing.css", "../guards.py", "%2e%2e/guards.py", "/etc/passwd", "vendor/"])
async def test_nothing_but_static_files_is_there(stranger: Open, appliance: InventedAppliance, path: str) -> None:
    client = await stranger(appliance)

    answer = await client.get(f"/static/x/{path}", allow_redirects=False)

    assert answer.status in (303, 404)
    assert "def " not in await answer.text()


async def test_a_page_that_breaks_says_so_and_shows_nothing_of_it(
    owner: Open, appliance: InventedAppliance, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(InventedAppliance):
        async def report(self, question: ReportQuery) -> Answer:  # noqa: ARG002
            raise RuntimeError("the secret inside")

    client = await owner(Broken(told=appliance.told))

    with caplog.at_level(logging.ERROR):
        answer = await client.get("/reports")

    text = await answer.text()
    assert answer.status == 500
    assert "the secret inside" not in text
    reference = next(record for record in caplog.records if record.name == "tnc.web.dashboard.middleware")
    assert reference.__dict__["reference"] in text


async def test_an_endless_form_is_not_read(stranger: Open, appliance: InventedAppliance) -> None:
    client = await stranger(appliance)

    form = io.BytesIO(b"email=" + b"x" * 2_000_000)
    answer = await client.post("/sign-in", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status == 413


async def test_an_unknown_page_is_a_page(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.get("/nothing")

    assert answer.status == 404
    assert "Back to the overview" in await answer.text()
