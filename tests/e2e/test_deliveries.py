"""Deliveries of a server that is killed again and again: none is lost, and no secret is logged."""

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest
from aiohttp import web

from tests.e2e.shop import ask, run_json
from tests.fakes import meta, postback, webhook
from tests.fakes.receiver import Handler, in_a_thread
from tnc.admin.bench.server_process import ServerProcess
from tnc.core.errors import FailedError

KILLS = 4
SECRETS = ("EAAmetatoken", "bmV2ZXIgc2hvd24gYW55d2hlcmU", "s3cretkey", "ext-", "fbclid-")
HOOK = "whsec_bmV2ZXIgc2hvd24gYW55d2hlcmUgYXQgYWxs"
SHOP = """
[[source]]
id = "ads"
click_id = "ext"
postback = {{ url = "{source}/pb?id={{external_id}}&rev={{payout}}&cv={{conversion_id}}" }}
[[network]]
id = "good"
key = "s3cretkey"
[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/?s2={{click_id}}"
payout = 3
[[destination]]
id = "meta-main"
type = "meta"
pixel = "123456789012345"
access_token = "EAAmetatoken"
base_url = "{meta}"
[[destination]]
id = "hook"
type = "webhook"
url = "{hook}/hook"
secret = "{secret}"
[[campaign]]
id = "summer"
source = "ads"
destinations = ["meta-main", "hook"]
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


@dataclass
class Receivers:
    source: postback.Postback = field(default_factory=postback.Postback)
    ads: meta.Meta = field(default_factory=meta.Meta)
    hook: webhook.Webhook = field(default_factory=lambda: webhook.Webhook(secret=HOOK))
    before_answer: Callable[[], None] = lambda: None  # called by the receiver of the source
    answered: threading.Event = field(default_factory=threading.Event)

    def source_app(self) -> web.Application:
        @web.middleware
        async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            self.before_answer()
            await response.prepare(request)
            await response.write_eof()
            self.answered.set()
            return response

        app = postback.app(self.source)
        app.middlewares.insert(0, watched)
        return app

    def ids(self) -> list[Counter[str]]:
        """For each receiver: how often it accepted each conversion."""
        return [
            Counter(event["cv"] for event in self.source.events),
            Counter(event["event_id"].removeprefix("cv_") for event in self.ads.events),
            Counter(event["id"].removeprefix("cv_") for event in self.hook.events),
        ]

    def refusals(self) -> list[str]:
        return [*self.source.refusals, *self.ads.refusals, *self.hook.refusals]


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def shop(tmp_path: Path, receivers: Receivers) -> Iterator[ServerProcess]:
    with ExitStack() as stack:
        address = {
            "source": stack.enter_context(in_a_thread(receivers.source_app())),
            "meta": stack.enter_context(in_a_thread(meta.app(receivers.ads))),
            "hook": stack.enter_context(in_a_thread(webhook.app(receivers.hook))),
        }
        made = stack.enter_context(ServerProcess(tmp_path / "data"))
        made.init()
        text = made.config.read_text()
        text = text.replace("# allow_hosts = []", 'allow_hosts = ["127.0.0.1"]')
        made.config.write_text(text.replace("# retry_scale = 1.0", "retry_scale = 0.02"))
        file = tmp_path / "shop.toml"
        file.write_text(SHOP.format(secret=HOOK, **address))
        made.apply(file)
        yield made


class Network:
    """Sends clicks and a postback for each, in four threads, until it is stopped or the server is killed.

    `answered`: the clicks whose postback got a 200.
    """

    def __init__(self, shop: ServerProcess, round_: int) -> None:
        self.answered: list[str] = []
        self._shop = shop
        self._round = round_
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, lane: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{self._round}-{lane}-{number}"
            try:
                query = {"ext": f"ext-{name}", "fbclid": f"fbclid-{name}", "tnc_consent": "granted"}
                click = ask(self._shop, "/summer?" + urlencode(query)).location.partition("s2=")[2]
                answer = ask(self._shop, "/postback?" + urlencode({"cid": click, "key": "s3cretkey", "txid": name}))
            except (OSError, KeyError, ValueError):
                return  # the server was killed
            if answer.status == 200:
                self.answered.append(click)

    def stop(self) -> list[str]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.answered


def until(holds: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_every_answered_conversion_reaches_every_receiver_after_repeated_kills(
    shop: ServerProcess, receivers: Receivers
) -> None:
    chance, answered = Random(7), list[str]()
    for number in range(KILLS):
        shop.serve()
        network = Network(shop, number)
        time.sleep(chance.uniform(0.3, 1.2))
        shop.kill()
        answered += network.stop()
    shop.serve()
    wanted = {conversion_of(shop, click) for click in answered}

    until(lambda: all(wanted <= ids.keys() for ids in receivers.ids()))

    assert answered
    assert receivers.refusals() == []
    for ids in receivers.ids():
        assert sum(ids.values()) - len(ids) <= KILLS * 40  # only what was being sent at a kill arrives twice
    states = {state for each in run_json(shop, "destination", "list") for state in each["deliveries"]}
    until(lambda: {state for each in run_json(shop, "destination", "list") for state in each["deliveries"]} == {"done"})
    assert states <= {"done", "queued", "sending"}
    assert [word for word in SECRETS if word in shop.log.read_text()] == []


def conversion_of(shop: ServerProcess, click: str) -> str:
    [conversion] = run_json(shop, "click", click)["conversions"]
    conversion_id: str = conversion["conversion_id"]
    return conversion_id


def sell(shop: ServerProcess, name: str, **headers: str) -> str:
    """Send a click and its postback; returns the id of the conversion."""
    query = urlencode({"ext": f"ext-{name}", "tnc_consent": "granted"})
    answer = ask(shop, f"/summer?{query}", headers={key.replace("_", "-"): text for key, text in headers.items()})
    click = answer.location.partition("s2=")[2]
    params = {"cid": click, "key": "s3cretkey", "txid": name}
    assert ask(shop, "/postback?" + urlencode(params)).status == 200
    return conversion_of(shop, click)


def test_a_delivery_committed_but_not_sent_before_a_kill_arrives_once(
    shop: ServerProcess, receivers: Receivers
) -> None:
    shop.serve()
    receivers.source.answer_next(429, headers={"Retry-After": "600"})
    first = sell(shop, "first")
    until(receivers.answered.is_set)
    until(lambda: "waiting" in [each["state"] for each in run_json(shop, "destination", "list")])
    second = sell(shop, "second")
    assert (receivers.source.requests, receivers.source.events) == (1, [])

    shop.kill()
    shop.serve()

    # Neither is sent before the time that the receiver named in Retry-After.
    until(lambda: all(conversions.keys() == {first, second} for conversions in receivers.ids()[1:]))
    until(lambda: "waiting" in [each["state"] for each in run_json(shop, "destination", "list")])
    assert receivers.source.requests == 1
    run_json(shop, "destination", "resume", "source-ads")
    until(lambda: second in receivers.ids()[0])
    assert receivers.ids()[0] == {second: 1}


def test_after_an_objection_no_queued_or_later_conversion_is_sent(shop: ServerProcess, receivers: Receivers) -> None:
    shop.serve()
    receivers.source.answer_next(429, headers={"Retry-After": "1"})
    answer = ask(shop, "/summer?" + urlencode({"ext": "ext-1", "tnc_consent": "granted"}))
    click = answer.location.partition("s2=")[2]
    assert ask(shop, "/postback?" + urlencode({"cid": click, "key": "s3cretkey", "txid": "1"})).status == 200
    until(lambda: "waiting" in [each["state"] for each in run_json(shop, "destination", "list")])
    until(lambda: len(receivers.hook.events) == 1)

    objected = run_json(shop, "privacy", "object", "--click", click)
    assert ask(shop, "/postback?" + urlencode({"cid": click, "key": "s3cretkey", "txid": "2"})).status == 200
    preview = run_json(shop, "destination", "preview", "hook", "--click", click)
    other = sell(shop, "other", X_Forwarded_For="198.51.100.7")

    until(lambda: other in receivers.ids()[0])
    assert objected["called_back"] == 1
    assert (preview["send"], preview["why"]) == (False, "consent-denied")
    assert [len(ids) for ids in receivers.ids()] == [
        1,
        2,
        2,
    ]  # one each before the objection, and one of another visitor


def test_after_consent_is_denied_none_of_a_hundred_queued_deliveries_is_sent(
    shop: ServerProcess, receivers: Receivers
) -> None:
    shop.serve()
    receivers.source.answer_next(429, headers={"Retry-After": "600"})
    clicks = []
    for number in range(100):
        query = urlencode({"ext": f"ext-{number}", "tnc_consent": "granted"})
        clicks.append(ask(shop, f"/summer?{query}").location.partition("s2=")[2])
    for click in clicks:
        assert ask(shop, "/postback?" + urlencode({"cid": click, "key": "s3cretkey"})).status == 200
    until(lambda: "waiting" in [each["state"] for each in run_json(shop, "destination", "list")])
    until(lambda: len(receivers.hook.events) == 100)
    other = sell(shop, "other", X_Forwarded_For="198.51.100.7")

    assert ask(shop, "/summer?tnc_consent=denied").status == 302
    until(
        lambda: (
            {"cancelled": 100, "queued": 1} in [each["deliveries"] for each in run_json(shop, "destination", "list")]
        )
    )
    run_json(shop, "destination", "resume", "source-ads")
    later = "/postback?" + urlencode({"cid": clicks[0], "key": "s3cretkey", "txid": "later"})
    assert ask(shop, later).status == 200

    until(lambda: other in receivers.ids()[0])
    preview = run_json(shop, "destination", "preview", "hook", "--click", clicks[0])
    assert (preview["send"], preview["why"]) == (False, "consent-denied")
    assert receivers.ids()[0] == {other: 1}
    assert len(receivers.hook.events) == 101
    assert [word for word in SECRETS if word in shop.log.read_text()] == []


def test_a_delivery_answered_before_a_kill_and_not_marked_arrives_twice_with_the_same_id(
    shop: ServerProcess, receivers: Receivers
) -> None:
    shop.serve()
    receivers.before_answer = lambda: os.kill(shop.pid, signal.SIGSTOP)  # the 200 arrives and is not read
    answer = ask(shop, "/summer?" + urlencode({"ext": "ext-1", "tnc_consent": "granted"}))
    click = answer.location.partition("s2=")[2]
    target = "/postback?" + urlencode({"cid": click, "key": "s3cretkey"})

    def send_postback() -> None:
        with suppress(OSError, http.client.HTTPException):  # the kill may come before the reply
            ask(shop, target)

    network = threading.Thread(target=send_postback)
    network.start()
    until(receivers.answered.is_set)

    shop.kill()
    network.join()
    receivers.before_answer = lambda: None
    shop.serve()

    until(lambda: len(receivers.source.events) == 2)
    until(lambda: all(each["deliveries"].keys() == {"done"} for each in run_json(shop, "destination", "list")))
    assert receivers.ids()[0] == {conversion_of(shop, click): 2}


def test_a_graceful_stop_loses_no_delivery_and_sends_none_twice(shop: ServerProcess, receivers: Receivers) -> None:
    shop.serve()
    network = Network(shop, 0)
    time.sleep(1.0)
    answered = network.stop()
    assert shop.stop() == 0
    shop.serve()

    until(lambda: all(len(ids) == len(answered) for ids in receivers.ids()))

    assert [max(ids.values()) for ids in receivers.ids()] == [1, 1, 1]


def test_secrets_are_read_by_apply_and_never_shown(shop: ServerProcess, receivers: Receivers, tmp_path: Path) -> None:
    shop.serve()
    secret = tmp_path / "token"
    secret.write_text("EAAmetatoken\n")
    file = tmp_path / "secret.toml"
    file.write_text(
        f'[[destination]]\nid = "other"\ntype = "meta"\npixel = "123456789012345"\naccess_token = "file:{secret}"\n'
    )
    shop.apply(file)
    secret.unlink()

    shown = shop.command("destination", "show", "other", "--json").stdout + shop.command("export").stdout

    assert "EAAmetatoken" not in shown
    with pytest.raises(FailedError, match="token"):
        shop.apply(file)  # the file of the secret is gone
