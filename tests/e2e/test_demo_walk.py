"""The dashboard with the demo's month: every page that a link leads to opens and shows something."""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.demo import fill_demo
from tnc.admin.bench.server_process import ServerProcess

PASSWORD = "a password for the walk"
OF_A_KIND = 6
LINK = re.compile(r'href="(/[^"#]*)"')
NOT_FOLLOWED = re.compile(r"/static/|/sign-out")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as made:
        made.init("--owner-email", "owner@shop.example", "--owner-password-stdin", given=PASSWORD)
        fill_demo(made)
        made.serve()
        yield made


def kind(path: str) -> str:
    """The path without its ids and query: pages that differ only in these are of one kind."""
    return re.sub(r"[0-9a-z]{20,}", "ID", path.partition("?")[0])


async def test_every_page_of_the_demo_opens_and_shows_something(demo: ServerProcess) -> None:
    base = "http://{}:{}".format(*demo.dashboard)
    todo, seen, kinds, broken, empty = ["/"], {"/"}, Counter[str](), dict[str, int](), set[str]()
    async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        form = {"email": "owner@shop.example", "password": PASSWORD}
        async with session.post("/sign-in", data=form, headers={"Origin": base}) as signed_in:
            assert (signed_in.status, str(signed_in.url)) == (200, f"{base}/")
        while todo:
            path = todo.pop()
            async with session.get(path) as answer:
                text = await answer.text()
                if answer.status != 200:
                    broken[path] = answer.status
                if 'class="card empty"' in text or "No requests yet" in text or "was imported" in text:
                    empty.add(path)
            for link in map(unescape, LINK.findall(text)):
                if link not in seen and not NOT_FOLLOWED.match(link) and kinds[kind(link)] < OF_A_KIND:
                    seen.add(link)
                    kinds[kind(link)] += 1
                    todo.append(link)

    assert broken == {}
    # Filtered by something that nobody did, and the form of "try a visitor" before it was sent.
    assert {path for path in empty if "?" not in path} <= {"/try"}
    assert {
        "/clicks/ID",
        "/reports",
        "/campaigns",
        "/filters",
        "/destinations",
        "/postbacks",
        "/privacy/requests",
    } <= set(kinds)
