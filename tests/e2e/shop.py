"""A small shop with a campaign of every kind, and requests, postbacks and commands to its running server."""

import http.client
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from click.testing import CliRunner

from tnc.admin.bench.load import Answers, Crowd, get
from tnc.admin.bench.server_process import ServerProcess
from tnc.cli.main import group

SHOP: Final = """
[[source]]
id = "ads"
click_id = "ext"
cost = "cpc"
params = { sub1 = "site" }

[[network]]
id = "good"
statuses = { sale = ["approved"], lead = ["pending"], rejected = ["declined"] }
key = "s3cret"

[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/shoes?s2={click_id}&site={sub1}"
payout = 12.5

[[offer]]
id = "boots"
url = "https://shop.example/boots?s2={click_id}"
payout = 3

[[offer]]
id = "few"
url = "https://shop.example/few?s2={click_id}"
payout = 1
cap = { conversions = 7, per = "total", then = "boots" }

[[lander]]
id = "quiz"
url = "https://land.example/quiz?k={click_id}"

[[campaign]]
id = "summer"
source = "ads"
cost = { model = "auto", amount = 0.02, currency = "USD" }
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]

[[campaign]]
id = "quizzed"
[[campaign.flow]]
id = "all"
landers = [ { id = "quiz" } ]
offers = [ { id = "boots" }, { id = "shoes" } ]

[[campaign]]
id = "capped"
[[campaign.flow]]
id = "all"
offers = [ { id = "few" } ]

[[campaign]]
id = "doubled"
redirect = "double-meta"
[[campaign.flow]]
id = "all"
offers = [ { id = "boots" } ]

[[campaign]]
id = "scripted"
source = "ads"
redirect = "js"
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]
"""

_CLICK = re.compile(rb"\r\nLocation: [^\r]*?[?&](?:s2|k)=([0-9a-z]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: str

    @property
    def location(self) -> str:
        return self.headers["location"]


def ask(
    server: ServerProcess,
    target: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Send one request and follow no redirect. The default user agent is that of a desktop browser."""
    connection = http.client.HTTPConnection(*server.tracking, timeout=120)
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    try:
        connection.request(method, target, body=body, headers=agent | (headers or {}))
        got = connection.getresponse()
        text = got.read().decode("utf-8", "replace")
    finally:
        connection.close()
    return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, text)


def click_of(answer: Answer | bytes) -> str:
    """The click id in the address that a visitor was sent to."""
    text = f"\r\nLocation: {answer.location}".encode() if isinstance(answer, Answer) else answer
    found = _CLICK.search(text)
    assert found is not None, text
    return found[1].decode()


def postback(server: ServerProcess, click_id: str, **params: str) -> Answer:
    return ask(server, "/postback?" + urlencode({"cid": click_id, "key": "s3cret"} | params))


@contextmanager
def logs_kept() -> Iterator[None]:
    """Restore the logging of the tests afterwards: a command sets up the logging of its process."""
    root, raising = logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        root.handlers, logging.raiseExceptions = handlers, raising
        root.setLevel(level)


def run_text(server: ServerProcess, *words: str) -> str:
    """The output of a command, which must succeed. It runs in this process, which saves a second for its start."""
    with logs_kept():
        done = CliRunner().invoke(group, ["--config", str(server.config), *words])
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done.stdout


def run_json(server: ServerProcess, *words: str) -> Any:
    """The output of a command with --json, decoded."""
    return json.loads(run_text(server, *words, "--json"))


def all_clicks(server: ServerProcess) -> list[dict[str, Any]]:
    """The click log, oldest first."""
    lines = run_text(server, "clicks", "--json").split("\n")
    return [json.loads(line) for line in lines if line][::-1]


def recorded(server: ServerProcess) -> list[str]:
    return [click["click_id"] for click in all_clicks(server)]


def newest(server: ServerProcess) -> dict[str, Any]:
    click = run_json(server, "clicks", "--limit", "1")
    assert isinstance(click, dict)
    return click


class Stream:
    """Sends clicks one after the other in a thread until it is stopped."""

    def __init__(self, server: ServerProcess, path: str = "/summer") -> None:
        self.replies: list[bytes] = []
        self.answers = Answers()
        self._numbers = count()
        self._stop = threading.Event()
        self._path = path
        self._address = server.tracking
        self._thread = threading.Thread(target=self._run)

    def _requests(self) -> Iterator[bytes]:
        for number in self._numbers:
            yield get(f"{self._path}?ext=e{number}", {"Host": "go.example", "User-Agent": f"Stream/{number % 50}"})

    def _run(self) -> None:
        crowd = Crowd(self._address, self._requests(), self.replies.append)
        while not self._stop.is_set():
            answers = crowd.in_turn(8, 0.1)
            self.answers.latencies_ms += answers.latencies_ms
            self.answers.failed += answers.failed
        crowd.close()

    @property
    def redirected(self) -> list[str]:
        """Click ids of the replies that are redirects."""
        return [click_of(answer) for answer in list(self.replies) if answer.startswith(b"HTTP/1.1 302")]

    def wait_for(self, number: int) -> None:
        while len(self.replies) < number and self._thread.is_alive():
            self._stop.wait(0.01)

    @contextmanager
    def running(self) -> Iterator["Stream"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()
