"""A data directory of an earlier version: read, served, erased from, backed up and restored by this one."""

import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.e2e.shop import ask
from tests.formats.further import FURTHER_CONTROL, FURTHER_DAY
from tnc.admin.bench.server_process import ServerProcess
from tnc.cli.main import group
from tnc.core.errors import FailedError
from tnc.store import database as control
from tnc.store.database import CONTROL
from tnc.store.days import schema
from tnc.store.migrations import previous_files

PERIOD = ("--from", "2026-11-01", "--to", "2027-01-01")


def version(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute("pragma user_version").fetchone()[0])


def day_files(data: Path) -> list[Path]:
    return sorted((*data.glob("days/main/*.db"), *data.glob("restricted/main/*.db")))


class Program:
    """Commands on a data directory, in this process."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(group, ["--config", str(self.data / "config.toml"), *words], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def report(self) -> Any:
        return self.json("report", "--by", "offer", *PERIOD)

    def clicks(self) -> set[str]:
        return {json.loads(line)["click_id"] for line in self("clicks", "--json").splitlines()}


def as_before(report: Any, before: Any) -> Any:
    """A report without the metrics that came later."""
    rows = [{name: row[name] for name in old} for row, old in zip(report["rows"], before["rows"], strict=True)]
    totals = {name: report["totals"][name] for name in before["totals"]}
    return {name: report[name] for name in before} | {"rows": rows, "totals": totals}


def seen_clicks(facts: Any) -> set[str]:
    return {*facts["clicks"], "imported-1"} - {facts["erased"], facts["restricted"]}


@pytest.fixture
def tnc(old: ServerProcess) -> Program:
    return Program(old.data)


@pytest.fixture
def further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are those of a later version with further formats."""
    monkeypatch.setattr(control, "CONTROL", FURTHER_CONTROL)
    monkeypatch.setattr(schema, "DAY", FURTHER_DAY)


def test_reading_commands_work_on_an_old_directory_and_do_not_change_it(tnc: Program, facts: Any) -> None:
    assert as_before(tnc.report(), facts["report"]) == facts["report"]
    assert tnc.json("privacy", "find", "--click", facts["clicks"][3]) == facts["found"]
    assert tnc.json("versions") == facts["versions"]
    assert seen_clicks(facts) <= tnc.clicks()
    assert version(tnc.data / "control.db") == 1
    assert previous_files(tnc.data / "control.db") == []


@pytest.mark.e2e
def test_a_server_migrates_an_old_directory_and_serves_it(old: ServerProcess, tnc: Program, facts: Any) -> None:
    control_file = old.data / "control.db"

    old.serve()

    assert ask(old, "/summer?ext=new").status == 302
    assert (version(control_file), [each.name for each in previous_files(control_file)]) == (
        CONTROL.version,
        ["control.db.v1"],
    )
    visits = tnc.report()["totals"]["visits"]
    assert visits == facts["report"]["totals"]["visits"] + 1
    request = tnc.json("privacy", "requests")[0]
    assert (request["request_id"], request["state"]) == (facts["requested"]["request_id"], "received")
    receipt = old.data.parent / "receipt.json"
    receipt.write_text(json.dumps(facts["receipt"]))
    tnc("privacy", "verify", str(receipt))
    made = old.command("run", "migrate-days", "--json")
    assert made.returncode == 0, made.stderr
    assert old.stop() == 0

    old.serve()

    assert previous_files(control_file) == []
    assert tnc.report()["totals"]["visits"] == visits


def test_an_erasure_removes_the_previous_control_database(tnc: Program, facts: Any) -> None:
    tnc("privacy", "object", "--click", facts["clicks"][5])
    assert previous_files(tnc.data / "control.db")

    tnc("privacy", "erase", "--click", facts["clicks"][3])

    assert previous_files(tnc.data / "control.db") == []
    assert {each["count"] for each in tnc.json("privacy", "find", "--click", facts["clicks"][3])["stores"]} == {0}


def test_the_previous_control_database_is_kept_for_a_day_at_most(tnc: Program, facts: Any) -> None:
    tnc("privacy", "object", "--click", facts["clicks"][5])
    (previous,) = previous_files(tnc.data / "control.db")

    tnc("retention", "run", "--yes")  # the directory is old, so the clock is doubted
    assert previous.exists()
    long_ago = time.time() - 25 * 3600
    os.utime(previous, (long_ago, long_ago))
    tnc("retention", "run", "--yes")
    assert not previous.exists()


@pytest.mark.parametrize("made_by", ["the earlier version", "this version"])
def test_backups_of_an_old_directory_are_restored(made_by: str, tnc: Program, facts: Any, tmp_path: Path) -> None:
    backup = tnc.data / "backups" / facts["backup"]
    if made_by == "this version":
        backup = Path(tnc.json("backup", "create", str(tmp_path / "copies"))["file"])
    tnc("privacy", "erase", "--click", facts["clicks"][3])

    tnc("backup", "restore", str(backup), "--data", str(tmp_path / "again"))

    again = Program(tmp_path / "again")
    last = {facts["clicks"][-1]} if made_by == "the earlier version" else set()  # clicked after its backup
    assert seen_clicks(facts) - {facts["clicks"][3]} - last <= again.clicks()
    assert facts["clicks"][3] not in again.clicks()
    assert version(again.data / "control.db") == CONTROL.version
    assert [each["request_id"] for each in again.json("privacy", "requests")] == [facts["requested"]["request_id"]]


@pytest.mark.usefixtures("further")
def test_a_further_format_is_read_written_backed_up_and_restored(tnc: Program, facts: Any, tmp_path: Path) -> None:
    before = tnc.clicks()
    assert seen_clicks(facts) <= before
    backup = tnc.json("backup", "create", str(tmp_path / "copies"))["file"]  # from files that are not migrated yet
    assert {version(each) for each in day_files(tnc.data)} == {1}

    tnc("conversion", "add", "--click", facts["clicks"][8], "--payout", "9", "--currency", "USD", "--status", "sale")
    tnc("privacy", "erase", "--click", facts["clicks"][3])

    assert version(tnc.data / "control.db") == FURTHER_CONTROL.version
    assert version(tnc.data / "days" / "main" / "2026-11-30.db") == FURTHER_DAY.version
    assert version(tnc.data / "days" / "main" / "2026-11-02.db") == 1  # nothing was written to it
    assert tnc.clicks() >= before - {facts["clicks"][3]}
    for name, made in (("old", tnc.data / "backups" / facts["backup"]), ("new", Path(backup))):
        tnc("backup", "restore", str(made), "--data", str(tmp_path / name))
        again = Program(tmp_path / name)
        assert before - {facts["clicks"][3], facts["clicks"][-1]} <= again.clicks()
        assert version(again.data / "control.db") == FURTHER_CONTROL.version
        assert {version(each) for each in day_files(again.data)} == {FURTHER_DAY.version}


def test_what_a_later_version_wrote_is_refused(
    tnc: Program, facts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "DAY", FURTHER_DAY)
        tnc(
            "conversion", "add", "--click", facts["clicks"][8], "--payout", "9", "--currency", "USD", "--status", "sale"
        )
        backup = tnc.json("backup", "create", str(tmp_path / "copies"))["file"]

    assert refusal(tnc, "click", facts["clicks"][8]).endswith("(schema 3, this one knows 1); upgrade tnc.\n")
    assert "was written by a newer tnc; upgrade tnc." in refusal(
        tnc, "backup", "restore", backup, "--data", str(tmp_path / "again")
    )


def refusal(tnc: Program, *words: str) -> str:
    done = CliRunner().invoke(group, ["--config", str(tnc.data / "config.toml"), *words])
    assert done.exit_code == 4
    return done.stderr


@pytest.mark.e2e
def test_a_server_migrates_all_day_files_in_the_background(old: ServerProcess, facts: Any) -> None:
    old.python = (sys.executable, "-m", "tests.formats.further_tnc")

    old.serve()
    assert ask(old, "/summer?ext=new").status == 302
    old_days = [each for each in day_files(old.data) if version(each) == 1]
    done = old.command("run", "migrate-days", "--json")

    assert done.returncode == 0, done.stderr
    assert {"2026-11-02.db", "2026-11-30.db"} <= {each.name for each in old_days}
    assert old.data / "restricted" / "main" / "2026-11-30.db" in old_days
    assert {version(each) for each in day_files(old.data)} == {FURTHER_DAY.version}
    assert ask(old, f"/postback?cid={facts['clicks'][8]}&payout=9&status=approved").status == 200
    assert old.stop() == 0
    old.python = (sys.executable, "-m", "tnc")
    with pytest.raises(FailedError, match=r"newer tnc \(schema 4, this one knows 2\); upgrade"):
        old.serve()
