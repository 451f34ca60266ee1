"""A backup is decrypted by its own keyring only, and restores everything except what was erased since."""

import json
import resource
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.privacy.small_workspace import (
    CANARY_VISITOR,
    DAYS,
    NOW_MS,
    SmallWorkspace,
    file_contents,
    sale,
    small_workspace,
)
from tests.store.records import NEEDLES, PERSONAL, canary_click
from tnc.admin.backup.backups import Backups
from tnc.core import settings
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, World
from tnc.core.errors import FailedError, InvalidError, RefusedError
from tnc.core.models import MAIN, ClickHistory, ClickId
from tnc.privacy.requests import PrivacyRequests
from tnc.privacy.retention import Retention
from tnc.store.days.writer import day_path
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(12)
        made.canary_clicks(2)
        yield made


def backup(full: SmallWorkspace, folder: Path) -> Path:
    return Path(Backups(full.workspace).create(folder)["file"])


def restored(result: dict[str, str], now_ms: int = NOW_MS) -> Workspace:
    return Workspace(settings.load(Path(result["config"])), World(now_ms=lambda: now_ms), to_write=False)


def ids(workspace: Workspace) -> set[str]:
    return {history.click.click_id for history in workspace.histories.newest()}


def erase_canary(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    eraser.erase(eraser.subject(visitor=CANARY_VISITOR))


def test_a_backup_is_one_private_file_without_keys_tokens_or_plain_text(full: SmallWorkspace, tmp_path: Path) -> None:
    made = Backups(full.workspace).create(tmp_path / "copies")
    path = Path(made["file"])

    assert made["clicks"] == 42
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert [name for name, needle in NEEDLES.items() if needle in content] == []
    with sqlite3.connect(day_path(full.workspace.paths.days, MAIN, DAYS[0])) as database:
        tokens = [row[0] for row in database.execute("select visitor from clicks union select click from clicks")]
    assert [token for token in tokens if token.to_bytes(6, "big", signed=True) in content] == []
    rings = [file.read_bytes() for file in full.workspace.paths.ring.rglob("*") if file.is_file()]
    assert [ring for ring in rings if ring[64:128] in content] == []
    with zipfile.ZipFile(path) as opened:
        manifest = json.loads(opened.read("manifest.json"))
    assert manifest["days"]["days"] == [date.isoformat() for date in DAYS]


def test_every_record_of_a_new_backup_can_be_decrypted(full: SmallWorkspace, tmp_path: Path) -> None:
    result = Backups(full.workspace).verify(backup(full, tmp_path / "copies"))

    assert result["refused"] == 0
    assert result["opened"] == result["records"] > 42


def test_verify_refuses_exactly_the_records_erased_since(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    before = Backups(full.workspace).verify(path)
    found = {
        each["store"]: each["count"]
        for each in full.eraser().find(full.eraser().subject(visitor=CANARY_VISITOR))["stores"]
    }

    erase_canary(full)

    after = Backups(full.workspace).verify(path)
    assert after["records"] == before["records"]
    assert after["refused"] == sum(found.values())


def test_a_restore_of_an_old_backup_brings_back_all_other_visitors(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    others = {click for click in full.click_ids() if not click.startswith("canary")}
    erase_canary(full)

    result = Backups(full.workspace).restore(path, tmp_path / "again")

    assert (result["clicks"], result["refused"]) == (36, 6)
    with restored(result) as workspace:
        assert ids(workspace) == others
        assert workspace.erasures.find_erased([ClickId("canary-2026-11-22-0000")]).wait()
        for name in ("config.toml", "control.db"):
            assert (tmp_path / "again" / name).exists()
    assert [
        name for name, text in PERSONAL.items() if text.encode() in b"".join(file_contents(tmp_path / "again").values())
    ] == []


def test_a_restore_says_what_its_totals_lack_of_erased_visitors(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    before = full.report()["totals"]
    erase_canary(full)
    assert full.report()["totals"] == before

    result = Backups(full.workspace).restore(path, tmp_path / "again" / "data")

    assert result["totals_lack"] == {"visits": 6, "revenue": {"USD": 37.5}, "exact": True}
    (tmp_path / "again" / "data.key").write_text((tmp_path / "data.key").read_text())
    with small_workspace(tmp_path / "again") as again:
        restored_totals = again.report()["totals"]
    assert before["visits"] - restored_totals["visits"] == 6
    assert before["revenue"] - restored_totals["revenue"] == 37.5


def test_a_restore_after_older_erasures_lacks_nothing(full: SmallWorkspace, tmp_path: Path) -> None:
    erase_canary(full)

    result = Backups(full.workspace).restore(backup(full, tmp_path / "copies"), tmp_path / "again")

    assert result["totals_lack"] is None


def test_erased_visits_since_the_backup_are_not_lacking(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    full.now_ms += HOUR_MS
    full.record(canary_click("canary-later", at_ms=full.now_ms), sale(full.now_ms))
    erase_canary(full)

    result = Backups(full.workspace).restore(path, tmp_path / "again")

    assert result["totals_lack"] == {"visits": 6, "revenue": {"USD": 37.5}, "exact": True}


def told_of(small_workspace: SmallWorkspace, click_id: str) -> ClickHistory:
    return next(
        history for history in small_workspace.workspace.histories.newest() if history.click.click_id == click_id
    )


def test_restored_clicks_can_be_searched_and_reported(full: SmallWorkspace, tmp_path: Path) -> None:
    before = {by: full.report(*by.split(",")) for by in ("campaign,offer,day", "country,device")}
    history = told_of(full, "canary-2026-11-23-0000")
    found = full.eraser().find(full.eraser().subject(visitor=CANARY_VISITOR))

    Backups(full.workspace).restore(backup(full, tmp_path / "copies"), tmp_path / "again" / "data")

    (tmp_path / "again" / "data.key").write_text((tmp_path / "data.key").read_text())
    with small_workspace(tmp_path / "again") as again:
        assert told_of(again, "canary-2026-11-23-0000") == history
        assert again.eraser().find(again.eraser().subject(visitor=CANARY_VISITOR)) == found
        for by, result in before.items():
            assert again.report(*by.split(",")) == result


def test_record_numbers_are_not_reused_after_a_restore(full: SmallWorkspace, tmp_path: Path) -> None:
    Backups(full.workspace).restore(backup(full, tmp_path / "copies"), tmp_path / "again" / "data")
    (tmp_path / "again" / "data.key").write_text((tmp_path / "data.key").read_text())

    with small_workspace(tmp_path / "again") as again:
        with again.workspace.histories.day(DAYS[0]) as reader:
            last = reader.latest()
        writer = again.days.writer((MAIN, DAYS[0]))
        assert (
            min(writer._numbers["clicks"].next_number() - last[0], writer._numbers["events"].next_number() - last[1])
            > 0
        )


def test_days_past_their_retention_are_not_restored(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    full.now_ms = NOW_MS + 89 * DAY_MS

    result = Backups(full.workspace).restore(path, tmp_path / "again")

    assert result["expired_days"] == 2
    with restored(result, full.now_ms) as workspace:
        assert workspace.histories.dates() == [DAYS[2]]


def test_a_day_whose_key_was_destroyed_is_not_restored(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    Retention(full.workspace, full.writer, roll_up_days=lambda _settings, _dates: None).set({"clicks": 1})

    assert Backups(full.workspace).verify(path)["opened"] > 0
    result = Backups(full.workspace).restore(path, tmp_path / "again")

    assert (result["expired_days"], result["clicks"]) == (2, 14)


def test_another_installation_cannot_decrypt_a_backup(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data.key").write_text(new_key_text())

    with small_workspace(tmp_path / "other") as other:
        assert Backups(other.workspace).verify(path)["opened"] == 0
        with pytest.raises(RefusedError, match="another installation"):
            Backups(other.workspace).restore(path, tmp_path / "again")


def test_restricted_clicks_are_restored_as_restricted(full: SmallWorkspace, tmp_path: Path) -> None:
    eraser = full.eraser()
    eraser.restrict(eraser.subject(visitor=CANARY_VISITOR))

    Backups(full.workspace).restore(backup(full, tmp_path / "copies"), tmp_path / "again" / "data")

    (tmp_path / "again" / "data.key").write_text((tmp_path / "data.key").read_text())
    with small_workspace(tmp_path / "again") as again:
        found = again.eraser().find(again.eraser().subject(visitor=CANARY_VISITOR))
        assert {each["store"]: each["count"] for each in found["stores"]}["restricted clicks"] == 6
        assert not [click for click in again.click_ids() if click.startswith("canary")]


def test_a_restore_never_overwrites_a_data_directory(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")

    with pytest.raises(RefusedError, match="not empty"):
        Backups(full.workspace).restore(path, full.data)


@pytest.mark.parametrize("content", [b"", b"not a backup", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_not_a_backup_is_refused(full: SmallWorkspace, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(InvalidError, match="no backup"):
        Backups(full.workspace).verify(tmp_path / "file")


def test_a_full_disk_leaves_no_partial_backup(full: SmallWorkspace, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limits[1]))
    try:
        with pytest.raises(FailedError, match="the disk refused"):
            Backups(full.workspace).create(tmp_path / "copies")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list((tmp_path / "copies").iterdir()) == []


def test_backups_are_listed_newest_first(full: SmallWorkspace, tmp_path: Path) -> None:
    first = backup(full, tmp_path / "copies")
    full.now_ms += MINUTE_MS
    second = backup(full, tmp_path / "copies")

    result = Backups(full.workspace).all_files(tmp_path / "copies")

    assert [each["file"] for each in result] == [str(second), str(first)]
    assert {each["clicks"] for each in result} == {42}


def test_requests_and_retention_times_are_restored_as_they_are_now(full: SmallWorkspace, tmp_path: Path) -> None:
    privacy_requests = PrivacyRequests(full.workspace, full.eraser())
    before, _ = privacy_requests.submit("question", text="Who are you?", contact="")
    path = backup(full, tmp_path / "copies")
    privacy_requests.move(before.request_id, "denied", reason="no address to reply to")
    after, _ = privacy_requests.submit("access", text="What do you have?", contact="")
    Retention(full.workspace, full.writer, roll_up_days=lambda _settings, _dates: None).set({"clicks": 30})

    result = Backups(full.workspace).restore(path, tmp_path / "again")

    with restored(result) as workspace:
        states = {each.request_id: [step.state for step in each.steps] for each in workspace.register.all_of().wait()}
        assert states == {before.request_id: ["received", "denied"], after.request_id: ["received"]}
        assert workspace.settings.clicks_days == 30


# ------------------------------------------------------------------------------------------------ changed files


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(path: Path, content: dict[str, bytes], name: str = "changed") -> Path:
    changed = path.with_name(f"{name}.tncbackup")
    with zipfile.ZipFile(changed, "w") as archive:
        for member, data in content.items():
            archive.writestr(member, data)
    return changed


def without_the_last_row(day: bytes) -> bytes:
    """The messages of a day without the last one."""
    position = last = 0
    while position < len(day):
        last, position = position, position + 4 + int.from_bytes(day[position : position + 4], "big")
    return day[:last]


def changed_manifest(content: dict[str, bytes], **fields: object) -> bytes:
    return json.dumps(json.loads(content["manifest.json"]) | fields).encode()


def damage(kind: str, whole: dict[str, bytes]) -> dict[str, bytes]:
    day = next(name for name in whole if name.startswith("days/"))
    match kind:
        case "a row taken out":
            return whole | {day: without_the_last_row(whole[day])}
        case "a day taken out":
            return {name: data for name, data in whole.items() if name != day}
        case "a member added":
            return whole | {"days/main/2020-01-01": b""}
        case "no control database":
            return {name: data for name, data in whole.items() if name != "control"}
        case "no seal":
            return {name: data for name, data in whole.items() if name != "manifest.seal"}
        case "another count":
            return whole | {"manifest.json": changed_manifest(whole, clicks=1)}
        case "called an older format":
            plain = changed_manifest(whole, format=1, members={})
            return {name: data for name, data in whole.items() if name != "manifest.seal"} | {"manifest.json": plain}
        case "a huge manifest":
            return whole | {"manifest.json": b" " * (17 << 20)}
        case _:
            return whole | {day: b"\xff" * 100}


@pytest.mark.parametrize(
    "kind",
    [
        "a row taken out",
        "a day taken out",
        "a member added",
        "no control database",
        "no seal",
        "another count",
        "called an older format",
        "a huge manifest",
        "nonsense for a day",
    ],
)
def test_a_changed_backup_is_neither_verified_nor_restored(full: SmallWorkspace, tmp_path: Path, kind: str) -> None:
    path = backup(full, tmp_path / "copies")
    changed = rewritten(path, damage(kind, members(path)))

    with pytest.raises((RefusedError, InvalidError)):
        Backups(full.workspace).verify(changed)
    with pytest.raises((RefusedError, InvalidError)):
        Backups(full.workspace).restore(changed, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_rewritten_but_equal_backup_is_accepted(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")

    result = Backups(full.workspace).verify(rewritten(path, members(path)))

    assert (result["refused"], result["opened"]) == (0, result["records"])


def test_a_list_of_backups_names_those_that_cannot_be_read(full: SmallWorkspace, tmp_path: Path) -> None:
    path = backup(full, tmp_path / "copies")
    (path.parent / "tnc-broken.tncbackup").write_bytes(b"nothing")

    listed = {Path(each["file"]).name: each["clicks"] for each in Backups(full.workspace).all_files(path.parent)}

    assert listed == {path.name: 42, "tnc-broken.tncbackup": None}
