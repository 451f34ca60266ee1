"""Erasure: rows, tokens, keys and bytes are gone, and no total moves."""

import io
import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date as Date
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.privacy.small_workspace import (
    CANARY_SUBJECT,
    DAYS,
    NOW_MS,
    Estate,
    bytes_of,
    delivery,
    estate,
    noon_ms,
    rows_of,
    sale,
    stranger,
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
def full(tmp_path: Path) -> Iterator[Estate]:
    """Three days with five clicks of the canary and forty of others on each."""
    with estate(tmp_path) as made:
        made.strangers()
        made.canary_clicks()
        yield made


def counts(told: dict[str, object]) -> dict[str, int]:
    return {each["store"]: each["count"] for each in told["stores"]}  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------- looking


def test_everything_of_a_visitor_is_found_by_store(full: Estate) -> None:
    found = full.eraser().find(full.eraser().subject(visitor=CANARY_SUBJECT))

    assert counts(found) == {
        "clicks": 15,
        "lander clicks": 3,
        "conversions": 3,
        "deliveries": 3,
        "postbacks": 3,
        "restricted clicks": 0,
    }


def test_a_click_stands_for_the_visitor_who_made_it(full: Estate) -> None:
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
def test_people_are_found_by_what_they_say(full: Estate, words: dict[str, object], clicks: int) -> None:
    eraser = full.eraser()

    assert counts(eraser.find(eraser.subject(**words)))["clicks"] == clicks  # type: ignore[arg-type]


def test_an_address_also_finds_the_visits_that_kept_only_its_network(full: Estate) -> None:
    cut = {"ip": "203.0.113.0/24", "mode": "cookieless", "visitor": "7" * 32}
    full.record(canary_click("cookieless-1", at_ms=noon_ms(DAYS[0]), **cut))
    eraser = full.eraser()

    assert counts(eraser.find(eraser.subject(ip="203.0.113.9")))["clicks"] == 1
    assert counts(eraser.find(eraser.subject(ip="203.0.113.0/24")))["clicks"] == 1


def test_who_is_meant_must_be_said_once(full: Estate) -> None:
    with pytest.raises(InvalidError, match="exactly one"):
        full.eraser().subject()
    with pytest.raises(InvalidError, match="exactly one"):
        full.eraser().subject(ip="1.2.3.4", visitor="x")


# ------------------------------------------------------------------------------------------------- erasing


def test_an_erased_visitor_is_nowhere_any_more(full: Estate) -> None:
    ids = {click for click in full.click_ids() if click.startswith("canary")}
    others = full.click_ids() - ids
    eraser = full.eraser()
    marks = [bytes(sealed[:24]) for date in DAYS for (sealed,) in _sealed(full, date, "canary")]
    assert len(marks) == 15

    receipt = eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    assert full.click_ids() == others
    assert receipt["scan"]["found_in"] == []
    whole = b"".join(bytes_of(full.data).values())
    assert [mark for mark in marks if mark in whole] == []
    assert full.leaks() == []
    for click_id in ids:
        with pytest.raises(NotFoundError):
            full.workspace.histories.get(ClickId(click_id))


def _sealed(full: Estate, date: Date, beginning: str) -> list[tuple[bytes]]:
    with full.workspace.histories.day(date) as reader:
        numbers = [seq for seq, click in reader.clicks() if click.click_id.startswith(beginning)]
    listed = ", ".join(map(str, numbers))
    return rows_of(day_path(full.data / "days", MAIN, date), f"select sealed from clicks where seq in ({listed})")


def test_the_receipt_says_what_was_there_and_what_is(full: Estate) -> None:
    eraser = full.eraser()

    receipt = eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

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


def test_no_report_of_the_owners_side_changes(full: Estate) -> None:
    bys = ((), ("campaign", "offer", "day"), ("hour",), ("network", "flow", "lander", "domain"))
    questions = list(product(bys, ("UTC", "Asia/Kolkata"), ("click", "conversion")))

    def reports() -> dict[Any, Any]:
        told = {asked: full.report(*asked[0], timezone=asked[1], time=asked[2]) for asked in questions}
        return {asked: (each["totals"], each["rows"]) for asked, each in told.items()}

    before = reports()
    eraser = full.eraser()
    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    assert {totals["visits"] for totals, _ in before.values()} == {135}
    assert reports() == before


def test_the_visitors_side_reads_erased(full: Estate) -> None:
    before = full.report("country", metrics=("visits", "revenue"))
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    after = full.report("country", metrics=("visits", "revenue"))
    assert before["rows"] == [{"country": "US", "visits": 135, "revenue": 262.5}]
    assert {row["country"]: row["visits"] for row in after["rows"]} == {"US": 120, "erased": 15}


def test_the_keys_of_exactly_these_records_are_gone(full: Estate) -> None:
    eraser = full.eraser()
    with full.workspace.histories.day(DAYS[0]) as reader:
        numbers = {seq: click.click_id.startswith("canary") for seq, click in reader.clicks()}

    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    keys = Keyring(full.workspace.paths.ring, _kek(full)).open_day(MAIN, DAYS[0])
    assert {seq: keys.clicks.is_punctured(seq) for seq in numbers} == numbers


def _kek(full: Estate) -> bytes:
    return bytes.fromhex(full.workspace.settings.key.read_text().strip())


def test_no_block_of_the_former_keys_is_left(full: Estate) -> None:
    ring = full.workspace.paths.ring / MAIN / DAYS[0].isoformat()
    before = ring.read_bytes()
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    after = b"".join(bytes_of(full.data).values())
    blocks = [before[at : at + 32] for at in range(64, len(before) - 32, 32)]
    assert [block for block in blocks if block in after] == []


def test_an_erasure_of_one_click_leaves_the_visitors_others(full: Estate) -> None:
    eraser = full.eraser()

    eraser.erase(eraser.subject(click="canary-2026-11-23-0002", only=True))

    assert "canary-2026-11-23-0002" not in full.click_ids()
    assert "canary-2026-11-23-0003" in full.click_ids()


def test_erasing_again_finds_nothing(full: Estate) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_SUBJECT)
    eraser.erase(subject)
    before = full.report("campaign", "day")

    again = eraser.erase(subject)

    assert [each["before"] for each in again["stores"]] == [0] * len(STORES)
    assert full.report("campaign", "day") == before


def test_an_erased_click_is_remembered_as_a_hash_only(full: Estate) -> None:
    eraser = full.eraser()

    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    assert full.workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait()
    assert not full.workspace.erasures.find_erased([ClickId("stranger-2026-11-22-000000")]).wait()
    assert b"canary-2026-11-22" not in (full.data / "control.db").read_bytes()


def test_clicks_that_are_erased_keep_counting_towards_caps(full: Estate) -> None:
    eraser = full.eraser()
    before = sum(len(each.conversions) for each in full.workspace.histories.converted_since(0))

    eraser.erase(eraser.subject(visitor=CANARY_SUBJECT))

    assert sum(len(each.conversions) for each in full.workspace.histories.converted_since(0)) == before


# --------------------------------------------------------------------------------------- readers and crashes


def test_an_open_reader_keeps_an_erasure_from_being_called_done(full: Estate) -> None:
    path = day_path(full.data / "days", MAIN, DAYS[1])
    eraser = full.eraser()
    full.record(stranger(999, DAYS[1]))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    reader.execute("begin")
    reader.execute("select count(*) from clicks").fetchone()

    with pytest.raises(PartlyDoneError, match="somebody still reads"):
        eraser.erase(eraser.subject(visitor=CANARY_SUBJECT), patience_seconds=0.2)
    reader.close()

    assert eraser.resume()
    assert not eraser.resume()
    assert counts(eraser.find(eraser.subject(visitor=CANARY_SUBJECT)))["clicks"] == 0
    (document,) = rows_of(full.data / "control.db", "select document from receipts")
    assert '"found_in": []' in document[0]


@pytest.mark.timeout(180)
def test_an_erasure_that_was_killed_completes_at_the_next_start(tmp_path: Path) -> None:
    with estate(tmp_path / "begun") as made:
        made.strangers(4)
        ids = set(made.canary_clicks(2))
        others = made.click_ids() - ids
        totals = made.report("campaign", "offer", "day")["totals"]

    subprocess.run([sys.executable, "-m", "tests.privacy.killed_erasure", str(tmp_path)], check=True)

    steps = sorted((path for path in tmp_path.iterdir() if path.name != "begun"), key=lambda path: int(path.name))
    assert len(steps) > 20
    for folder in steps:
        with estate(folder) as made:
            made.eraser().resume()
            accepted = bool(made.workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait())
            assert made.click_ids() == (others if accepted else others | ids)
            assert accepted == (int(folder.name) > 2), "a promise that was written down is kept"
            assert made.report("campaign", "offer", "day")["totals"] == totals
            assert not accepted or made.leaks() == []
            assert [_count(made, date) for date in DAYS] == [6, 6, 6], "no click is lost and none is there twice"


def _count(made: Estate, date: Date) -> int:
    with made.workspace.histories.day(date) as reader:
        return reader.count()


# ------------------------------------------------------------------------------------------------- restricting


def test_what_was_restricted_comes_back_as_it_was(full: Estate) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_SUBJECT)
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


def test_restricting_twice_is_restricting_once(full: Estate) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_SUBJECT)
    eraser.restrict(subject)
    before = eraser.find(subject)

    again = eraser.restrict(subject)

    assert {each["before"] for each in again["stores"]} == {0}
    assert eraser.find(subject) == before


def test_what_waits_to_be_sent_is_held_back_for_good_by_a_restriction(full: Estate) -> None:
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


def test_a_restricted_person_is_erased_with_all_that_was_told_of_him(full: Estate) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_SUBJECT)
    before = counts(eraser.find(subject))
    totals = full.report("campaign", "day")
    eraser.restrict(subject)

    receipt = eraser.erase(subject)

    told = {each["store"]: (each["before"], each["after"]) for each in receipt["stores"]}
    assert told["postbacks"] == (before["postbacks"], 0)
    assert told["restricted clicks"] == (15, 0)
    assert full.leaks() == []
    assert full.report("campaign", "day")["totals"] == totals["totals"]


def test_a_pseudonym_that_is_a_small_number_is_not_found_everywhere(full: Estate) -> None:
    full.record(canary_click("imported-0001", at_ms=noon_ms(DAYS[0]), visitor=f"{7:032x}"))

    receipt = full.eraser().erase(full.eraser().subject(visitor=f"{7:032x}"))

    assert receipt["scan"]["found_in"] == []


def test_a_full_disk_is_said_to_be_full(full: Estate) -> None:
    database = full.workspace.database
    (pages,) = database.wait(database.fetch_one("pragma page_count"))
    database.wait(database.write(f"pragma max_page_count = {pages}"))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        full.workspace.erasures.add_tombstones(
            [number.to_bytes(16, "big") for number in range(20_000)], expires_at_ms=NOW_MS
        ).wait()


# ------------------------------------------------------------------------------------------------- postbacks

OURS = "019a20e681054fa041d639c0742d"  # an id as tnc makes them


def calls_of(full: Estate) -> list[InboxRow]:
    with full.workspace.histories.day(DAYS[-1]) as reader:
        return list(reader.inbox.newest())


def call(outcome: CallOutcome, params: dict[str, str]) -> InboxRow:
    return InboxRow(
        seq=0, at_ms=NOW_MS, outcome=outcome, click=None, call=Call(method="GET", path="/postback", params=params)
    )


def test_a_postback_that_comes_after_it_was_looked_for_them_goes_too(full: Estate) -> None:
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


def test_a_postback_that_was_heard_before_and_is_written_down_after_it_is_not(full: Estate) -> None:
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
def test_postbacks_that_belong_to_no_click_and_speak_of_him_go_too(full: Estate, params: dict[str, str]) -> None:
    his = {"sub1": "jane.canary@person.example"}
    full.record(canary_click(OURS, at_ms=noon_ms(DAYS[0]), visitor="9" * 32, subs=his))

    def strays(writer: DayWriter) -> None:
        writer.inbox.add(call("unknown-click", params))
        writer.inbox.add(call("invalid", {"cid": "theirs", "ext": PERSONAL["external_id"], "payout": "much"}))

    full.days.transact(full.day(DAYS[-1]), strays)
    eraser, before = full.eraser(), len(calls_of(full))
    subject = eraser.subject(click=OURS)

    copied = export_zip(full.workspace, eraser.vaults, subject)
    eraser.erase(subject)

    with zipfile.ZipFile(io.BytesIO(copied)) as archive:
        told = [each["params"] for each in json.loads(archive.read("postbacks.json"))]
    # Whoever shares an address, or writes another's into a link, must not read what is told of that one.
    assert told == ([params] if OURS in str(params).lower() else [])
    assert len(calls_of(full)) == before - 1
    assert params not in [row.call.params for row in calls_of(full)]


# ---------------------------------------------------------------------------------------------------- damage


def test_a_record_that_nobody_can_read_is_erased_by_its_tokens(full: Estate) -> None:
    """A damaged row of the person is no reason to keep the others, and it goes with them."""
    with full.workspace.histories.day(DAYS[0]) as reader:
        seq, _ = reader.find(ClickId("canary-2026-11-22-0003")) or (0, None)
    full.days.close()
    with sqlite3.connect(day_path(full.data / "days", MAIN, DAYS[0])) as database:
        database.execute("update clicks set sealed = randomblob(200) where seq = ?", (seq,))
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_SUBJECT)
    assert counts(eraser.find(subject))["clicks"] == 15

    receipt = eraser.erase(subject)

    assert receipt["stores"][0] == {"store": "clicks", "before": 15, "after": 0}
    assert not any(click.startswith("canary") for click in full.click_ids())
    keys = Keyring(full.workspace.paths.ring, _kek(full)).open_day(MAIN, DAYS[0])
    assert keys.clicks.is_punctured(seq)
    assert eraser.verify(receipt) == []
