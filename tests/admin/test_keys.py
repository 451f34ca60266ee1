"""Key rotation, where the key comes from, `keys verify`, and escrow copies of the keyring."""

import os
import secrets
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.privacy.small_workspace import (
    CANARY_VISITOR,
    DAYS,
    NOW_MS,
    SmallWorkspace,
    file_contents,
    noon_ms,
    small_workspace,
)
from tests.store.records import canary_click
from tnc.admin.keys import Keys
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, World
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.models import MAIN
from tnc.core.settings import Settings
from tnc.store.keys.key_file import new_line, read_keys, replace_lines
from tnc.store.keys.keyring import Keyring
from tnc.store.workspace import Workspace


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(5)
        made.canary_clicks(2)
        yield made


def opened_again(full: SmallWorkspace) -> set[str]:
    settings = Settings(data=full.data, key=full.workspace.settings.key)
    with Workspace(settings, World(now_ms=lambda: NOW_MS), to_write=False) as workspace:
        return {history.click.click_id for history in workspace.histories.newest()}


# ------------------------------------------------------------------------------------------------- rotating


def test_after_a_rotation_only_the_new_key_decrypts(full: SmallWorkspace) -> None:
    before, old_text = full.click_ids(), full.workspace.settings.key.read_text()

    result = Keys(full.workspace).rotate()

    assert result["files"] == 5, "the installation, the workspace and three days have a file each"
    assert full.click_ids() == before == opened_again(full)
    full.workspace.settings.key.write_text(old_text)
    with pytest.raises(RefusedError, match="does not open"):
        opened_again(full)


def test_no_block_of_the_keyring_under_the_old_key_remains(full: SmallWorkspace) -> None:
    before = (full.workspace.paths.ring / MAIN / DAYS[0].isoformat()).read_bytes()

    Keys(full.workspace).rotate()

    after = b"".join(file_contents(full.data).values())
    assert [at for at in range(64, len(before) - 32, 32) if before[at : at + 32] in after] == []


@pytest.mark.parametrize("done", range(6))
def test_an_interrupted_key_rotation_loses_nothing(full: SmallWorkspace, done: int) -> None:
    """The key file holds both keys until every file of the keyring is encrypted with the new key."""
    before = full.click_ids()
    former = full.workspace.settings.key.read_text().strip()
    line, kek, _ = new_line("file", secret=None)
    replace_lines(full.workspace.settings.key, line, former)
    ring = full.workspace.keyring
    ring.use_key(kek)
    for file in list(ring._all_files())[:done]:
        file.write(file.read())

    assert opened_again(full) == before
    Keys(full.workspace).rotate()
    assert opened_again(full) == before
    assert len(read_keys(full.workspace.settings.key)) == 1


def test_a_rotation_includes_the_keys_of_restricted_clicks(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    eraser.restrict(eraser.subject(visitor=CANARY_VISITOR))

    Keys(full.workspace).rotate()

    assert Keys(full.workspace).verify() == {"files": 8, "problems": []}


# ------------------------------------------------------------------------------------------- where keys come from


def test_only_the_right_passphrase_decrypts(full: SmallWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    key = full.workspace.settings.key
    line, kek, _ = new_line("passphrase", secret="correct horse battery")
    key.write_text(line + "\n")

    assert read_keys(key, environment={"TNC_KEY_SECRET": "correct horse battery"}) == (kek,)
    assert read_keys(key, environment={"TNC_KEY_SECRET": "correct horse"}) != (kek,)
    with pytest.raises(RefusedError, match="TNC_KEY_SECRET"):
        read_keys(key, environment={})
    with pytest.raises(InvalidError, match="too short"):
        new_line("passphrase", secret="short")


def test_a_split_key_needs_both_halves(full: SmallWorkspace, tmp_path: Path) -> None:
    result = Keys(full.workspace).rotate("split")
    half = tmp_path / "half"
    half.write_text(result["other_half"])

    (kek,) = read_keys(full.workspace.settings.key, environment={"TNC_KEY_SECRET_FILE": str(half)})

    assert Keyring(full.workspace.paths.ring, kek).examine() == 5
    (wrong,) = read_keys(full.workspace.settings.key, environment={"TNC_KEY_SECRET": secrets.token_hex(32)})
    with pytest.raises(RefusedError):
        Keyring(full.workspace.paths.ring, wrong).examine()


# --------------------------------------------------------------------------------------------------- verifying


def test_a_complete_keyring_is_reported_as_complete(full: SmallWorkspace) -> None:
    assert Keys(full.workspace).verify() == {"files": 5, "problems": []}


def test_a_day_without_a_key_is_reported(full: SmallWorkspace) -> None:
    (full.workspace.paths.ring / MAIN / DAYS[1].isoformat()).unlink()

    (problem,) = Keys(full.workspace).verify()["problems"]

    assert "there are clicks of 2026-11-23 but no key for them" in problem
    assert "If the key is lost for good" in problem


def test_a_damaged_key_is_reported(full: SmallWorkspace) -> None:
    (full.workspace.paths.ring / MAIN / DAYS[1].isoformat()).write_bytes(os.urandom(4096))

    problems = Keys(full.workspace).verify()["problems"]

    assert "damaged" in problems[0]
    assert "Restore the newest copy of the folder `ring`" in problems[0]


# ---------------------------------------------------------------------------------------------------- escrow copies


def test_an_escrow_contains_the_current_keyring(full: SmallWorkspace, tmp_path: Path) -> None:
    result = Keys(full.workspace).escrow(str(tmp_path / "ring.zip"))

    with zipfile.ZipFile(result["file"]) as archive:
        names = set(archive.namelist())
        assert {"ring/installation", "ring/main/keys", "ring/main/2026-11-22"} <= names
        assert archive.read("ring/main/2026-11-22") == (full.workspace.paths.ring / MAIN / "2026-11-22").read_bytes()
    assert Path(result["file"]).stat().st_mode & 0o777 == 0o600


def test_an_escrow_from_before_an_erasure_is_named_until_it_is_replaced(full: SmallWorkspace, tmp_path: Path) -> None:
    keys = Keys(full.workspace)
    assert keys.status()["escrow"] is None
    keys.escrow(str(tmp_path / "first.zip"))
    full.now_ms += MINUTE_MS
    eraser = full.eraser()

    receipt = eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    assert "2026-11-24T18:00:00.000Z still opens these records" in receipt["limits"][0]
    assert keys.status()["escrow"]["opens_what_was_erased"]
    full.now_ms += MINUTE_MS
    keys.escrow(str(tmp_path / "second.zip"))
    assert not keys.status()["escrow"]["opens_what_was_erased"]


def test_erasures_since_an_escrow_are_counted_by_epochs_not_by_the_clock(full: SmallWorkspace, tmp_path: Path) -> None:
    """By its time the copy would be newer."""
    keys, eraser = Keys(full.workspace), full.eraser()
    keys.escrow(str(tmp_path / "ring.zip"))
    full.now_ms -= HOUR_MS
    eraser.erase(eraser.subject(click="canary-2026-11-22-0000", only=True))
    assert keys.status()["escrow"]["erasures_since"] == 1

    full.now_ms += DAY_MS
    later = DAYS[-1] + timedelta(days=1)
    full.record(canary_click("of-a-later-day", at_ms=noon_ms(later)))
    eraser.erase(eraser.subject(click="of-a-later-day", only=True))

    assert keys.status()["escrow"]["erasures_since"] == 1, "the copy has a key of that day"
