"""The commands `privacy`, `keys`, `backup`, `breach` and `ropa`, with typing errors and with unknown visitors."""

import json
import shutil
import sqlite3
import time
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tnc
from tests.privacy.small_workspace import noon_ms
from tnc.core.clock import DAY_MS, World
from tnc.core.settings import Settings
from tnc.privacy.leak_report import LeakSearchSchedule
from tnc.privacy.receipts import signed
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace

TODAY = utc_date(World().now_ms())


@pytest.fixture
def clicked(tnc: Tnc, tmp_path: Path) -> Tnc:
    """A data directory with one click."""
    file = tmp_path / "shop.toml"
    file.write_text('[[offer]]\nid="a"\nurl="https://a.example/"\n[[campaign]]\nid="summer"\n')
    assert tnc("apply", str(file)).code == 0
    past = tmp_path / "past.jsonl"
    click = {
        "click_id": "somebodys-click",
        "clicked_at": f"{TODAY}T00:00:00Z",
        "campaign": "summer",
        "ip": "203.0.113.77",
        "visitor": "7" * 32,
    }
    past.write_text(json.dumps(click))
    assert tnc("import", "clicks", str(past)).code == 0
    return tnc


def counts(result: dict[str, list[dict[str, int]]]) -> int:
    return sum(each["count"] for each in result["stores"])


@pytest.mark.parametrize("command", ["find", "export", "erase", "restrict", "unrestrict", "object"])
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--ip", "300.1.1.1"),
        ("--ip", "203.0.113.0/25"),
        ("--ip", ""),
        ("--click", "a", "--ip", "203.0.113.77"),
        ("--click", "\udcff\udcfe"),
        ("--click", "a", "--from", "2026-11-24", "--to", "2026-11-23"),
        ("--click", "a", "--from", "whenever"),
    ],
)
def test_a_visitor_must_be_named_by_exactly_one_valid_option(
    clicked: Tnc, command: str, words: tuple[str, ...]
) -> None:
    done = clicked("privacy", command, *words)

    assert done.code == 2, done
    assert done.err.startswith("tnc: ")
    assert counts(clicked("privacy", "find", "--ip", "203.0.113.77", "--json").json) == 1


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_an_invalid_time_is_refused_with_the_name_of_its_option(clicked: Tnc, option: str) -> None:
    done = clicked("privacy", "find", "--click", "a", option, "soon")

    assert (done.code, f"{option[2:]} is 'soon'" in done.err) == (2, True)


@pytest.mark.parametrize("who", [("--click", "never-there"), ("--ip", "2001:db8::1"), ("--visitor", "nobody")])
def test_an_unknown_visitor_is_no_error(clicked: Tnc, settings: Settings, who: tuple[str, str]) -> None:
    assert counts(clicked("privacy", "find", *who, "--json").json) == 0
    receipt = clicked("privacy", "erase", *who).json

    assert {each["before"] for each in receipt["stores"]} == {0}
    whole = b"".join(path.read_bytes() for path in settings.data.rglob("*") if path.is_file())
    assert who[1].encode() not in whole


@pytest.mark.parametrize("form", ["203.0.113.77", "::ffff:203.0.113.77"])
def test_an_ip_address_is_found_in_any_notation(clicked: Tnc, form: str) -> None:
    assert counts(clicked("privacy", "find", "--ip", form, "--json").json) == 1


def test_an_export_is_readable_by_its_owner_only_and_never_below_the_data_directory(
    clicked: Tnc, settings: Settings, tmp_path: Path
) -> None:
    who = ("--click", "somebodys-click")
    copy = tmp_path / "copy.zip"
    there, link = tmp_path / "there.zip", tmp_path / "link.zip"
    there.write_text("somebody's own")
    link.symlink_to(there)

    for taken in (there, link):
        done = clicked("privacy", "export", *who, "--out", str(taken))
        assert (done.code, "is there already" in done.err) == (4, True)
    assert there.read_text() == "somebody's own"
    assert clicked("privacy", "export", *who, "--out", str(copy), "--json").json == {"file": str(copy)}

    assert copy.stat().st_mode & 0o777 == 0o600
    inside = settings.data / "days" / "copy.zip"
    assert clicked("privacy", "export", *who, "--out", str(inside)).code == 4
    assert not inside.exists()
    for unfit in (tmp_path, tmp_path / "nowhere" / "copy.zip"):
        done = clicked("privacy", "export", *who, "--out", str(unfit))
        assert (done.code, "cannot be written" in done.err) == (2, True)


def test_a_keyring_copy_is_never_written_below_the_data_directory_or_over_a_file(
    clicked: Tnc, settings: Settings, tmp_path: Path
) -> None:
    first = tmp_path / "ring.zip"
    assert clicked("keys", "escrow", str(first)).code == 0
    before = first.read_bytes()

    assert clicked("keys", "escrow", str(first)).code == 4
    assert clicked("keys", "escrow", str(settings.data / "ring.zip")).code == 4
    assert clicked("keys", "escrow", str(tmp_path / "nowhere" / "ring.zip")).code == 2

    assert first.read_bytes() == before
    assert not (settings.data / "ring.zip").exists()


# ------------------------------------------------------------------------------------------------ receipts


def test_a_receipt_names_the_same_epochs_as_keys_status(clicked: Tnc, settings: Settings, tmp_path: Path) -> None:
    before = clicked("keys", "status", "--json").json

    receipt = clicked("privacy", "erase", "--click", "somebodys-click").json

    after = clicked("keys", "status", "--json").json
    (part,) = receipt["keys"]
    file = f"main/{part['date']}"
    assert (part["epoch_before"], part["epoch_after"]) == (before["epochs"][file], after["epochs"][file])
    assert part["epoch_before"] < part["epoch_after"]
    assert receipt["keyring"] == {"key_epoch": after["key_epoch"], "escrow": None}
    assert verified(clicked, receipt, tmp_path) == (0, [])


def verified(tnc: Tnc, receipt: dict[str, Any], folder: Path) -> tuple[int, list[str]]:
    file = folder / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = tnc("privacy", "verify", str(file), "--json")
    return done.code, done.json["wrong"]


def test_a_keyring_put_back_from_before_an_erasure_is_found(clicked: Tnc, settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(settings.data / "ring", tmp_path / "before")
    receipt = clicked("privacy", "erase", "--click", "somebodys-click").json
    shutil.copytree(tmp_path / "before", settings.data / "ring", dirs_exist_ok=True)

    code, wrong = verified(clicked, receipt, tmp_path)

    assert code == 1
    assert "is of epoch 1, and the erasure made epoch 2: an older copy of the keyring was put back" in wrong[0]
    assert "1 of its records can be opened" in wrong[1]


def test_a_receipt_is_valid_after_a_key_rotation_and_invalid_with_a_changed_epoch(clicked: Tnc, tmp_path: Path) -> None:
    receipt = clicked("privacy", "erase", "--click", "somebodys-click").json
    assert clicked("keys", "rotate").code == 0

    assert verified(clicked, receipt, tmp_path) == (0, [])
    assert clicked("keys", "status", "--json").json["key_epoch"] == receipt["keyring"]["key_epoch"] + 1
    receipt["keys"][0]["epoch_after"] += 1
    code, wrong = verified(clicked, receipt, tmp_path)
    assert (code, "it was changed" in wrong[0]) == (1, True)


def test_a_receipt_of_an_earlier_version_without_epochs_is_valid(
    clicked: Tnc, settings: Settings, tmp_path: Path
) -> None:
    now = clicked("privacy", "erase", "--click", "somebodys-click").json
    earlier = {name: value for name, value in now.items() if name not in ("keyring", "signature", "public_key")}
    earlier["keys"] = [{name: part[name] for name in ("vault", "date", "clicks", "events")} for part in now["keys"]]
    with Workspace(settings, World(), to_write=False) as workspace:
        receipt = signed(earlier, workspace.keys.receipt_key)

    assert verified(clicked, receipt, tmp_path) == (0, [])


def test_a_keyring_copy_is_outdated_by_its_epochs_and_not_by_the_clock(clicked: Tnc, tmp_path: Path) -> None:
    copied = clicked("keys", "escrow", str(tmp_path / "ring.zip"), "--json").json

    receipt = clicked("privacy", "erase", "--click", "somebodys-click").json

    (part,) = receipt["keys"]
    assert receipt["keyring"]["escrow"] == {
        "made_at": copied["made_at"],
        "sha256": copied["sha256"],
        "key_epoch": copied["key_epoch"],
        "opens": [{"vault": "days", "date": part["date"], "epoch": part["epoch_before"]}],
    }
    assert "because it is of an older epoch" in receipt["limits"][0]
    with zipfile.ZipFile(copied["file"]) as archive:
        slots = archive.read(f"ring/main/{part['date']}")
    assert part["epoch_before"].to_bytes(8, "big") in (slots[47:55], slots[47 + (len(slots) - 15) // 2 :][:8])
    escrow = clicked("keys", "status", "--json").json["escrow"]
    assert (escrow["erasures_since"], escrow["opens_what_was_erased"]) == (1, True)


def test_a_keyring_copy_recorded_without_epochs_is_compared_by_time(
    clicked: Tnc, settings: Settings, tmp_path: Path
) -> None:
    assert clicked("keys", "escrow", str(tmp_path / "ring.zip")).code == 0
    with closing(sqlite3.connect(settings.data / "control.db")) as database:
        database.execute("drop table escrow_epochs")
        database.execute("pragma user_version = 1")  # the disk format in which the table may be missing

    assert clicked("keys", "status", "--json").json["escrow"]["erasures_since"] == 0
    receipt = clicked("privacy", "erase", "--click", "somebodys-click").json

    assert "of an older epoch" in receipt["limits"][0]
    assert clicked("keys", "status", "--json").json["escrow"]["erasures_since"] == 1


def test_a_backup_is_not_restored_into_the_current_data_directory(
    clicked: Tnc, settings: Settings, tmp_path: Path
) -> None:
    made = clicked("backup", "create", str(tmp_path / "copies"), "--json").json["file"]

    done = clicked("backup", "restore", made, "--data", str(settings.data / "again"))

    assert done.code == 4
    assert not (settings.data / "again").exists()


def test_a_restore_after_an_erasure_says_what_the_totals_lack(clicked: Tnc, tmp_path: Path) -> None:
    words = ("conversion", "add", "--click", "somebodys-click", "--payout", "53", "--currency", "EUR")
    assert clicked(*words).code == 0
    made = clicked("backup", "create", str(tmp_path / "copies"), "--json").json["file"]
    complete = clicked("backup", "restore", made, "--data", str(tmp_path / "complete"))
    assert clicked("privacy", "erase", "--click", "somebodys-click").code == 0

    done = clicked("backup", "restore", made, "--data", str(tmp_path / "again"))

    assert "totals lack" not in complete.out
    assert "totals lack 1 visit and 53.00 EUR revenue of visitors erased since" in done.out


def test_an_unreadable_backup_leaves_no_files_behind(clicked: Tnc, settings: Settings, tmp_path: Path) -> None:
    made = Path(clicked("backup", "create", str(tmp_path / "copies"), "--json").json["file"])
    content = bytearray(made.read_bytes())
    at = content.index(b"control", 30) + 60
    content[at] ^= 1
    made.write_bytes(content)

    done = clicked("backup", "restore", str(made), "--data", str(tmp_path / "again"))

    assert done.code in (2, 4)
    assert not (tmp_path / "again").exists()


def test_a_breach_report_covers_a_period(clicked: Tnc) -> None:
    result = clicked("breach", "report", "--from", "today", "--json").json
    assert (result["clicks"], result["visitors"]) == (1, 1)
    assert clicked("breach", "report", "--from", "now", "--to", "today").code == 2
    assert clicked("breach", "report", "--from", "whenever").code == 2


def test_a_change_of_retention_shows_the_old_and_the_new_time(clicked: Tnc) -> None:
    would = clicked("retention", "set", "clicks=30", "--dry-run").out
    done = clicked("retention", "set", "clicks=30").out

    assert "clicks would be kept 30 days (before: 90)" in would
    assert "clicks is kept 30 days (before: 90)" in done
    assert "command line: clicks 90 -> 30 days; 0 days with 0 clicks deleted" in clicked("retention", "show").out


def test_a_shorter_retention_deletes_as_shown_and_a_longer_one_restores_nothing(clicked: Tnc, tmp_path: Path) -> None:
    past = tmp_path / "older.jsonl"
    days = [TODAY - timedelta(days=number) for number in (3, 40)]
    clicks = [{"click_id": f"of-{day}", "clicked_at": f"{day}T12:00:00Z", "campaign": "summer"} for day in days]
    past.write_text("\n".join(map(json.dumps, clicks)))
    assert clicked("import", "clicks", str(past)).code == 0

    preview = clicked("retention", "set", "clicks=30", "--dry-run", "--json").json
    done = clicked("retention", "set", "clicks=30", "--json").json

    assert preview["days"] == done["days"] == [{"date": days[1].isoformat(), "clicks": 1}]
    assert clicked("retention", "set", "clicks=365", "--json").json["days"] == []
    assert [clicked("click", f"of-{day}").code for day in days] == [0, 3]
    longer, shorter = clicked("retention", "show", "--json").json["changes"]
    assert (shorter["before"], shorter["after"], shorter["days"], shorter["clicks"]) == (90, 30, 1, 1)
    assert (longer["before"], longer["after"], longer["days"], longer["clicks"]) == (30, 365, 0, 0)


def test_clicks_past_their_retention_are_not_imported(clicked: Tnc, tmp_path: Path) -> None:
    past = tmp_path / "older.jsonl"
    old = utc_date(noon_ms(TODAY) - 91 * DAY_MS)
    past.write_text(json.dumps({"click_id": "old", "clicked_at": f"{old}T23:59:59Z", "campaign": "summer"}))

    clicked("import", "clicks", str(past))

    assert clicked("click", "old").code == 3
    assert clicked("retention", "run", "--dry-run", "--json").json["days"] == []


def test_swapped_records_are_named(clicked: Tnc, settings: Settings, tmp_path: Path) -> None:
    past = tmp_path / "more.jsonl"
    past.write_text(json.dumps({"click_id": "another", "clicked_at": f"{TODAY}T00:00:01Z", "campaign": "summer"}))
    clicked("import", "clicks", str(past))
    (day,) = (settings.data / "days").rglob("*.db")
    with closing(sqlite3.connect(day)) as database:
        (one, its), (other, others) = database.execute("select seq, sealed from clicks order by seq").fetchall()
        database.executemany("update clicks set sealed = ? where seq = ?", [(others, one), (its, other)])
        database.commit()

    done = clicked("clicks")

    assert done.code == 0
    doctor = clicked("doctor")
    assert doctor.code == 1
    assert f"2 records or pages of {day} are damaged" in doctor.out
    verified = clicked("backup", "create", str(tmp_path / "copies"), "--json").json
    assert clicked("backup", "verify", verified["file"], "--json").json["refused"] == 2


def test_overdue_requests_exit_1(tnc: Tnc, settings: Settings) -> None:
    assert tnc("privacy", "requests", "--overdue").code == 0
    long_ago = World(now_ms=lambda: noon_ms(TODAY - timedelta(days=40)))
    with Workspace(settings, long_ago, to_write=True) as workspace:
        workspace.register.open("6f1c0a93be", "access", channel="letter", now_ms=workspace.world.now_ms()).wait()
        workspace.register.open("0123456789", "access", channel="letter", now_ms=World().now_ms()).wait()

    late, every = tnc("privacy", "requests", "--overdue", "--json"), tnc("privacy", "requests", "--json")

    assert late.code == 1
    assert [each["request_id"] for each in late.json] == ["6f1c0a93be"]
    assert every.code == 0
    assert len(every.json) == 2


# ------------------------------------------------------------------------------------- personal data in plain text


def test_plain_text_in_a_file_is_reported_until_it_is_gone(clicked: Tnc, settings: Settings) -> None:
    (none,) = words_in_the_clear(clicked)
    assert (none["state"], "each night" in none["text"]) == ("ok", True)
    left = settings.data / "days" / "copied.txt"
    left.write_text("x" * 5000 + "203.0.113.77" + "x" * 5000)

    done = clicked("privacy", "scan", "--json")

    assert done.code == 1
    assert {(each["file"], each["kind"]) for each in done.json["leaks"]} == {("days/copied.txt", "address")}
    assert done.json["clean_at"] is None
    (found,) = words_in_the_clear(clicked)
    assert (found["state"], "days/copied.txt: address (1)" in found["text"]) == ("failed", True)
    assert "203.0.113.77" not in found["text"] + done.out + done.err

    left.unlink()
    again = clicked("privacy", "scan")
    assert (again.code, "none found in plain text" in again.out) == (0, True)
    (clean,) = words_in_the_clear(clicked)
    assert (clean["state"], f"on {TODAY}" in clean["text"]) == ("ok", True)


def words_in_the_clear(tnc: Tnc) -> list[dict[str, Any]]:
    return [each for each in tnc("doctor", "--json").json if each["check"] == "plain text"]


def test_the_nightly_search_runs_once_a_night_also_when_the_clock_is_set(clicked: Tnc, settings: Settings) -> None:
    now_ms = noon_ms(TODAY)
    world = World(now_ms=lambda: now_ms)
    with Workspace(settings, world, to_write=False) as workspace:
        nightly, file = LeakSearchSchedule(settings.data / "config.toml", workspace), settings.data / "inspection.json"

        def is_searched() -> bool:
            before = file.stat().st_mtime_ns if file.exists() else 0
            nightly.start_if_due()
            while nightly._child.is_running():
                time.sleep(0.05)
            return file.exists() and file.stat().st_mtime_ns != before

        assert [is_searched(), is_searched()] == [True, False]
        for days in (1, -40):
            now_ms = noon_ms(TODAY + timedelta(days=days))
            assert is_searched()


def test_doctor_warns_when_the_last_search_is_old(clicked: Tnc, settings: Settings) -> None:
    assert clicked("privacy", "scan").code == 0
    file = settings.data / "inspection.json"
    kept = json.loads(file.read_text())
    for days, state in ((2, "ok"), (4, "warning"), (-40, "warning")):
        file.write_text(json.dumps(kept | {"at_ms": kept["at_ms"] - days * DAY_MS}))
        assert [each["state"] for each in words_in_the_clear(clicked)] == [state]
    file.write_text(json.dumps(kept | {"left": 3}))
    assert "3 files could not be searched" in words_in_the_clear(clicked)[0]["text"]
