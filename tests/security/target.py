"""The attacked server: raw bytes to its two listeners, a signed-in browser, and what it recorded."""

import http.client
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode

from click.testing import CliRunner

from tests.e2e.shop import logs_kept
from tnc.admin.bench.server_process import ServerProcess
from tnc.cli.main import group

EMAIL: Final = "owner@shop.example"
PASSWORD: Final = "a password for the attacked"
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
OUR_HOSTS: Final = {"shop.example", "land.example"}

CAMPAIGNS: Final = """
[[source]]
id = "ads"
click_id = "ext"
params = { sub1 = "site" }
keep = ["sub1"]

[[network]]
id = "net"
statuses = { sale = ["approved"] }

[[offer]]
id = "shoes"
network = "net"
url = "https://shop.example/shoes?s2={click_id}&site={sub1}&r={referrer_domain}&raw={raw:sub1}"
payout = 2

[[lander]]
id = "quiz"
url = "https://land.example/quiz?k={click_id}&site={sub1}"
""" + "".join(
    f"""
[[campaign]]
id = "{name}"
source = "ads"
redirect = "{redirect}"
[[campaign.flow]]
id = "all"
landers = [{' { id = "quiz" } ' if name == "quizzed" else ""}]
offers = [ {{ id = "shoes" }} ]
"""
    for name, redirect in (
        ("go", "302"),
        ("other", "303"),
        ("kept", "307"),
        ("meta", "meta"),
        ("double", "double-meta"),
        ("script", "js"),
        ("quizzed", "302"),
    )
)
CAMPAIGN_PATHS: Final = ("go", "other", "kept", "meta", "double", "script", "quizzed")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]  # names in lower case
    body: str

    def header(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found == name), None)


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Target:
    server: ServerProcess
    _session: str = field(default="", repr=False)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """One request to the tracking listener; no redirect is followed."""
        return _request(self.server.tracking, "GET", path, {"User-Agent": AGENT} | dict(headers or {}), None)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        return _request(self.server.tracking, "POST", path, {"User-Agent": AGENT} | dict(headers), body)

    def raw(self, request: bytes, *, dashboard: bool = False, idle_seconds: float = 0.25) -> bytes:
        """All bytes that come back for these bytes until the server closes, or sends nothing for `idle_seconds`."""
        address = self.server.dashboard if dashboard else self.server.tracking
        answer = b""
        with socket.create_connection(address, timeout=idle_seconds) as connection:
            try:
                connection.sendall(request)
                while part := connection.recv(65_536):
                    answer += part
            except (TimeoutError, ConnectionError):
                pass
        return answer

    def dashboard(
        self,
        path: str,
        *,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        signed_in: bool = True,
    ) -> Reply:
        given = dict(headers or {})
        if signed_in:
            given.setdefault("Cookie", self.session_cookie())
        body = None if form is None else urlencode(form).encode()
        if body is not None:
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return _request(self.server.dashboard, method, path, given, body)

    @property
    def origin(self) -> str:
        return "http://{}:{}".format(*self.server.dashboard)

    def session_cookie(self) -> str:
        if not self._session:
            form = {"email": EMAIL, "password": PASSWORD}
            reply = self.dashboard(
                "/sign-in", method="POST", form=form, headers={"Origin": self.origin}, signed_in=False
            )
            cookie = reply.header("set-cookie")
            assert cookie is not None, reply
            self._session = cookie.partition(";")[0]
        return self._session

    def tnc(self, *words: str) -> "Done":
        """A command beside the running server, in this process: a new one takes half a second to start."""
        with logs_kept():
            done = CliRunner().invoke(group, ["--config", str(self.server.config), *words])
        failed = done.exception is not None and not isinstance(done.exception, SystemExit)
        return Done(done.exit_code, done.stdout, f"Traceback: {done.exception!r}" if failed else done.stderr)

    def clicks(self) -> list[dict[str, Any]]:
        """The newest ones first."""
        done = self.tnc("clicks", "--json", "--limit", "20")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def _request(address: tuple[str, int], method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        reply = connection.getresponse()
        text = reply.read().decode("utf-8", "replace")
    finally:
        connection.close()
    return Reply(reply.status, [(name.lower(), value) for name, value in reply.getheaders()], text)


def status_lines(answer: bytes) -> list[int]:
    """The status of each answer in a stream of answers."""
    return [int(code) for code in re.findall(rb"(?:^|\n|\}|>)HTTP/1\.[01] (\d{3})", answer)]


class Page(HTMLParser):
    """What a browser would run or follow in a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.scripts.append(data)

    def values(self, *names: str) -> list[str]:
        return [value for _, attrs in self.tags for name, value in attrs.items() if name in names and value]

    def executable(self) -> list[str]:
        """Event attributes, `javascript:` addresses and foreign elements; scripts apart."""
        found = [f"{tag} {name}" for tag, attrs in self.tags for name in attrs if name.startswith("on")]
        addresses = self.values("href", "src", "action", "formaction", "data", "srcdoc", "content")
        targets = [value.partition("url=")[2] or value for value in addresses]
        found += [value for value in targets if value.strip(" '\"\t\r\n\0").lower().startswith("javascript:")]
        return found + [tag for tag, _ in self.tags if tag in ("iframe", "object", "embed", "base")]
