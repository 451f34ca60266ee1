"""The dashboard with the demo's traffic: every page that a link leads to."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from itertools import islice
from pathlib import Path

import aiohttp
import pytest

from tnc.admin.bench.server_process import ServerProcess
from tnc.admin.demo.traffic import CAMPAIGN_FILE, demo_plans, invented_clicks
from tnc.core.clock import World

PASSWORD = "a password for the walk"
CLICKS, OF_A_KIND = 400, 6
LINK = re.compile(r'href="(/[^"#]*)"')
NOT_FOLLOWED = re.compile(r"/static/|/sign-out")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as made:
        made.init("--owner-email", "owner@shop.example", "--owner-password-stdin", given=PASSWORD)
        made.apply(CAMPAIGN_FILE)
        traffic = islice(invented_clicks(demo_plans(), until_ms=World().now_ms()), CLICKS)
        (tmp_path / "traffic.jsonl").write_text("\n".join(map(json.dumps, traffic)))
        assert made.command("import", "clicks", str(tmp_path / "traffic.jsonl")).returncode == 0
        made.serve()
        yield made


def kind(path: str) -> str:
    """The path without its ids and query: pages that differ only in these are of one kind."""
    return re.sub(r"[0-9a-z]{20,}", "ID", path.partition("?")[0])


async def test_every_page_of_the_demo_opens(demo: ServerProcess) -> None:
    base = "http://{}:{}".format(*demo.dashboard)
    todo, seen, kinds, broken = ["/"], {"/"}, Counter[str](), dict[str, int]()
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
            for link in map(unescape, LINK.findall(text)):
                if link not in seen and not NOT_FOLLOWED.match(link) and kinds[kind(link)] < OF_A_KIND:
                    seen.add(link)
                    kinds[kind(link)] += 1
                    todo.append(link)

    assert broken == {}
    assert {"/clicks/ID", "/reports", "/campaigns", "/filters", "/destinations", "/privacy/requests"} <= set(kinds)
