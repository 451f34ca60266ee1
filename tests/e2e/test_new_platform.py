"""CONTRIBUTING's recipe for a destination type: after one new file and one line, every page and command knows it.

The test follows the recipe in a copy of the package and starts a server of the copy. Destinations of all other
platforms are configured too, so that each page is also checked for them.
"""

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

import tnc
from tests.destinations.examples import SETTINGS
from tests.e2e.shop import ask, click_of
from tests.fakes.receiver import Receiver, in_a_thread, read_json
from tnc.admin.bench.server_process import ServerProcess
from tnc.campaigns.platforms.registry import PLATFORMS

PASSWORD = "a password for the trial"
NEW_FILE = '''
"""Trial Ads: a platform that is made for a test."""

from collections.abc import Sequence
from typing import Final

from tnc.campaigns.platforms import keys
from tnc.campaigns.platforms.base import Delivery, Platform, Receiver, SkipReason, click_id
from tnc.campaigns.platforms.messages import HttpRequest, json_request
from tnc.campaigns.platforms.outcome import by_status


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    first = batch[0]
    events = [{"id": each.event_id, "name": each.event_name, "click": click_id(each.click, "trclid")} for each in batch]
    return json_request(f"{first.base_url}/events", {"events": events}, secrets=first.secrets)


def check_click(delivery: Delivery) -> SkipReason | None:
    return None if click_id(delivery.click, "trclid") else "no-click-id"


TRIAL: Final = Platform(
    type="trial",
    keys={"access_token": keys.access_token("Trial Ads, the gear, Tokens")},
    base_url="https://api.trial-ads.example",
    event_names={"sale": "SALE"},
    click_ids=("trclid",),
    cookies=("_trial",),
    receiver=Receiver(
        name="Trial Ads",
        countries="LI",
        gets="click id and nothing else",
        visitor_sentence="Trial Ads gets reports of purchases.",
        after_erasure="ask Trial Ads by carrier pigeon.",
    ),
    test_events="counted",
    build=build,
    read_answer=lambda answer, _destination: by_status(answer),
    check_click=check_click,
)
'''
SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/?s2={{click_id}}"
payout = 12.5
currency = "USD"
[[campaign]]
id = "summer"
destinations = [{ids}]
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
[[destination]]
id = "trial-main"
type = "trial"
access_token = "trialtoken"
base_url = "{trial}"
"""


def follow_the_recipe(folder: Path) -> None:
    """Write the new file and add its line to the registry."""
    shutil.copytree(Path(tnc.__file__).parent, folder / "tnc", ignore=shutil.ignore_patterns("__pycache__"))
    platforms = folder / "tnc" / "campaigns" / "platforms"
    (platforms / "trial.py").write_text(NEW_FILE)
    registry = platforms / "registry.py"
    text = registry.read_text()
    text = text.replace("\nPLATFORMS:", "from tnc.campaigns.platforms.trial import TRIAL\n\nPLATFORMS:", 1)
    registry.write_text(text.replace("        WEBHOOK,\n", "        WEBHOOK,\n        TRIAL,\n", 1))


def other_destinations() -> str:
    """One destination per platform, paused, so that nothing is sent to it."""
    lines = []
    for kind, settings in SETTINGS.items():
        lines += ["[[destination]]", f'id = "{kind}-main"', f'type = "{kind}"', "paused = true"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines)


@dataclass
class Shop:
    """A server of the copy, and the events that Trial Ads received."""

    server: ServerProcess
    taken: list[dict[str, Any]] = field(default_factory=list)

    def click(self) -> str:
        query = urlencode({"tnc_consent": "granted", "trclid": "TR-1"})
        return click_of(ask(self.server, f"/summer?{query}", headers={"Cookie": "_trial=cookie-1"}))

    def sale(self) -> str:
        """Send a click and its postback, and wait until Trial Ads has the conversion; returns the click id."""
        click, before = self.click(), len(self.taken)
        assert ask(self.server, f"/postback?cid={click}").status == 200
        end = time.monotonic() + 240
        while len(self.taken) == before:
            assert time.monotonic() < end
            time.sleep(0.05)
        return click

    def run_json(self, *words: str) -> Any:
        done = self.server.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("copy")
    follow_the_recipe(folder)
    # -P: import the copy, and not the package in the current folder.
    python = ("env", f"PYTHONPATH={folder}", sys.executable, "-P", "-m", "tnc")
    made = Shop(ServerProcess(folder / "data", python=python))

    async def take(request: web.Request) -> web.Response:
        made.taken.extend((await read_json(request))["events"])
        return web.Response()

    with in_a_thread(Receiver().app([web.post("/events", take)])) as address, made.server as server:
        server.init("--owner-email", "owner@shop.example", "--owner-password-stdin", given=PASSWORD)
        text = server.config.read_text().replace("# allow_hosts = []", 'allow_hosts = ["127.0.0.1"]')
        server.config.write_text(text)
        file = folder / "shop.toml"
        ids = ", ".join(f'"{each}-main"' for each in (*SETTINGS, "trial"))
        file.write_text(SHOP.format(ids=ids, trial=address) + other_destinations())
        server.apply(file)
        server.serve()
        yield made


def test_a_conversion_is_sent_with_the_click_id_and_the_cookie_is_kept(shop: Shop) -> None:
    click = shop.sale()

    assert (shop.taken[-1]["name"], shop.taken[-1]["click"]) == ("SALE", ["trclid", "TR-1"])
    assert shop.run_json("click", click)["params"]["_trial"] == "cookie-1"


def test_a_preview_and_a_simulated_conversion_know_every_platform(shop: Shop) -> None:
    click = shop.click()

    names = [f"{each}-main" for each in (*SETTINGS, "trial")]
    types = [shop.run_json("destination", "preview", each, "--click", click)["type"] for each in names]
    steps = [each["text"] for each in shop.run_json("conversion", "simulate", "summer")["steps"]]

    assert types == [*SETTINGS, "trial"]
    assert [each for each in names if not any(step.startswith(f"{each} would") for step in steps)] == []


def test_an_unknown_type_is_refused_with_a_list_that_names_it(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[[destination]]\nid = "x"\ntype = "trail"\n')

    done = shop.server.command("plan", str(file))

    assert done.returncode == 2
    assert 'did you mean "trial"?' in done.stderr


def test_the_records_of_processing_name_every_receiver(shop: Shop) -> None:
    receivers = {each["type"]: (each["country"], each["gets"]) for each in shop.run_json("ropa")["receivers"]}

    assert receivers.pop("trial") == ("LI", "click id and nothing else")
    assert receivers == {kind: (each.receiver.countries, each.receiver.gets) for kind, each in PLATFORMS.items()}


def test_the_public_privacy_page_names_every_receiver(shop: Shop) -> None:
    page = ask(shop.server, "/privacy")

    known = [each.receiver.visitor_sentence for each in PLATFORMS.values()]
    assert page.status == 200
    assert [each for each in (*known, "Trial Ads gets reports of purchases.") if each not in unescape(page.body)] == []


async def test_the_form_of_the_dashboard_offers_every_platform(shop: Shop) -> None:
    base = "http://{}:{}".format(*shop.server.dashboard)
    async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        form = {"email": "owner@shop.example", "password": PASSWORD}
        async with session.post("/sign-in", data=form, headers={"Origin": base}) as signed_in:
            assert signed_in.status == 200
        async with session.get("/destinations/new?type=trial") as answer:
            text = unescape(await answer.text())

    assert "Trial Ads, the gear, Tokens" in text
    assert [kind for kind in (*PLATFORMS, "trial") if not re.search(rf"[\"=>]{kind}[\"<]", text)] == []


def test_the_receipt_of_an_erasure_says_what_can_still_be_done_there(shop: Shop) -> None:
    receipt = shop.run_json("privacy", "erase", "--click", shop.sale())

    assert any("ask Trial Ads by carrier pigeon." in each for each in receipt["limits"])
