"""Days are deleted on time by destroying their key, after any interruption; their sums stay."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date as Date
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb
import pytest

from tests.privacy.small_workspace import (
    CANARY_VISITOR,
    DAYS,
    NOW_MS,
    SmallWorkspace,
    file_contents,
    noon_ms,
    rows_of,
    small_workspace,
)
from tests.store.records import canary_click
from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import MAIN, ClickId
from tnc.core.settings import Settings
from tnc.privacy.retention import Retention
from tnc.reports.columns.archive import OWNER_DIMENSIONS, ArchivedDay, archived_dates
from tnc.store.days.writer import day_path
from tnc.store.requests import RequestKind
from tnc.store.terms import TERMS, days_of

FIRST_MS = noon_ms(DAYS[0]) // DAY_MS * DAY_MS
TERM = 90 * DAY_MS


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(12)
        made.canary_clicks(2)
        yield made


def retention(full: SmallWorkspace) -> Retention:
    return Retention(full.workspace, full.writer)


def without_sums(full: SmallWorkspace, rolled: list[Date] | None = None) -> Retention:
    def roll_up_days(_settings: Settings, dates: Sequence[Date]) -> None:
        if rolled is not None:
            rolled.extend(dates)

    return Retention(full.workspace, full.writer, roll_up_days=roll_up_days)


def test_a_day_is_deleted_when_its_first_moment_reaches_the_term(full: SmallWorkspace) -> None:
    before = without_sums(full).run(as_of_ms=FIRST_MS + TERM - 1)
    assert before["days"] == []
    assert full.workspace.histories.dates() == list(DAYS)

    result = without_sums(full).run(as_of_ms=FIRST_MS + TERM)

    assert result["days"] == [{"date": "2026-11-22", "clicks": 14}]
    assert full.workspace.histories.dates() == list(DAYS[1:])
    with pytest.raises(NotFoundError):
        full.workspace.histories.get(ClickId("stranger-2026-11-22-000001"))


def test_only_the_sums_of_a_deleted_day_are_left(full: SmallWorkspace) -> None:
    totals = full.report("campaign")["totals"]
    ring = (full.workspace.paths.ring / MAIN / "2026-11-22").read_bytes()

    retention(full).run(as_of_ms=FIRST_MS + TERM)

    names = [name for name in file_contents(full.data) if "2026-11-22" in name]
    cold = ArchivedDay(full.workspace.paths.columns / MAIN, DAYS[0])
    assert sorted(names) == sorted(str(path.relative_to(full.data)) for path in cold.present_files)
    whole = b"".join(file_contents(full.data).values())
    assert [at for at in range(64, len(ring) - 32, 32) if ring[at : at + 32] in whole] == []
    assert full.report("campaign")["totals"] == totals


def test_reports_say_which_days_are_archived(full: SmallWorkspace) -> None:
    before = full.report("campaign", "day")

    retention(full).run(as_of_ms=FIRST_MS + TERM)

    after = full.report("campaign", "day")
    assert after["rows"] == before["rows"]
    assert after["notes"] == [
        "Clicks of 2026-11-22 were deleted at the end of their retention period; their numbers come from archived sums."
    ]


def test_archived_days_cannot_show_whether_a_person_came(full: SmallWorkspace) -> None:
    """Unique visits are counted on arrival: no sketch of visitors and no key lives longer than the day."""
    before = full.report("campaign", "day")
    assert before["totals"]["unique_visits"] > 0

    retention(full).run(as_of_ms=FIRST_MS + TERM)

    assert full.report("campaign", "day")["rows"] == before["rows"]
    assert set(full.workspace.keyring.epochs()) == {"installation", "main/keys", *(f"main/{date}" for date in DAYS[1:])}
    full.now_ms = FIRST_MS + TERM
    assert {Date.fromisoformat(day) - DAYS[0] for day in full.workspace.rotate_salts()} == {
        timedelta(90),
        timedelta(91),
    }
    for file in ArchivedDay(full.workspace.paths.columns / MAIN, DAYS[0]).all_files:
        columns = duckdb.execute(f"describe select * from '{file}'").fetchall()
        texts = {name for name, kind, *_ in columns if kind == "VARCHAR"}
        numbers = {kind for _, kind, *_ in columns if kind != "VARCHAR"}
        assert texts <= {
            *OWNER_DIMENSIONS,
            "of",
            "value",
            "conversion_status",
            "payout_currency",
            "conversion_cost_currency",
        }
        assert numbers <= {"UINTEGER", "UTINYINT", "HUGEINT", "BIGINT", "DOUBLE"}, "no bytes and no lists"


def test_a_dry_run_reports_the_same_and_deletes_nothing(full: SmallWorkspace) -> None:
    wanted = without_sums(full).run(as_of_ms=FIRST_MS + TERM, dry_run=True)

    assert full.workspace.histories.dates() == list(DAYS)
    done = without_sums(full).run(as_of_ms=FIRST_MS + TERM)
    assert {**done, "dry_run": True} == wanted


def test_after_months_switched_off_all_due_days_are_deleted(full: SmallWorkspace) -> None:
    rolled: list[Date] = []

    result = without_sums(full, rolled).run(as_of_ms=NOW_MS + 200 * DAY_MS)

    assert [each["date"] for each in result["days"]] == [date.isoformat() for date in DAYS]
    assert rolled == list(DAYS)
    assert full.workspace.histories.dates() == []
    assert list(full.workspace.keyring.all_days(MAIN)) == []
    assert full.leaks() == []


def test_a_second_run_deletes_nothing(full: SmallWorkspace) -> None:
    without_sums(full).run(as_of_ms=FIRST_MS + TERM)

    assert without_sums(full).run(as_of_ms=FIRST_MS + TERM)["days"] == []


@pytest.mark.parametrize("left", ["key", "file", "name", "columns"])
def test_a_day_half_deleted_by_a_crash_is_deleted_completely(
    full: SmallWorkspace, left: Literal["key", "file", "name", "columns"]
) -> None:
    full.report("campaign", "country")
    path = day_path(full.workspace.paths.days, MAIN, DAYS[0])
    full.days.close()
    match left:
        case "key":
            path.unlink()
        case "file":
            full.workspace.keyring.destroy_day(MAIN, DAYS[0])
        case "name":
            full.workspace.keyring.destroy_day(MAIN, DAYS[0])
            path.rename(path.with_name(path.name + ".gone"))
        case "columns":
            full.workspace.keyring.destroy_day(MAIN, DAYS[0])
            path.unlink()

    without_sums(full).run(as_of_ms=FIRST_MS + TERM)

    assert [name for name in file_contents(full.data) if "2026-11-22" in name] == []


def test_a_damaged_day_is_deleted_too(full: SmallWorkspace) -> None:
    full.days.close()
    day_path(full.workspace.paths.days, MAIN, DAYS[0]).write_bytes(b"no database at all" * 400)

    without_sums(full).run(as_of_ms=FIRST_MS + TERM)

    assert full.workspace.histories.dates() == list(DAYS[1:])


def test_a_key_half_destroyed_by_a_power_cut_is_overwritten(full: SmallWorkspace) -> None:
    ring = full.workspace.paths.ring / MAIN / "2026-11-22"
    ring.rename(ring.with_name("2026-11-22.gone"))

    full.workspace.keyring.finish_destroying()

    assert [path.name for path in ring.parent.iterdir() if "2026-11-22" in path.name] == []


def test_changed_terms_take_effect_at_once(full: SmallWorkspace) -> None:
    preview = without_sums(full).set({"clicks": 1}, dry_run=True)
    assert full.workspace.histories.dates() == list(DAYS)

    done = without_sums(full).set({"clicks": 1})

    assert [each["date"] for each in preview["days"]] == ["2026-11-22", "2026-11-23"]
    assert done["days"] == preview["days"]
    assert (done["set"], done["before"]) == ({"clicks_days": 1}, {"clicks_days": 90})
    assert full.workspace.histories.dates() == [DAYS[2]]


def test_a_change_of_terms_is_recorded_with_its_author_and_effect(full: SmallWorkspace) -> None:
    keeper = without_sums(full)
    preview = keeper.set({"clicks": 1, "support": 730}, dry_run=True)
    assert keeper.show()["changes"] == []

    keeper.set({"clicks": 1, "support": 730}, by="owner@example.com")
    full.now_ms -= DAY_MS
    keeper.set({"clicks": 400})

    longer, shorter = keeper.show()["changes"]
    assert shorter == {
        "at": "2026-11-24T18:00:00.000Z",
        "by": "owner@example.com",
        "name": "clicks",
        "before": 90,
        "after": 1,
        "days": len(preview["days"]),
        "clicks": sum(each["clicks"] for each in preview["days"]),
    }
    assert (longer["by"], longer["before"], longer["after"], longer["days"]) == ("command line", 1, 400, 0)
    assert full.workspace.histories.dates() == [DAYS[2]]


def test_a_change_that_cannot_be_recorded_is_not_made(full: SmallWorkspace) -> None:
    full.workspace.database.wait(full.workspace.database.write("drop table term_changes"))

    with pytest.raises(sqlite3.OperationalError):
        without_sums(full).set({"clicks": 1})

    assert full.workspace.settings.clicks_days == 90
    assert full.workspace.histories.dates() == list(DAYS)


def test_terms_survive_a_restart(tmp_path: Path) -> None:
    with small_workspace(tmp_path) as made:
        without_sums(made).set({"clicks": 30, "support_days": 7})

    with small_workspace(tmp_path) as made:
        shown = {each["name"]: each["days"] for each in without_sums(made).show()["terms"]}
        assert (shown["clicks"], shown["support"], shown["rollups"]) == (30, 7, 365)
        assert shown["tombstones"] == 30 + 180
        assert set(shown) == set(TERMS)


def test_longer_terms_restore_nothing(full: SmallWorkspace) -> None:
    without_sums(full).set({"clicks": 1})

    without_sums(full).set({"clicks": 365})

    assert full.workspace.histories.dates() == [DAYS[2]]


@pytest.mark.parametrize(
    "terms", [{"clicks": 0}, {"clicks": "soon"}, {"tombstones": 3}, {"everything": 1}, {"logs": 30}]
)
def test_invalid_terms_are_refused_and_change_nothing(full: SmallWorkspace, terms: dict[str, object]) -> None:
    with pytest.raises(InvalidError):
        without_sums(full).set(terms)

    assert full.workspace.histories.dates() == list(DAYS)


def test_sums_have_their_own_term(full: SmallWorkspace) -> None:
    keeper = retention(full)
    keeper.run(as_of_ms=FIRST_MS + TERM)
    columns = full.workspace.paths.columns / MAIN

    assert keeper.run(as_of_ms=FIRST_MS + 365 * DAY_MS - 1)["rollups"] == []
    assert keeper.run(as_of_ms=FIRST_MS + 365 * DAY_MS)["rollups"] == ["2026-11-22"]
    assert DAYS[0] not in archived_dates(columns)


def test_sums_are_made_ahead_and_not_repeated(full: SmallWorkspace) -> None:
    full.days.close()
    keeper = retention(full)
    keeper.archive_sums()
    columns = full.workspace.paths.columns / MAIN
    assert archived_dates(columns) == list(DAYS[:2]), "of days that are over"

    rolled: list[Date] = []
    without_sums(full, rolled).run(as_of_ms=FIRST_MS + TERM)

    assert rolled == []


def test_sums_are_made_again_after_new_events(full: SmallWorkspace) -> None:
    full.days.close()
    keeper = retention(full)
    keeper.archive_sums()
    for path in ArchivedDay(full.workspace.paths.columns / MAIN, DAYS[0]).all_files:
        os.utime(path, (1, 1))

    rolled: list[Date] = []
    without_sums(full, rolled).run(as_of_ms=FIRST_MS + TERM)

    assert rolled == [DAYS[0]]


def test_tombstones_objections_and_receipts_are_deleted_by_their_terms(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    eraser.object(eraser.subject(visitor=CANARY_VISITOR))
    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))
    keeper = without_sums(full)

    assert keeper.run(as_of_ms=NOW_MS, dry_run=True)["expired"] == {
        "tombstones": 0,
        "objections": 0,
        "receipts": 0,
        "requests": 0,
        "sessions": 0,
    }
    late = keeper.run(as_of_ms=NOW_MS + 800 * DAY_MS)

    assert late["expired"] == {"tombstones": 6, "objections": 1, "receipts": 1, "requests": 0, "sessions": 0}
    assert not full.workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait()


def test_restricted_clicks_outlive_their_day_and_are_erased_when_lifted(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    eraser.restrict(subject)

    without_sums(full).run(as_of_ms=FIRST_MS + TERM)

    found = {each["store"]: each["count"] for each in eraser.find(subject)["stores"]}
    assert (found["clicks"], found["restricted clicks"]) == (0, 6)
    eraser.unrestrict(subject)
    found = {each["store"]: each["count"] for each in eraser.find(subject)["stores"]}
    assert (found["clicks"], found["restricted clicks"]) == (4, 0)
    assert canary_click("canary-2026-11-22-0000").click_id not in full.click_ids()


# ----------------------------------------------------------------------------------------- every term deletes


def _recorded(full: SmallWorkspace) -> Callable[[], int]:
    """Clicks of today."""
    ids = {f"stranger-{DAYS[-1]}-{number:06d}" for number in range(12)}
    return lambda: len(ids & full.click_ids())


def _archived(full: SmallWorkspace) -> Callable[[], int]:
    """The sums of today, whose clicks were deleted before."""
    columns = full.workspace.paths.columns / MAIN
    retention(full).run(as_of_ms=NOW_MS + 90 * DAY_MS)
    return lambda: archived_dates(columns).count(DAYS[-1])


def _request(kind: RequestKind) -> Callable[[SmallWorkspace], Callable[[], int]]:
    def make(full: SmallWorkspace) -> Callable[[], int]:
        register = full.workspace.register
        register.open("0123456789", kind, channel="page", now_ms=NOW_MS).wait()
        register.move("0123456789", "denied", now_ms=NOW_MS, reason="no such visitor").wait()
        return lambda: len(register.all_of().wait())

    return make


def _signed_in(full: SmallWorkspace) -> Callable[[], int]:
    accounts = full.workspace.accounts
    user = accounts.add_user(email="owner@example.com", verifier="v", now_ms=NOW_MS).wait()
    accounts.open_session(user, token_hash=b"t" * 32, now_ms=NOW_MS).wait()
    return lambda: len(rows_of(full.workspace.paths.control, "select * from sessions"))


def _salts(full: SmallWorkspace) -> Callable[[], int]:
    today = full.workspace.rotate_salts()[DAYS[-1].isoformat()]
    return lambda: list(full.workspace.rotate_salts().values()).count(today)


def _erased(table: str) -> Callable[[SmallWorkspace], Callable[[], int]]:
    def make(full: SmallWorkspace) -> Callable[[], int]:
        eraser = full.eraser()
        eraser.erase(eraser.subject(visitor=CANARY_VISITOR))
        return lambda: len(rows_of(full.workspace.paths.control, f"select * from {table}"))

    return make


def _objected(*, ip: str | None = None, visitor: str | None = None) -> Callable[[SmallWorkspace], Callable[[], int]]:
    def make(full: SmallWorkspace) -> Callable[[], int]:
        eraser = full.eraser()
        eraser.object(eraser.subject(ip=ip, visitor=visitor))
        return lambda: len(rows_of(full.workspace.paths.control, "select * from objections"))

    return make


KEPT: dict[str, Callable[[SmallWorkspace], Callable[[], int]]] = {
    "clicks": _recorded,
    "rollups": _archived,
    "support": _request("question"),
    "sessions": _signed_in,
    "salts": _salts,
    "requests": _request("access"),
    "receipts": _erased("receipts"),
    "objections by address": _objected(ip="198.51.100.1"),
    "objections": _objected(visitor=CANARY_VISITOR),
    "tombstones": _erased("tombstones"),
}


@pytest.mark.parametrize("term", TERMS)
def test_every_term_deletes_what_it_names(full: SmallWorkspace, term: str) -> None:
    """Made now, kept on the last day of the term, deleted after it."""
    count = KEPT[term](full)
    keeper = without_sums(full)

    full.now_ms = NOW_MS + (days_of(term, full.workspace.settings) - 1) * DAY_MS
    full.workspace.clock.confirm()
    keeper.remove_expired()
    before = count()
    full.now_ms += DAY_MS + 1
    keeper.remove_expired()

    assert before > 0
    assert count() == 0
