"""The search for unencrypted personal data: nothing in a clean workspace, and planted data by file and kind."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.privacy.small_workspace import CANARY_VISITOR, DAYS, SmallWorkspace, click_of_another, small_workspace
from tests.store.records import PERSONAL
from tnc.admin.backup.backups import Backups
from tnc.core.clock import DAY_MS
from tnc.core.models import MAIN
from tnc.privacy.leak_report import LeakReport, last_leak_report
from tnc.privacy.leak_search import LeakSearch, vaults_to_search
from tnc.privacy.retention import Retention
from tnc.store.days.writer import day_path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with few enough clicks for the sample to take all, and their columns."""
    folder = tmp_path_factory.mktemp("filled")
    with small_workspace(folder) as made:
        made.clicks_of_others(8)
        made.canary_clicks(2)
        made.report("campaign", "country", "sub1")
    return folder


@pytest.fixture
def full(filled: Path, tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(Path(shutil.copytree(filled, tmp_path / "full"))) as made:
        yield made


def search(full: SmallWorkspace, since: LeakReport | None = None, seconds: float | None = None) -> LeakReport:
    return LeakSearch(full.workspace, vaults_to_search(full.workspace), since=since, seconds=seconds).run()


def leaks(found: LeakReport) -> list[tuple[str, str, int]]:
    return [(each.file, each.kind, each.count) for each in found.leaks]


def test_a_clean_workspace_has_no_findings(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    Backups(full.workspace).create()
    eraser.restrict(eraser.subject(click="canary-2026-11-23-0001", only=True))
    eraser.erase(eraser.subject(click="canary-2026-11-24-0001", only=True))
    eraser.object(eraser.subject(visitor=CANARY_VISITOR))
    full.days.close()
    Retention(full.workspace, full.writer).archive_sums()

    found = search(full)

    assert (leaks(found), found.left) == ([], 0)
    assert found.clicks >= 20
    assert found.words > 60
    assert found.clean_at_ms == full.now_ms
    paths = {name.split("/")[0] for name in found.seen}
    assert paths >= {"backups", "columns", "control.db", "days", "restricted", "ring"}


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("ip", "forgotten.log"),
        ("user_agent", "columns/main/notes"),
        ("external_id", "days/main/2026-11-24.db-journal"),
        ("referrer", "backups/copy.tmp"),
        ("url", "ring/core"),
        ("visitor", "restricted/notes"),
        ("browser_id", "columns/temp/spilled"),
    ],
)
def test_personal_data_in_a_file_is_found_by_file_and_kind(full: SmallWorkspace, kind: str, file: str) -> None:
    path = full.data / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x00" * 100_000 + PERSONAL[kind].encode() + b"\x00 and more")

    found = search(full)

    assert [each.file for each in found.leaks][:1] == [file]
    assert {each.kind for each in found.leaks} & {
        "address", "user agent", "external id", "referrer", "link", "pseudonym", "browser"
    }  # fmt: skip
    assert found.clean_at_ms is None
    assert PERSONAL[kind].encode() not in full.workspace.paths.inspection.read_bytes()


def test_personal_data_in_a_compressed_column_is_found(full: SmallWorkspace) -> None:
    file = full.workspace.paths.columns / MAIN / "2026-11-24" / "clicks-900-901.parquet"
    text = f"select '{PERSONAL['user_agent']}' as browser, 'ann@people.example' as sub1 from range(5000)"
    duckdb.execute(f"copy ({text}) to '{file}' (format parquet, compression zstd)")

    found = search(full)

    name = str(file.relative_to(full.data))
    assert {(each.file, each.kind) for each in found.leaks} == {
        (name, "parameter that looks personal"),
        (name, "user agent"),
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"from 198.51.100.200:", "text like an address"),
        (b"'2001:db8:0:0:1:2:3:4'", "text like an address"),
        (b'"2001:db8:77::1"', "text like an address"),
        (b"<ann.person@people.example>", "text like an e-mail address"),
        (b"Mozilla/5.0 (X11; Linux x86_64)", "text like a user agent"),
    ],
)
def test_text_with_a_personal_shape_is_found_without_a_sample(full: SmallWorkspace, text: bytes, kind: str) -> None:
    with closing(sqlite3.connect(day_path(full.workspace.paths.days, MAIN, DAYS[0]))) as database:
        database.execute("insert into numbers values (?, 1)", (text.decode(),))
        database.commit()

    found = search(full)

    assert ("days/main/2026-11-22.db", kind) in {(each.file.removesuffix("-wal"), each.kind) for each in found.leaks}


def test_a_restored_row_without_a_key_is_found(full: SmallWorkspace) -> None:
    path = day_path(full.workspace.paths.days, MAIN, DAYS[0])
    with full.workspace.histories.day(DAYS[0]) as reader:
        seq, _ = next(reader.clicks())
    with closing(sqlite3.connect(path)) as database:
        row = database.execute("select * from clicks where seq = ?", (seq,)).fetchone()
    eraser = full.eraser()
    eraser.erase(eraser.subject(click="stranger-2026-11-22-000000", only=True))
    assert leaks(search(full)) == []
    full.days.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("insert into clicks values (?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()

    assert leaks(search(full)) == [("days/main/2026-11-22.db", "row whose key is destroyed", 1)]


def test_unchanged_clean_files_are_not_searched_again(full: SmallWorkspace) -> None:
    full.days.close()
    first = search(full)
    full.now_ms += DAY_MS

    again = search(full, since=first)
    assert {name[-4:] for name, stamp in again.seen.items() if first.seen.get(name) != stamp} <= {"-shm"}
    assert again.files + again.unchanged == first.files
    (full.data / "days" / "left.tmp").write_bytes(PERSONAL["ip"].encode())

    third = search(full, since=again)
    assert third.unchanged == again.unchanged
    assert {kind for _, kind, _ in leaks(third)} == {"address", "text like an address"}
    assert (third.clean_at_ms, again.clean_at_ms, first.clean_at_ms) == (full.now_ms, full.now_ms, full.now_ms - DAY_MS)
    assert leaks(search(full, since=third)) == leaks(third), "what was found is looked at until it is gone"


def test_files_without_time_are_counted_and_searched_next(full: SmallWorkspace) -> None:
    hurried = search(full, seconds=0)

    assert (hurried.files, hurried.clean_at_ms) == (0, None)
    assert hurried.left > 5
    assert search(full, since=last_leak_report(full.workspace.paths.inspection)).left == 0


def test_the_name_of_a_bot_is_not_personal_data(full: SmallWorkspace) -> None:
    full.record(click_of_another(77, DAYS[0], user_agent="Somebot.example", bot="Somebot.example", traffic="bot"))
    full.report("bot")

    assert leaks(search(full)) == []


def test_json_has_no_names_of_clean_files(full: SmallWorkspace) -> None:
    assert "seen" not in search(full).to_json()


def test_a_torn_result_counts_as_none(full: SmallWorkspace) -> None:
    search(full)
    path = full.workspace.paths.inspection
    path.write_bytes(path.read_bytes()[:-20])

    assert last_leak_report(path) is None
