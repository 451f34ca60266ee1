"""Privacy requests: due dates, steps, identification, receivers and retention."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.privacy.small_workspace import DAYS, NOW_MS, SmallWorkspace, small_workspace
from tests.store.records import NEEDLES, PERSONAL, canary_click
from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError, NotFoundError, PartlyDoneError
from tnc.core.models import MAIN
from tnc.privacy.requests import PrivacyRequests
from tnc.privacy.retention import Retention
from tnc.store.days.writer import day_path
from tnc.store.requests import ENDED, ReceiverOutcome, RequestRegister, due_ms


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.canary_clicks(2)
        yield made


def privacy_requests(full: SmallWorkspace) -> PrivacyRequests:
    return PrivacyRequests(full.workspace, full.eraser())


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# ---------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2027-01-30T10:00", "2027-02-28T10:00"),
        ("2028-01-30T10:00", "2028-02-29T10:00"),
        ("2026-11-24T18:00", "2026-12-24T18:00"),
        ("2026-12-31T00:00", "2027-01-30T00:00"),
        ("2027-02-10T08:00", "2027-03-10T08:00"),
    ],
)
def test_a_request_is_due_in_30_days_or_a_month_whichever_is_first(received: str, due: str) -> None:
    assert due_ms(at(received)) == at(due)


@given(st.integers(0, at("2100-01-01")))
def test_no_request_is_due_after_more_than_30_days(received_ms: int) -> None:
    assert 28 * DAY_MS <= due_ms(received_ms) - received_ms <= 30 * DAY_MS


def test_an_extension_is_made_in_time_and_by_at_most_two_months(full: SmallWorkspace) -> None:
    request, _ = privacy_requests(full).submit("access", text="What do you have?", contact="")
    register = full.workspace.register

    with pytest.raises(InvalidError, match="reason"):
        register.extend(request.request_id, until_ms=at("2027-01-24"), reason="", now_ms=NOW_MS).wait()
    with pytest.raises(InvalidError, match="2027-02-24 at the latest"):
        register.extend(request.request_id, until_ms=at("2027-03-01"), reason="many", now_ms=NOW_MS).wait()
    with pytest.raises(InvalidError, match="too late"):
        register.extend(request.request_id, until_ms=at("2027-01-24"), reason="many", now_ms=request.due_at_ms).wait()

    extended = register.extend(request.request_id, until_ms=at("2027-01-24"), reason="many asked", now_ms=NOW_MS).wait()
    assert (extended.due_at_ms, extended.extended) == (at("2027-01-24"), True)
    assert extended.steps[-1].reason == "extended: many asked"


def test_overdue_requests_are_counted(full: SmallWorkspace) -> None:
    request, _ = privacy_requests(full).submit("access", text="What do you have?", contact="")

    full.now_ms = request.due_at_ms + 1
    (entry,) = privacy_requests(full).requests()
    assert (entry["overdue"], entry["days_left"]) == (True, -1)


# --------------------------------------------------------------------------------------------------- states


def moved(register: RequestRegister, request_id: str, *states: str, reason: str = "because") -> None:
    for state in states:
        register.move(request_id, state, now_ms=NOW_MS, reason=reason).wait()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "way",
    [
        ("acknowledged", "needs_identity", "identity_failed", "needs_identity", "verified", "approved", "executing",
         "awaiting_downstream", "fulfilled"),
        ("verified", "review", "denied"),
        ("needs_identity", "expired_unverified"),
        ("acknowledged", "withdrawn"),
        ("approved", "executing", "partly_fulfilled"),
    ],
)  # fmt: skip
def test_requests_move_through_their_states(full: SmallWorkspace, way: tuple[str, ...]) -> None:
    request, _ = privacy_requests(full).submit("erasure", text="Erase me.", contact="")

    moved(full.workspace.register, request.request_id, *way)

    done = full.workspace.register.get(request.request_id).wait()
    assert done.state in ENDED
    assert done.closed_at_ms == NOW_MS
    assert [step.state for step in done.steps] == ["received", *way]
    with pytest.raises(InvalidError, match="closed"):
        moved(full.workspace.register, request.request_id, "verified")


@pytest.mark.parametrize("state", ["executing", "awaiting_downstream", "received", "identity_failed"])
def test_states_cannot_be_skipped(full: SmallWorkspace, state: str) -> None:
    request, _ = privacy_requests(full).submit("erasure", text="Erase me.", contact="")

    with pytest.raises(InvalidError, match="what can follow is"):
        moved(full.workspace.register, request.request_id, state)


@pytest.mark.parametrize("state", ["denied"])
def test_a_denial_needs_a_reason(full: SmallWorkspace, state: str) -> None:
    request, _ = privacy_requests(full).submit("erasure", text="Erase me.", contact="")

    with pytest.raises(InvalidError, match="reason"):
        moved(full.workspace.register, request.request_id, state, reason="")


def test_a_second_request_is_a_duplicate(full: SmallWorkspace) -> None:
    privacy = privacy_requests(full)
    who = {"visitor": PERSONAL["visitor"]}

    first = privacy.add("erasure", channel="letter", who=who)
    second = privacy.add("erasure", channel="email", who=who)
    other = privacy.add("access", channel="email", who=who)

    assert (first["duplicate_of"], second["duplicate_of"], other["duplicate_of"]) == (None, first["request_id"], None)


# -------------------------------------------------------------------------------------------- by the person


def test_of_visits_in_the_same_millisecond_the_last_recorded_is_the_newest(full: SmallWorkspace) -> None:
    for number in range(3):
        full.record(canary_click(f"tied-{number}", at_ms=NOW_MS - 1, params={"tied": str(number)}))

    held = privacy_requests(full).stored_visits(PERSONAL["browser_id"], most=3)

    assert [dict(each.facts)["Its parameters"][:6] for each in held.visits] == ["tied=2", "tied=1", "tied=0"]


def test_the_cookie_is_enough_evidence(full: SmallWorkspace) -> None:
    privacy, browser = privacy_requests(full), PERSONAL["browser_id"]
    held = privacy.stored_visits(browser, most=10)
    assert (held.clicks, held.conversions) == (6, 3)

    receipt = privacy.erase(browser)

    assert {each["after"] for each in receipt["stores"]} == {0}
    assert privacy.stored_visits(browser, most=10).clicks == 0
    (entry,) = privacy.requests()
    assert (entry["kind"], entry["receipt_id"]) == ("erasure", receipt["receipt_id"])
    assert [step["state"] for step in entry["steps"][:3]] == ["received", "verified", "executing"]
    assert "owner" not in {step["actor"] for step in entry["steps"]}  # it was done without them
    assert entry["evidence"] == "the cookie of the browser"


def test_a_request_is_found_by_the_secret_of_its_link_only(full: SmallWorkspace) -> None:
    privacy = privacy_requests(full)
    request, link = privacy.submit("question", text="Who are you?", contact="ann@example.com")

    found = privacy.by_link(link)

    assert found is not None
    assert found.request_id == request.request_id
    assert len(link) == 32
    assert privacy.by_link("0" * 32) is None


def test_texts_of_requests_are_encrypted(full: SmallWorkspace) -> None:
    privacy_requests(full).submit("question", text="My name is zz-canary-Ann", contact="zz-canary-ann@example.com")

    assert full.leaks() == []
    files = [path for path in full.data.rglob("*") if path.is_file()]
    assert [path.name for path in files if b"zz-canary-" in path.read_bytes()] == []
    assert NEEDLES


def test_texts_that_are_too_long_are_refused(full: SmallWorkspace) -> None:
    with pytest.raises(InvalidError, match="too long"):
        privacy_requests(full).submit("question", text="x" * 5000, contact="")
    with pytest.raises(InvalidError, match="write what"):
        privacy_requests(full).submit("question", text="  ", contact="")


def test_an_unknown_request_is_named(full: SmallWorkspace) -> None:
    with pytest.raises(NotFoundError):
        full.workspace.register.get("nothing").wait()
    with pytest.raises(InvalidError, match="there are access, erasure"):
        privacy_requests(full).submit("revenge", text="now", contact="")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------- receivers of conversions


def test_an_erasure_is_not_fulfilled_while_a_receiver_has_not_answered(full: SmallWorkspace) -> None:
    """The canary's conversions were sent to meta-main."""
    privacy = privacy_requests(full)

    receipt = privacy.erase(PERSONAL["browser_id"])

    (entry,) = privacy.requests()
    assert (entry["state"], entry["receipt_id"]) == ("awaiting_downstream", receipt["receipt_id"])
    assert [(each["name"], each["reports"], each["outcome"]) for each in entry["receivers"]] == [("meta-main", 3, None)]
    with pytest.raises(InvalidError, match="meta-main received conversions of this person"):
        privacy.move(entry["request_id"], "fulfilled")
    with pytest.raises(InvalidError, match="reason"):
        privacy.move(entry["request_id"], "partly_fulfilled")

    settled = privacy.record_outcome(entry["request_id"], receiver="meta-main", outcome="letter")
    assert settled["steps"][-1]["reason"] == "meta-main: letter"
    assert privacy.move(entry["request_id"], "fulfilled")["state"] == "fulfilled"


def test_an_impossible_receiver_makes_the_request_partly_fulfilled(full: SmallWorkspace) -> None:
    privacy = privacy_requests(full)
    privacy.erase(PERSONAL["browser_id"])
    (entry,) = privacy.requests()

    privacy.record_outcome(entry["request_id"], receiver="meta-main", outcome="impossible")

    with pytest.raises(InvalidError, match="partly_fulfilled"):
        privacy.move(entry["request_id"], "fulfilled")
    assert privacy.move(entry["request_id"], "partly_fulfilled", reason="Meta deletes no events")["closed_at"]
    with pytest.raises(InvalidError, match="closed"):
        privacy.record_outcome(entry["request_id"], receiver="meta-main", outcome="letter")


def test_unknown_receivers_and_outcomes_are_refused(full: SmallWorkspace) -> None:
    privacy = privacy_requests(full)
    privacy.erase(PERSONAL["browser_id"])
    (entry,) = privacy.requests()

    with pytest.raises(NotFoundError, match="receivers are: meta-main"):
        privacy.record_outcome(entry["request_id"], receiver="tiktok-main", outcome="letter")
    with pytest.raises(InvalidError, match="outcomes are deleted"):
        privacy.record_outcome(entry["request_id"], receiver="meta-main", outcome=cast("ReceiverOutcome", "forgotten"))


def test_an_erasure_by_the_owner_fulfils_its_request(full: SmallWorkspace) -> None:
    privacy, eraser = privacy_requests(full), full.eraser()
    request = privacy.add("erasure", channel="letter")["request_id"]

    receipt = eraser.erase(eraser.subject(click="canary-2026-11-22-0001", only=True), request_id=request)

    entry = privacy.request(request)
    assert (entry["state"], entry["receipt_id"]) == ("fulfilled", receipt["receipt_id"])
    assert [step["state"] for step in entry["steps"]] == ["received", "approved", "executing", "fulfilled"]


def test_an_unverified_request_erases_nothing(full: SmallWorkspace) -> None:
    privacy, eraser = privacy_requests(full), full.eraser()
    request = privacy.add("erasure", channel="letter")["request_id"]
    privacy.move(request, "needs_identity")

    with pytest.raises(InvalidError, match="cannot become approved"):
        eraser.erase(eraser.subject(visitor=PERSONAL["visitor"]), request_id=request)

    assert privacy.stored_visits(PERSONAL["browser_id"], most=10).clicks == 6


def test_a_request_is_not_fulfilled_while_its_erasure_is_partly_done(full: SmallWorkspace) -> None:
    privacy, eraser = privacy_requests(full), full.eraser()
    request = privacy.add("erasure", channel="letter")["request_id"]
    reader = sqlite3.connect(f"file:{day_path(full.data / 'days', MAIN, DAYS[1])}?mode=ro", uri=True)
    reader.execute("begin")
    reader.execute("select count(*) from clicks").fetchone()

    with pytest.raises(PartlyDoneError):
        eraser.erase(eraser.subject(visitor=PERSONAL["visitor"]), request_id=request, patience_seconds=0.1)
    assert privacy.request(request)["state"] == "executing"
    reader.close()
    eraser.complete()

    assert privacy.request(request)["state"] == "awaiting_downstream"


# -------------------------------------------------------------------------------------------------- their end


def test_questions_and_requests_have_their_own_retention(full: SmallWorkspace) -> None:
    privacy = privacy_requests(full)
    for kind in ("question", "access"):
        request, _ = privacy.submit(kind, text="Well?", contact="")
        privacy.move(request.request_id, "fulfilled")
    keeper = Retention(full.workspace, full.writer, roll_up_days=lambda _settings, _dates: None)
    keeper.set({"support": 30})

    keeper.run(as_of_ms=NOW_MS + 31 * DAY_MS)
    assert [each["kind"] for each in privacy.requests()] == ["access"]
    keeper.run(as_of_ms=NOW_MS + 731 * DAY_MS)
    assert privacy.requests() == []
