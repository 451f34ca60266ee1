"""Secrets and personal data in good and bad requests: they appear only where they belong."""

import http.client
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.shop import Answer, ask, run_json
from tests.e2e.test_deliveries import until
from tests.fakes import meta, postback, webhook
from tests.fakes.receiver import in_a_thread
from tnc.admin.bench.server_process import ServerProcess

TOKEN = "EAAmarked0token"
API_KEY = "marked1api1key"
HEADER = "marked2header"
HOOK = "whsec_bWFya2VkMyBuZXZlciBzaG93biBhbnl3aGVyZSE="
NETWORK_KEY = "marked4network4key"
EMAIL = "marked5.person@mail.example"
EXTERNAL = "marked6external"
PASSWORD = "marked7 owner's password"
TYPED_WRONG = "marked8wrong"
MAIL_PASSWORD = "marked9mail"
MARKED = "marked"

SECRETS = (TOKEN, API_KEY, HEADER, HOOK.removeprefix("whsec_"), NETWORK_KEY, PASSWORD, MAIL_PASSWORD)
PEOPLE = (EMAIL, EXTERNAL, "marked.fbclid", "198.51.100.77")
OWNER = "owner@tracker.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
SHOP = """
[[source]]
id = "ads"
click_id = "ext"
[[network]]
id = "good"
key = "{network_key}"
statuses = {{ sale = ["approved"] }}
[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/?s2={{click_id}}"
payout = 3
[[destination]]
id = "meta-main"
type = "meta"
pixel = "123456789012345"
access_token = "{token}"
base_url = "{meta}"
[[destination]]
id = "hook"
type = "webhook"
url = "{hook}/hook"
secret = "{secret}"
[[destination]]
id = "keyed"
type = "postback"
url = "{source}/pb?api_key={api_key}&id={{external_id}}"
headers = {{ X-Key = "{header}" }}
[[campaign]]
id = "summer"
source = "ads"
destinations = ["meta-main", "hook", "keyed"]
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


def spellings(text: str) -> set[str]:
    """The encodings in which a text is searched for."""
    return {text, quote(text, safe=""), json.dumps(text)[1:-1], text.encode().hex()}


def found_in(text: str, marks: tuple[str, ...]) -> list[str]:
    return [mark for mark in marks if any(each in text for each in spellings(mark))]


@dataclass
class Receivers:
    ads: meta.Meta = field(default_factory=lambda: meta.Meta(token=TOKEN))
    hook: webhook.Webhook = field(default_factory=lambda: webhook.Webhook(secret=HOOK))
    keyed: postback.Postback = field(default_factory=postback.Postback)

    @property
    def requests(self) -> int:
        return self.ads.requests + self.hook.requests + self.keyed.requests


@dataclass
class Owner:
    """A browser on the dashboard; collects the error pages and redirect targets."""

    shop: ServerProcess
    cookie: str = ""
    errors: list[str] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)

    def open(self, path: str, *, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> int:
        connection = http.client.HTTPConnection(*self.shop.dashboard, timeout=120)
        sent = {"Cookie": self.cookie, "User-Agent": AGENT}
        body = None
        if form is not None:
            body = urlencode(form).encode()
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        sent |= headers or {}
        try:
            connection.request("GET" if body is None else "POST", path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if answer.status >= 400:
            self.errors.append(text)
        if place := answer.getheader("Location"):
            self.redirects.append(place)
        if (given := answer.getheader("Set-Cookie")) and answer.status == 303:
            self.cookie = given.partition(";")[0]
        return answer.status


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def shop(tmp_path: Path, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    monkeypatch.setenv("TNC_LOG_LEVEL", "debug")
    with ExitStack() as stack:
        address = {
            "meta": stack.enter_context(in_a_thread(meta.app(receivers.ads))),
            "hook": stack.enter_context(in_a_thread(webhook.app(receivers.hook))),
            "source": stack.enter_context(in_a_thread(postback.app(receivers.keyed))),
        }
        made = stack.enter_context(ServerProcess(tmp_path / "data"))
        words = (
            *made.python,
            "init",
            "--data",
            str(made.data),
            "--listen",
            "127.0.0.1:0",
            "--dashboard",
            "127.0.0.1:0",
        )
        owner = ("--trusted-proxy", "127.0.0.0/8", "--owner-email", OWNER, "--owner-password-stdin")
        subprocess.run((*words, *owner), input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        (tmp_path / "mail").write_text(MAIL_PASSWORD)
        (tmp_path / "mail").chmod(0o600)
        text = made.config.read_text()
        text = text.replace("# allow_hosts = []", 'allow_hosts = ["127.0.0.1"]')
        text = text.replace("# retry_scale = 1.0", "retry_scale = 0.02")
        mail = f'[mail]\nhost = "127.0.0.1"\nport = 9\nuser = "tnc"\npassword = "file:{tmp_path / "mail"}"\n'
        text = text.replace("[mail]\n", mail + 'from = "tnc@tracker.example"\nto = ["ada@tracker.example"]\n')
        made.config.write_text(text)
        file = tmp_path / "shop.toml"
        given = {"token": TOKEN, "secret": HOOK, "api_key": API_KEY, "header": HEADER, "network_key": NETWORK_KEY}
        file.write_text(SHOP.format(**given, **address))
        made.apply(file)
        file.unlink()
        made.serve()
        yield made


def visit(shop: ServerProcess, name: str) -> str:
    query = {"ext": f"{EXTERNAL}-{name}", "em": EMAIL, "fbclid": f"marked.fbclid-{name}", "tnc_consent": "granted"}
    headers = {"User-Agent": AGENT, "X-Forwarded-For": "198.51.100.77", "Referer": f"https://ref.example/?{EMAIL}"}
    return ask(shop, "/summer?" + urlencode(query), headers=headers).location.partition("s2=")[2]


def sell(shop: ServerProcess, click: str, **more: str) -> Answer:
    return ask(shop, "/postback?" + urlencode({"cid": click, "key": NETWORK_KEY, "txid": f"{EXTERNAL}-T"} | more))


def wrong_requests(shop: ServerProcess, click: str) -> list[Answer]:
    """Send faulty requests with marked values to the tracking domain; returns the error replies."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    asked = [
        sell(shop, click, key="marked-wrong-key"),
        sell(shop, click, payout=f"{EXTERNAL}x"),
        sell(shop, click, currency=EMAIL),
        sell(shop, f"{click}ff"),
        sell(shop, ""),
        ask(shop, f"/{NETWORK_KEY}x/postback?cid={click}"),
        ask(shop, "/postback", method="POST", body=f'{{"cid": "{click}", "key": "{NETWORK_KEY}"'.encode(),
            headers={"Content-Type": "application/json"}),
        ask(shop, "/postback", method="DELETE"),
        ask(shop, f"/{EXTERNAL}?em={EMAIL}"),
        ask(shop, f"/click?cid={click}ff&em={EMAIL}"),
        ask(shop, f"/privacy/case/{'0' * 32}"),
        ask(shop, f"/-/feed/{'A' * 32}.csv"),
        ask(shop, f"/-/onward/{EXTERNAL}"),
        ask(shop, "/privacy", method="POST", headers=form, body=f"do={EMAIL}".encode()),
        ask(shop, "/privacy", method="POST", headers={"Origin": f"https://{EXTERNAL}.example"}, body=b"do=show"),
        ask(shop, "/privacy", method="POST", headers=form, body=b"do=ask&text=" + EMAIL.encode() * 3_000),
        ask(shop, f"/summer?x={'marked' * 8_000}", method="POST", body=b"marked"),
    ]  # fmt: skip
    return [answer for answer in asked if answer.status >= 400]


def wrong_pages(owner: Owner, click: str) -> None:
    """Cause errors in the dashboard, before and after signing in."""
    owner.open("/sign-in", form={"email": OWNER, "password": TYPED_WRONG})
    owner.open("/settings", headers={"Host": "stranger.example"})
    owner.open("/destinations/keyed/resume", form={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert owner.open("/sign-in", form={"email": OWNER, "password": PASSWORD}) == 303
    for path in ("/clicks/none", "/campaigns/none", "/destinations/none", "/privacy/requests/none", "/nowhere",
                 "/templates/none", f"/clicks/{click}ff", "/reports?by=none", "/clicks?from=none"):  # fmt: skip
        owner.open(path)
    owner.open("/destinations/keyed/replay", form={"delivery": "none"})
    owner.open("/destinations/meta-main/edit", form={"pixel": "", "access_token": TYPED_WRONG})
    owner.open("/privacy/retention", form={"clicks": "0", "password": TYPED_WRONG})
    owner.open("/privacy/processing", form={"receipt": "{"})
    owner.open("/postbacks/replay", form={"call": "none"})


def commands(shop: ServerProcess, *only: str) -> dict[str, str]:
    """The output of commands, stdout and stderr."""
    lines: dict[str, tuple[str, ...]] = {
        "doctor": ("doctor", "--json"),
        "export": ("export",),
        "versions": ("versions", "--json"),
        "destinations": ("destination", "list", "--json"),
        "inbox": ("conversion", "inbox", "--json"),
        "ropa": ("ropa", "--json"),
        "retention": ("retention", "show", "--json"),
        "terms": ("privacy", "map", "--json"),
        "mail": ("mail", "test"),
        "health": ("keys", "verify", "--json"),
        **{f"show {each}": ("destination", "show", each, "--json") for each in ("meta-main", "hook", "keyed")},
        **{f"log {each}": ("destination", "log", each, "--json") for each in ("meta-main", "hook", "keyed")},
        **{f"test {each}": ("destination", "test", each, "--json") for each in ("meta-main", "hook", "keyed")},
    }
    done = {name: shop.command(*lines[name]) for name in only or lines}
    return {name: each.stdout + each.stderr for name, each in done.items()}


def settled(shop: ServerProcess) -> bool:
    states = {state for each in run_json(shop, "destination", "list") for state in each["deliveries"]}
    return states <= {"done", "dead", "dropped"}


def stopped(shop: ServerProcess) -> set[str]:
    return {each["id"] for each in run_json(shop, "destination", "list") if each["state"] == "stopped"}


def break_the_day(shop: ServerProcess) -> None:
    """Rename tables of the day file, so that reading them raises an unexpected error."""
    (day,) = [path for path in (shop.data / "days").rglob("*.db") if path.stat().st_size > 0 and holds_clicks(path)]
    with closing(sqlite3.connect(day)) as database:
        for table in ("inbox", "events", "deliveries"):
            database.execute(f"alter table {table} rename to gone_{table}")
        database.commit()


def holds_clicks(path: Path) -> bool:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return bool(database.execute("select count(*) from clicks").fetchone()[0])


def test_marked_secrets_are_only_where_they_belong(shop: ServerProcess, receivers: Receivers) -> None:
    owner = Owner(shop)
    clicks = [visit(shop, "well")]
    assert sell(shop, clicks[0]).status == 200
    until(lambda: receivers.requests >= 3 and settled(shop))
    # Receivers whose error replies repeat secrets and personal data.
    echo = {"error": {"code": 100, "error_subcode": 2804003, "message": f"{TOKEN} {EMAIL} {clicks[0]}"}}
    receivers.ads.answer_next(400, echo)
    receivers.hook.answer_next(410, f"{HOOK} {EMAIL}")
    receivers.keyed.answer_next(302, API_KEY, {"Location": f"http://169.254.169.254/?{API_KEY}"})
    clicks.append(visit(shop, "badly"))
    assert sell(shop, clicks[1]).status == 200
    until(lambda: stopped(shop) == {"hook", "keyed"})
    for each in stopped(shop):
        run_json(shop, "destination", "resume", each)
    until(lambda: settled(shop))

    pages = wrong_requests(shop, clicks[0])
    wrong_pages(owner, clicks[0])
    outputs = commands(shop)
    command_line = Path(f"/proc/{shop.pid}/cmdline").read_text()
    break_the_day(shop)
    broken = [sell(shop, clicks[0]), ask(shop, f"/click?cid={clicks[0]}"), ask(shop, "/conversion.gif")]
    pages += [answer for answer in broken if answer.status >= 400]
    for path in ("/postbacks", "/clicks", f"/clicks/{clicks[0]}", "/destinations", "/destinations/keyed", "/"):
        owner.open(path)
    broken_commands = commands(shop, "doctor", "inbox", "log keyed", "test keyed")
    shop.stop()

    people = (*PEOPLE, *clicks)
    log = shop.log.read_text()
    assert {answer.status for answer in pages} >= {400, 403, 404, 405, 413}, "an expected error did not occur"
    assert any("reference" in text.lower() for text in owner.errors)
    assert len(owner.errors) > 10
    assert '"level": "debug"' in log or '"event": "request"' in log
    assert found_in(log, (*SECRETS, *people, TYPED_WRONG, MARKED)) == []
    for answer in pages:
        shown = answer.body + json.dumps(answer.headers)
        assert found_in(shown, (*SECRETS, *people, MARKED)) == [], shown[:300]
    for text in owner.errors:
        assert found_in(text, (*SECRETS, *people, TYPED_WRONG)) == [], text[:2_000]
    assert found_in(" ".join(owner.redirects), (*SECRETS, *people)) == []
    for name, text in (*outputs.items(), *broken_commands.items()):
        # The URL of a destination is shown to the owner as written, with the API key in it.
        kept = tuple(each for each in SECRETS if each != API_KEY) if name in ("export", "show keyed") else SECRETS
        assert found_in(text, kept) == [], name
        if not name.startswith(("show", "inbox")):  # these show the owner what a postback or delivery contained
            assert found_in(text, people) == [], name
    assert found_in(command_line, (*SECRETS, *people)) == []
