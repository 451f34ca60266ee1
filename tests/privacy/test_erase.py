"""Erasure removes rows, tokens, keys and bytes, and changes no total of the owner's reports."""

import io
import json
import random
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.privacy.small_workspace import (
    CANARY_VISITOR,
    DAYS,
    NOW_MS,
    SmallWorkspace,
    click_of_another,
    delivery,
    file_contents,
    noon_ms,
    rows_of,
    sale,
    small_workspace,
)
from tests.store.records import PERSONAL, canary_click
from tnc.core.errors import InvalidError, NotFoundError, PartlyDoneError
from tnc.core.models import MAIN, ClickId
from tnc.privacy.erase import STORES, Eraser
from tnc.privacy.export import export_zip
from tnc.store.days.click_log import Day, Days
from tnc.store.days.inbox import Call, CallOutcome, InboxRow
from tnc.store.days.transactions import OfflineWriter
from tnc.store.days.writer import DayWriter, day_path
from tnc.store.keys.keyring import Keyring
from tnc.tracking.conversions.inbox import PostbackCall, PostbackInbox

_T = TypeVar("_T")

METRICS = ("visits", "valid", "invalid", "unique_visits", "lander_clicks", "conversions", "sales", "revenue", "cost")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    """Three days, each with five clicks of the canary and forty of others."""
    with small_workspace(tmp_path) as made:
        made.clicks_of_others()
        made.canary_clicks()
        yield made


def counts(found: dict[str, object]) -> dict[str, int]:
    return {each["store"]: each["count"] for each in found["stores"]}  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------- looking


def test_records_of_a_visitor_are_counted_by_store(full: SmallWorkspace) -> None:
    found = full.eraser().find(full.eraser().subject(visitor=CANARY_VISITOR))

    assert counts(found) == {
        "clicks": 15,
        "lander clicks": 3,
        "conversions": 3,
        "deliveries": 3,
        "postbacks": 3,
        "restricted clicks": 0,
    }


def test_a_click_stands_for_the_visitor_who_made_it(full: SmallWorkspace) -> None:
    eraser = full.eraser()

    whole = eraser.find(eraser.subject(click="canary-2026-11-23-0002"))
    alone = eraser.find(eraser.subject(click="canary-2026-11-23-0002", only=True))

    assert (counts(whole)["clicks"], counts(alone)["clicks"]) == (15, 1)


@pytest.mark.parametrize(
    ("words", "clicks"),
    [
        ({"ip": PERSONAL["ip"]}, 15),
        ({"ip": "203.0.113.78"}, 0),
        ({"ip": PERSONAL["ip"], "since_ms": noon_ms(DAYS[1])}, 10),
        ({"ip": PERSONAL["ip"], "since_ms": noon_ms(DAYS[1]), "until_ms": noon_ms(DAYS[1]) + 2}, 2),
        ({"external_id": PERSONAL["external_id"]}, 15),
        ({"visitor": "nobody"}, 0),
        ({"click": "never-there"}, 0),
    ],
)
def test_subjects_are_found_by_each_identifier(full: SmallWorkspace, words: dict[str, object], clicks: int) -> None:
    eraser = full.eraser()

    assert counts(eraser.find(eraser.subject(**words)))["clicks"] == clicks  # type: ignore[arg-type]


def test_an_ip_also_finds_visits_stored_with_its_network(full: SmallWorkspace) -> None:
    cut = {"ip": "203.0.113.0/24", "mode": "cookieless", "visitor": "7" * 32}
    full.record(canary_click("cookieless-1", at_ms=noon_ms(DAYS[0]), **cut))
    eraser = full.eraser()

    assert counts(eraser.find(eraser.subject(ip="203.0.113.9")))["clicks"] == 1
    assert counts(eraser.find(eraser.subject(ip="203.0.113.0/24")))["clicks"] == 1


def test_exactly_one_identifier_must_be_given(full: SmallWorkspace) -> None:
    with pytest.raises(InvalidError, match="exactly one"):
        full.eraser().subject()
    with pytest.raises(InvalidError, match="exactly one"):
        full.eraser().subject(ip="1.2.3.4", visitor="x")


# ------------------------------------------------------------------------------------------------- erasing


def test_nothing_of_an_erased_visitor_is_left(full: SmallWorkspace) -> None:
    ids = {click for click in full.click_ids() if click.startswith("canary")}
    others = full.click_ids() - ids
    eraser = full.eraser()
    marks = [bytes(sealed[:24]) for date in DAYS for (sealed,) in _sealed(full, date, "canary")]
    assert len(marks) == 15

    receipt = eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert full.click_ids() == others
    assert receipt["scan"]["found_in"] == []
    whole = b"".join(file_contents(full.data).values())
    assert [mark for mark in marks if mark in whole] == []
    assert full.leaks() == []
    for click_id in ids:
        with pytest.raises(NotFoundError):
            full.workspace.histories.get(ClickId(click_id))


def _sealed(full: SmallWorkspace, date: Date, beginning: str) -> list[tuple[bytes]]:
    with full.workspace.histories.day(date) as reader:
        numbers = [seq for seq, click in reader.clicks() if click.click_id.startswith(beginning)]
    listed = ", ".join(map(str, numbers))
    return rows_of(day_path(full.data / "days", MAIN, date), f"select sealed from clicks where seq in ({listed})")


def test_the_receipt_counts_records_before_and_after(full: SmallWorkspace) -> None:
    eraser = full.eraser()

    receipt = eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert [(each["store"], each["before"], each["after"]) for each in receipt["stores"]] == [
        ("clicks", 15, 0),
        ("lander clicks", 3, 0),
        ("conversions", 3, 0),
        ("deliveries", 3, 0),
        ("postbacks", 3, 0),
        ("restricted clicks", 0, 0),
    ]
    assert "3 reports of conversions had been sent to meta-main" in receipt["limits"][-1]
    assert receipt["requested_at"] == "2026-11-24T18:00:00.000Z"
    assert full.workspace.erasures.receipt(receipt["receipt_id"]).wait() == receipt
    text = str(receipt)
    assert [value for value in PERSONAL.values() if value in text] == []


def test_reports_by_owner_dimensions_do_not_change(full: SmallWorkspace) -> None:
    bys = ((), ("campaign", "offer", "day"), ("hour",), ("network", "flow", "lander", "domain"))
    questions = list(product(bys, ("UTC", "Asia/Kolkata"), ("click", "conversion")))

    def reports() -> dict[Any, Any]:
        found = {asked: full.report(*asked[0], timezone=asked[1], time=asked[2]) for asked in questions}
        return {asked: (each["totals"], each["rows"]) for asked, each in found.items()}

    before = reports()
    eraser = full.eraser()
    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert {totals["visits"] for totals, _ in before.values()} == {135}
    assert reports() == before


def test_totals_of_windows_at_random_seconds_do_not_change(full: SmallWorkspace) -> None:
    chance, start_s = random.Random(7), noon_ms(DAYS[0]) // 1000 - 3_600
    windows = []
    for _ in range(60):
        first, last = sorted(start_s + chance.randrange(3 * 86_400) for _ in range(2))
        windows.append([datetime.fromtimestamp(at, UTC).isoformat() for at in (first, last + 1)])
    # The moments around the clicks themselves, to the millisecond.
    edge = datetime.fromtimestamp(noon_ms(DAYS[1]) / 1000, UTC)
    windows += [[(edge + timedelta(milliseconds=shift)).isoformat(), "2026-11-25"] for shift in (-1, 0, 1, 2, 60_000)]

    def totals() -> list[Any]:
        return [
            full.report(start=start, end=end, time=time)["totals"]
            for start, end in windows
            for time in ("click", "conversion")
        ]

    before = totals()
    eraser = full.eraser()
    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert sum(each["visits"] for each in before) > 1_000
    assert totals() == before


def test_visitor_dimensions_read_erased(full: SmallWorkspace) -> None:
    before = full.report("country", metrics=("visits", "revenue"))
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    after = full.report("country", metrics=("visits", "revenue"))
    assert before["rows"] == [{"country": "US", "visits": 135, "revenue": 262.5}]
    assert {row["country"]: row["visits"] for row in after["rows"]} == {"US": 120, "erased": 15}


def test_the_keys_of_exactly_these_records_are_destroyed(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    with full.workspace.histories.day(DAYS[0]) as reader:
        numbers = {seq: click.click_id.startswith("canary") for seq, click in reader.clicks()}

    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    keys = Keyring(full.workspace.paths.ring, _kek(full)).open_day(MAIN, DAYS[0])
    assert {seq: keys.clicks.is_punctured(seq) for seq in numbers} == numbers


def _kek(full: SmallWorkspace) -> bytes:
    return bytes.fromhex(full.workspace.settings.key.read_text().strip())


def test_no_block_of_the_old_keys_is_left(full: SmallWorkspace) -> None:
    ring = full.workspace.paths.ring / MAIN / DAYS[0].isoformat()
    before = ring.read_bytes()
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    after = b"".join(file_contents(full.data).values())
    blocks = [before[at : at + 32] for at in range(64, len(before) - 32, 32)]
    assert [block for block in blocks if block in after] == []


def test_erasing_one_click_keeps_the_visitors_other_clicks(full: SmallWorkspace) -> None:
    eraser = full.eraser()

    eraser.erase(eraser.subject(click="canary-2026-11-23-0002", only=True))

    assert "canary-2026-11-23-0002" not in full.click_ids()
    assert "canary-2026-11-23-0003" in full.click_ids()


def test_erasing_again_finds_nothing(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    eraser.erase(subject)
    before = full.report("campaign", "day")

    again = eraser.erase(subject)

    assert [each["before"] for each in again["stores"]] == [0] * len(STORES)
    assert full.report("campaign", "day") == before


def test_an_erased_click_is_remembered_as_a_hash_only(full: SmallWorkspace) -> None:
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert full.workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait()
    assert not full.workspace.erasures.find_erased([ClickId("stranger-2026-11-22-000000")]).wait()
    assert b"canary-2026-11-22" not in (full.data / "control.db").read_bytes()


def test_erased_clicks_still_count_towards_caps(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    before = sum(len(each.conversions) for each in full.workspace.histories.converted_since(0))

    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert sum(len(each.conversions) for each in full.workspace.histories.converted_since(0)) == before


# --------------------------------------------------------------------------------------- readers and crashes


def test_an_erasure_is_partly_done_while_a_reader_is_open(full: SmallWorkspace) -> None:
    path = day_path(full.data / "days", MAIN, DAYS[1])
    eraser = full.eraser()
    full.record(click_of_another(999, DAYS[1]))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    reader.execute("begin")
    reader.execute("select count(*) from clicks").fetchone()

    with pytest.raises(PartlyDoneError, match="another process still reads"):
        eraser.erase(eraser.subject(visitor=CANARY_VISITOR), patience_seconds=0.2)
    reader.close()

    assert eraser.resume()
    assert not eraser.resume()
    assert counts(eraser.find(eraser.subject(visitor=CANARY_VISITOR)))["clicks"] == 0
    (document,) = rows_of(full.data / "control.db", "select document from receipts")
    assert '"found_in": []' in document[0]


def test_a_killed_erasure_completes_at_the_next_start(tmp_path: Path) -> None:
    with small_workspace(tmp_path / "begun") as made:
        made.clicks_of_others(4)
        ids = set(made.canary_clicks(2))
        others = made.click_ids() - ids
        totals = made.report("campaign", "offer", "day")["totals"]

    subprocess.run([sys.executable, "-m", "tests.privacy.killed_erasure", str(tmp_path)], check=True)

    steps = sorted((path for path in tmp_path.iterdir() if path.name != "begun"), key=lambda path: int(path.name))
    assert len(steps) > 20
    for folder in steps:
        with small_workspace(folder) as made:
            made.eraser().resume()
            accepted = bool(made.workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait())
            assert made.click_ids() == (others if accepted else others | ids)
            assert accepted == (int(folder.name) > 2), "a promise that was written down is kept"
            assert made.report("campaign", "offer", "day")["totals"] == totals
            assert not accepted or made.leaks() == []
            assert [_count(made, date) for date in DAYS] == [6, 6, 6], "no click is lost and none is there twice"


def _count(made: SmallWorkspace, date: Date) -> int:
    with made.workspace.histories.day(date) as reader:
        return reader.count()


# ------------------------------------------------------------------------------------------------- restricting


def test_lifting_a_restriction_restores_the_clicks(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    before, copy = eraser.find(subject), export_zip(full.workspace, eraser.vaults, subject)
    totals = full.report("campaign", "day")

    eraser.restrict(subject)
    held = counts(eraser.find(subject))
    assert held == {**counts(before), "clicks": 0, "restricted clicks": 15}
    assert full.report("campaign", "day")["totals"] != totals["totals"]

    eraser.unrestrict(subject)
    assert eraser.find(subject) == before
    assert full.report("campaign", "day") == totals
    assert export_zip(full.workspace, eraser.vaults, subject) == copy


def test_restricting_twice_changes_nothing(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    eraser.restrict(subject)
    before = eraser.find(subject)

    again = eraser.restrict(subject)

    assert {each["before"] for each in again["stores"]} == {0}
    assert eraser.find(subject) == before


def test_a_restriction_cancels_pending_deliveries_for_good(full: SmallWorkspace) -> None:
    waiting = replace(delivery(0, 1), state="queued", attempts=0, done_at_ms=None)
    full.record(canary_click("canary-waiting", at_ms=noon_ms(DAYS[0])), sale(noon_ms(DAYS[0])), rows=[waiting])
    eraser = full.eraser()
    subject = eraser.subject(click="canary-waiting", only=True)

    eraser.restrict(subject)
    eraser.unrestrict(subject)

    with full.workspace.histories.day(DAYS[0]) as reader:
        seq, _ = reader.find(ClickId("canary-waiting")) or (0, None)
        (row,) = reader.deliveries.of_click(seq)
        (event,) = reader.search.events(seq)
    assert (row.state, row.record.reason, row.event_seq) == ("cancelled", "restricted", event)


def test_restricted_clicks_are_erased_with_their_events_and_deliveries(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    before = counts(eraser.find(subject))
    totals = full.report("campaign", "day")
    eraser.restrict(subject)

    receipt = eraser.erase(subject)

    found = {each["store"]: (each["before"], each["after"]) for each in receipt["stores"]}
    assert found["postbacks"] == (before["postbacks"], 0)
    assert found["restricted clicks"] == (15, 0)
    assert full.leaks() == []
    assert full.report("campaign", "day")["totals"] == totals["totals"]


def test_a_pseudonym_that_is_a_small_number_is_not_searched_for(full: SmallWorkspace) -> None:
    full.record(canary_click("imported-0001", at_ms=noon_ms(DAYS[0]), visitor=f"{7:032x}"))

    receipt = full.eraser().erase(full.eraser().subject(visitor=f"{7:032x}"))

    assert receipt["scan"]["found_in"] == []


def test_a_full_disk_is_reported(full: SmallWorkspace) -> None:
    database = full.workspace.database
    (pages,) = database.wait(database.fetch_one("pragma page_count"))
    database.wait(database.write(f"pragma max_page_count = {pages}"))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        full.workspace.erasures.add_tombstones(
            [number.to_bytes(16, "big") for number in range(20_000)], expires_at_ms=NOW_MS
        ).wait()


# ------------------------------------------------------------------------------------------------- postbacks

OURS = "019a20e681054fa041d639c0742d"  # an id as tnc makes them


def calls_of(full: SmallWorkspace) -> list[InboxRow]:
    with full.workspace.histories.day(DAYS[-1]) as reader:
        return list(reader.inbox.newest())


def call(outcome: CallOutcome, params: dict[str, str]) -> InboxRow:
    return InboxRow(
        seq=0, at_ms=NOW_MS, outcome=outcome, click=None, call=Call(method="GET", path="/postback", params=params)
    )


def test_a_postback_that_arrives_during_an_erasure_is_erased_too(full: SmallWorkspace) -> None:
    full.record(canary_click(OURS, at_ms=noon_ms(DAYS[0]), visitor="9" * 32))
    before = calls_of(full)

    def come(writer: DayWriter) -> None:
        row = call("refused", {"cid": OURS, "payout": "1"})
        writer.inbox.add(replace(row, click=writer.keys.token("click", OURS)))

    coming = [come]

    class Coming(OfflineWriter):
        def exclusive(self, work: Callable[[Days], _T], /) -> _T:
            if coming:  # the last moment before anything is taken out
                full.days.transact(full.day(DAYS[-1]), coming.pop())
            return super().exclusive(work)

    eraser = Eraser(full.workspace, Coming(full.days))

    receipt = eraser.erase(eraser.subject(click=OURS))

    assert coming == []
    assert calls_of(full) == before
    assert receipt["scan"]["found_in"] == []
    assert {part["date"]: len(part["events"]) for part in receipt["keys"]}[str(DAYS[-1])] == 1


def test_a_postback_answered_before_an_erasure_is_not_stored_after_it(full: SmallWorkspace) -> None:
    full.record(canary_click(OURS, at_ms=noon_ms(DAYS[0]), visitor="9" * 32))
    late: list[tuple[Day, Callable[[DayWriter], Any]]] = []

    class Late(OfflineWriter):
        def later(self, day: Day, work: Callable[[DayWriter], object], /) -> None:
            late.append((day, work))

    inbox = PostbackInbox(full.workspace, Late(full.days))
    inbox.receive(PostbackCall(method="GET", path="/postback", params={"cid": OURS, "payout": "1"}, peer_ip=None))
    inbox.receive(PostbackCall(method="GET", path="/postback", params={"cid": OURS, "payout": "much"}, peer_ip=None))
    inbox.receive(PostbackCall(method="GET", path="/postback", params={"cid": "theirs", "s2": OURS}, peer_ip=None))
    before = len(calls_of(full))

    full.eraser().erase(full.eraser().subject(click=OURS))
    for day, work in late:
        full.days.transact(day, work)

    assert len(calls_of(full)) == before
    with full.workspace.histories.day(DAYS[-1]) as reader:
        assert reader.number("postbacks for erased clicks") == 3


@pytest.mark.parametrize(
    "params",
    [
        {"cid": "theirs", "s2": OURS},
        {"subid": OURS.upper()},
        {'--x Content-Disposition: form-data; name="cid"' + OURS: "--x--"},
        {"cid": "theirs", "ip": PERSONAL["ip"]},
        {"cid": "theirs", "note": "Mail to Jane.Canary@person.example, please"},
    ],
    ids=["another name", "upper case", "unread body", "address", "e-mail address"],
)
def test_postbacks_without_a_click_that_name_the_person_are_erased(
    full: SmallWorkspace, params: dict[str, str]
) -> None:
    subs = {"sub1": "jane.canary@person.example"}
    full.record(canary_click(OURS, at_ms=noon_ms(DAYS[0]), visitor="9" * 32, subs=subs))

    def strays(writer: DayWriter) -> None:
        writer.inbox.add(call("unknown-click", params))
        writer.inbox.add(call("invalid", {"cid": "theirs", "ext": PERSONAL["external_id"], "payout": "much"}))

    full.days.transact(full.day(DAYS[-1]), strays)
    eraser, before = full.eraser(), len(calls_of(full))
    subject = eraser.subject(click=OURS)

    copied = export_zip(full.workspace, eraser.vaults, subject)
    eraser.erase(subject)

    with zipfile.ZipFile(io.BytesIO(copied)) as archive:
        found = [each["params"] for each in json.loads(archive.read("postbacks.json"))]
    # A person who shares an IP address, or puts another's e-mail address into a link, must not get their postbacks.
    assert found == ([params] if OURS in str(params).lower() else [])
    assert len(calls_of(full)) == before - 1
    assert params not in [row.call.params for row in calls_of(full)]


# ---------------------------------------------------------------------------------------------------- damage


def test_an_unreadable_record_is_erased_by_its_tokens(full: SmallWorkspace) -> None:
    """A damaged row of the person does not stop the erasure and is erased with the others."""
    with full.workspace.histories.day(DAYS[0]) as reader:
        seq, _ = reader.find(ClickId("canary-2026-11-22-0003")) or (0, None)
    full.days.close()
    with sqlite3.connect(day_path(full.data / "days", MAIN, DAYS[0])) as database:
        database.execute("update clicks set sealed = randomblob(200) where seq = ?", (seq,))
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    assert counts(eraser.find(subject))["clicks"] == 15

    receipt = eraser.erase(subject)

    assert receipt["stores"][0] == {"store": "clicks", "before": 15, "after": 0}
    assert not any(click.startswith("canary") for click in full.click_ids())
    keys = Keyring(full.workspace.paths.ring, _kek(full)).open_day(MAIN, DAYS[0])
    assert keys.clicks.is_punctured(seq)
    assert eraser.verify(receipt) == []
