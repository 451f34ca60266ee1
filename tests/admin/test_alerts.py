"""Alerts: one mail per new problem, at most one per hour, and no failure when mail fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from tests.fakes import meta
from tests.fakes.smtp_server import SmtpServer as MailServer
from tests.fakes.smtp_server import certificate
from tnc.admin.alerts import AlertMailer
from tnc.admin.doctor import examine
from tnc.admin.mail import Email, SmtpServer
from tnc.app import Server, recording
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, World
from tnc.core.errors import FailedError
from tnc.core.models import MAIN, CampaignId, Click, DestinationId, OfferId, Visit
from tnc.core.settings import Settings
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.store.days.click_log import Recording
from tnc.store.days.writer import utc_date
from tnc.store.keys.keyring import new_key_text
from tnc.store.stopped import StoppedDestination
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.inbox import PostbackCall
from tnc.tracking.setup import make_tracker, visit_reader

STOPPED = "[tnc] destination meta-main is stopped"
DOUBTED = "[tnc] the clock is doubted"
FULL = "[tnc] clicks cannot be recorded"


@dataclass
class Postman:
    """Collects mails, or fails to send them."""

    letters: list[Email] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)  # message ids
    problem: str | None = None

    async def post(self, letter: Email, _relay: SmtpServer) -> int:
        self.tried.append(letter.message_id)
        if self.problem is not None:
            raise FailedError(self.problem)
        self.letters.append(letter)
        return 0

    @property
    def subjects(self) -> list[str]:
        return [letter.subject for letter in self.letters]


@dataclass
class Clock:
    now_ms: int = 1_795_442_706_000


@dataclass
class Place:
    workspace: Workspace
    clock: Clock
    postman: Postman
    failing: str | None = None
    alerting: AlertMailer = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.alerting = AlertMailer(self.workspace, self.recording, post=self.postman.post)

    def recording(self) -> Recording:
        return Recording(failing=self.failing, waiting=3, lost=0, written=9)

    def look(self, *, later_ms: int = MINUTE_MS) -> list[str]:
        self.clock.now_ms += later_ms
        self.alerting.look()
        return self.postman.subjects

    def stop(self, destination: str = "meta-main") -> None:
        stop = StoppedDestination(destination=DestinationId(destination), reason="meta-190", at_ms=0, config_version=1)
        self.workspace.stopped_destinations.put(MAIN, stop).wait()

    def resume(self) -> None:
        self.workspace.stopped_destinations.remove(MAIN, DestinationId("meta-main")).wait()


def settings_of(folder: Path, **more: object) -> Settings:
    (folder / "key").write_text(new_key_text())
    given: dict[str, object] = {
        "mail_host": "localhost",
        "mail_from": "tnc@example.com",
        "mail_to": ("ada@example.com",),
    }
    return Settings(data=folder / "data", key=folder / "key", **(given | more))  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = Clock()
    world = World(now_ms=lambda: clock.now_ms)
    with Workspace.create(settings_of(tmp_path), world) as workspace:
        yield Place(workspace, clock, Postman())


def test_a_new_problem_is_mailed_once(place: Place) -> None:
    assert place.look() == []
    place.stop()

    for _ in range(5):
        place.look()

    assert place.postman.subjects == [STOPPED]
    (letter,) = place.postman.letters
    assert "meta-190" in letter.text
    assert "tnc destination resume meta-main" in letter.text


def test_each_problem_gets_a_mail_of_its_own(place: Place) -> None:
    place.stop()
    place.failing = "no space left on device"
    place.look()
    place.stop("hook")

    assert sorted(place.look()) == [FULL, "[tnc] destination hook is stopped", STOPPED]
    assert len({letter.message_id for letter in place.postman.letters}) == 3


def test_a_recurring_problem_is_mailed_once_an_hour(place: Place) -> None:
    for _ in range(29):
        place.stop()
        place.look()
        place.resume()
        place.look()
    assert place.postman.subjects == [STOPPED]

    place.stop()
    place.look(later_ms=10 * MINUTE_MS)

    assert place.postman.subjects == [STOPPED, STOPPED]


def test_a_lasting_problem_is_mailed_once_a_day(place: Place) -> None:
    place.stop()
    place.look()
    for _ in range(23):
        place.look(later_ms=HOUR_MS)
    assert place.postman.subjects == [STOPPED]

    assert place.look(later_ms=HOUR_MS) == [STOPPED, STOPPED]


@pytest.mark.parametrize("jump_ms", [-10 * DAY_MS, 10 * DAY_MS])
def test_a_clock_jump_does_not_silence_alerts(place: Place, jump_ms: int) -> None:
    place.stop()
    place.look()

    place.look(later_ms=jump_ms)
    for _ in range(5):
        place.look()

    assert place.postman.subjects == [STOPPED, STOPPED, DOUBTED]


def test_a_restart_repeats_no_mail(place: Place) -> None:
    place.stop()
    place.look()
    place.start()

    assert place.look() == [STOPPED]


def test_a_crash_before_an_alert_is_marked_sends_the_same_message_again(place: Place) -> None:
    place.stop()
    place.postman.problem = "localhost:587 cannot be reached."
    place.look()
    place.postman.problem = None
    place.start()

    place.look(later_ms=2 * HOUR_MS)

    assert place.postman.subjects == [STOPPED]
    assert len(place.postman.tried) == 2
    assert len(set(place.postman.tried)) == 1


def test_a_mail_that_fails_is_retried_and_reported_by_doctor(place: Place) -> None:
    place.stop()
    place.stop("hook")
    place.postman.problem = "localhost:587 refuses [mail] user and password (535)."
    place.look()

    (finding,) = (each for each in examine(place.workspace) if each.check == "mail")
    assert len(place.postman.tried) == 1, "the second mail was tried"
    assert (finding.state, finding.fix) == ("warning", "Fix the cause, then type: tnc mail test")
    assert "2 alerts could not be mailed" in finding.text
    assert "(535)" in finding.text

    place.postman.problem = None
    assert len(place.look()) == 2
    (finding,) = (each for each in examine(place.workspace) if each.check == "mail")
    assert finding.state == "ok"


def test_a_problem_that_ended_before_its_mail_is_not_mailed(place: Place) -> None:
    place.stop()
    place.postman.problem = "localhost:587 cannot be reached."
    place.look()
    place.resume()
    place.postman.problem = None

    assert place.look() == []
    assert place.workspace.alerts.all().wait() == {}


def test_a_full_disk_is_mailed_once_although_nothing_can_be_stored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    place.look()
    monkeypatch.setattr(place.workspace.alerts, "put", refuse)
    place.failing = "database or disk is full"

    for _ in range(3):
        place.look()

    assert place.postman.subjects == [FULL]


def test_a_failing_check_does_not_hide_other_alerts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("damaged")

    monkeypatch.setattr(place.workspace.histories, "dates", fail)
    place.stop()

    assert place.look() == [STOPPED]


def test_a_privacy_request_is_mailed_on_its_reminder_days(place: Place) -> None:
    request = place.workspace.register.open("r1", "access", channel="page", now_ms=place.clock.now_ms).wait()
    days = (request.due_at_ms - place.clock.now_ms) // DAY_MS
    for _ in range(days * 4):
        place.look(later_ms=DAY_MS // 4)

    subjects = [subject.removeprefix("[tnc] privacy request r1 is due in ") for subject in place.postman.subjects]
    assert [text for text in subjects if text.endswith(" days")] == ["20 days", "10 days", "5 days", "2 days"]
    place.look(later_ms=DAY_MS)
    assert place.postman.subjects[-1] == "[tnc] privacy requests are overdue"


def test_without_mail_no_check_runs(tmp_path: Path) -> None:
    postman = Postman()
    with Workspace.create(settings_of(tmp_path, mail_host=""), World()) as workspace:
        Place(workspace, Clock(), postman, failing="full").look()
        (finding,) = (each for each in examine(workspace) if each.check == "mail")

    assert postman.tried == []
    assert (finding.state, finding.text) == (
        "ok",
        "No mail is set up; alerts are shown here and in the dashboard.",
    )


# ------------------------------------------------------------------------------------------ in the server

SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/"
payout = 3
[[destination]]
id = "meta-main"
type = "meta"
pixel = "123456789012345"
access_token = "{token}"
base_url = "{meta}"
[[campaign]]
id = "summer"
destinations = ["meta-main"]
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


@dataclass
class Whole:
    server: Server
    receiver: meta.Meta
    address: str
    relay: MailServer

    async def apply(self, token: str) -> None:
        text = SHOP.format(token=token, meta=self.address)
        await asyncio.to_thread(self.server.services.configure.apply, text, file="shop.toml")

    async def sell(self, number: int) -> None:
        workspace = self.server.workspace
        now_ms = workspace.world.now_ms()
        click = Click(
            click_id=workspace.world.new_click_id(now_ms),
            clicked_at_ms=now_ms,
            campaign=CampaignId("summer"),
            offer=OfferId("shoes"),
            visit=Visit(
                visited_at_ms=now_ms,
                domain="go.example",
                country="US",
                consent="granted",
                ip="203.0.113.77",
                user_agent="canary agent",
                params={"fbclid": f"canary-{number}"},
            ),
        )
        await self.server.click_log.put(workspace.id, click)
        params = {"cid": click.click_id, "txid": f"canary-{number}"}
        answered = await asyncio.to_thread(
            self.server.services.conversions.receive,
            PostbackCall(method="GET", path="/postback", params=params, peer_ip=None),
        )
        assert answered.status == 200

    def states(self) -> set[str]:
        workspace = self.server.workspace
        with workspace.histories.day(utc_date(workspace.world.now_ms())) as reader:
            return {state for _, state, _ in reader.deliveries.counts()}


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    receiver, relay, own = meta.Meta(token="the new one"), MailServer(), certificate(tmp_path)
    async with AsyncExitStack() as stack:
        port = stack.enter_context(relay.listening(own))
        fake = TestServer(meta.app(receiver))
        await fake.start_server()
        stack.push_async_callback(fake.close)
        (tmp_path / "password").write_text("mail-s3cret\n")
        (tmp_path / "password").chmod(0o600)
        settings = settings_of(
            tmp_path,
            allow_hosts=("127.0.0.1",),
            mail_port=port,
            mail_user="tnc",
            mail_password=f"file:{tmp_path / 'password'}",
            mail_ca_file=str(own.authority),
        )
        workspace = stack.enter_context(Workspace.create(settings, World()))
        workspace.rotate_salts()
        log = await stack.enter_async_context(recording(workspace))
        session = await stack.enter_async_context(open_session(("127.0.0.1",)))
        sender = Sender(session, workspace.world, ("127.0.0.1",))
        server = Server(workspace, log, make_tracker(workspace, visit_reader(workspace)), sender)
        await stack.enter_async_context(server.outbox.running())
        yield Whole(server, receiver, str(fake.make_url("")).rstrip("/"), relay)


async def test_a_refused_token_causes_two_requests_and_one_mail_and_loses_no_delivery(whole: Whole) -> None:
    workspace = whole.server.workspace
    alerting = AlertMailer(workspace, whole.server.click_log.recording)
    await whole.apply("an old one")
    for number in range(20):
        await whole.sell(number)
    while not await workspace.stopped_destinations.all_of(MAIN):
        await asyncio.sleep(0.01)

    for _ in range(3):
        await asyncio.to_thread(alerting.look)
    assert whole.receiver.requests <= 2
    assert whole.states() == {"queued"}
    await whole.apply("the new one")
    while whole.states() != {"done"}:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(alerting.look)

    (message,) = whole.relay.taken
    assert whole.relay.refusals == []
    assert message["Subject"] == STOPPED
    assert len(whole.receiver.ids("event_id")) == 20
    secrets = ("mail-s3cret", "an old one", "the new one", "canary", "203.0.113.77", "cv_")
    assert [word for word in secrets if word in message.as_string()] == []


async def test_dead_deliveries_are_mailed(whole: Whole) -> None:
    await whole.apply("the new one")
    whole.receiver.answer_next(400, {"error": {"code": 100, "error_subcode": 2804003, "message": "canary"}})
    await whole.sell(1)
    while whole.states() != {"dead"}:
        await asyncio.sleep(0.01)

    await asyncio.to_thread(AlertMailer(whole.server.workspace, whole.server.click_log.recording).look)

    (message,) = whole.relay.taken
    assert message["Subject"] == "[tnc] deliveries to meta-main are dead"
    assert "canary" not in message.as_string()
