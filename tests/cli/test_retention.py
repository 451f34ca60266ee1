"""`tnc retention` and `tnc doctor` when the clock is doubted, or when many days are due at once."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Tnc
from tnc.cli.main import group
from tnc.core.clock import DAY_MS, HOUR_MS, World
from tnc.core.fields import rfc3339
from tnc.core.settings import Settings

SetClock = Callable[[int], None]

pytestmark = pytest.mark.timeout(240)  # the sums are made by a child process of low priority


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Set the clock that commands see ahead by so many milliseconds."""

    def set_(ahead_ms: int) -> None:
        real = World().now_ms
        monkeypatch.setattr("tnc.cli.context.World", lambda: World(now_ms=lambda: real() + ahead_ms))

    return set_


@pytest.fixture
def imported(tnc: Tnc, tmp_path: Path) -> set[str]:
    """A click on each of the last 9 days."""
    now_ms = int(time.time() * 1000)
    lines = [
        {"click_id": f"past-{day}", "clicked_at": rfc3339(now_ms - day * DAY_MS), "campaign": "summer"}
        for day in range(9)
    ]
    file = tmp_path / "past.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = tnc("import", "clicks", str(file))
    assert done.code == 0, done.err
    return {str(line["click_id"]) for line in lines}


def clicks(tnc: Tnc) -> set[str]:
    return {json.loads(line)["click_id"] for line in tnc("clicks", "--json").out.splitlines()}


def failed(tnc: Tnc) -> set[str]:
    return {each["check"] for each in tnc("doctor", "--json").json if each["state"] == "failed"}


def test_a_new_directory_and_an_import_of_old_clicks_doubt_nothing(tnc: Tnc, imported: set[str]) -> None:
    assert "clock" not in failed(tnc)
    assert tnc("retention", "run").code == 0
    assert clicks(tnc) == imported


@pytest.mark.parametrize("days", [100, 365, -365])
def test_retention_run_exits_4_under_a_doubted_clock_and_destroys_nothing(
    tnc: Tnc, imported: set[str], set_clock: SetClock, days: int
) -> None:
    set_clock(days * DAY_MS)

    refused = tnc("retention", "run")

    assert refused.code == 4
    assert "nothing was deleted" in refused.err
    assert "tnc retention run --yes" in refused.err
    assert clicks(tnc) == (set() if days > 0 else imported)
    doctor = tnc("doctor", "--json")
    assert doctor.code == 1
    (finding,) = [each for each in doctor.json if each["check"] == "clock"]
    assert (finding["state"], "doubted" in finding["text"]) == ("failed", True)
    set_clock(0)
    assert tnc("retention", "run").code == 0
    assert (clicks(tnc), "clock" in failed(tnc)) == (imported, False)


def test_a_withheld_click_is_not_answered(tnc: Tnc, imported: set[str], set_clock: SetClock) -> None:
    set_clock(100 * DAY_MS)

    for click in imported:
        assert tnc("click", click).code == 3
        assert tnc("explain", click).code == 3


def test_yes_confirms_the_clock(tnc: Tnc, imported: set[str], set_clock: SetClock) -> None:
    set_clock(100 * DAY_MS)

    result = tnc("retention", "run", "--yes", "--json").json

    assert sum(each["clicks"] for each in result["days"]) == len(imported)
    assert "clock" not in failed(tnc)
    set_clock(0)
    assert clicks(tnc) == set()


def test_as_of_confirms_the_clock_too(tnc: Tnc, imported: set[str], set_clock: SetClock) -> None:
    set_clock(365 * DAY_MS)
    then = rfc3339(int(time.time() * 1000) + 86 * DAY_MS)

    assert tnc("retention", "run", "--as-of", then).code == 0

    set_clock(0)
    assert 0 < len(clicks(tnc)) < len(imported)


def test_a_clock_that_is_hours_off_is_believed(tnc: Tnc, imported: set[str], set_clock: SetClock) -> None:
    for hours in (1, -1, 9, -9, 0, 25):
        set_clock(hours * HOUR_MS)
        assert tnc("retention", "run").code == 0
    assert clicks(tnc) == imported


def keep_clicks(settings: Settings, days: int) -> None:
    """Change the retention time of clicks in `config.toml`."""
    config = settings.data / "config.toml"
    text = config.read_text().partition("[retention]")[0]
    config.write_text(f"{text}\n[retention]\nclicks_days = {days}\n")


def test_more_than_a_fifth_of_the_days_is_deleted_only_with_yes(
    tnc: Tnc, settings: Settings, imported: set[str]
) -> None:
    keep_clicks(settings, 4)
    kept = clicks(tnc)
    assert 0 < len(kept) < len(imported)

    refused = tnc("retention", "run")

    assert (refused.code, "retention run --yes" in refused.err) == (4, True)
    assert "retention" in failed(tnc)
    keep_clicks(settings, 90)
    assert clicks(tnc) == imported
    keep_clicks(settings, 4)
    assert tnc("retention", "run", "--yes").code == 0
    assert (clicks(tnc), "retention" in failed(tnc)) == (kept, False)
    assert tnc("retention", "run").code == 0


def test_a_few_days_are_deleted_without_confirmation(tnc: Tnc, settings: Settings, imported: set[str]) -> None:
    keep_clicks(settings, 7)

    assert tnc("retention", "run").code == 0

    keep_clicks(settings, 90)
    assert 0 < len(clicks(tnc)) < len(imported)


def test_a_directory_restored_from_an_old_backup_doubts_no_more_than_the_present_one(
    tnc: Tnc, imported: set[str], set_clock: SetClock, tmp_path: Path
) -> None:
    backup = tnc("backup", "create", str(tmp_path), "--json").json["file"]
    set_clock(30 * DAY_MS)
    assert tnc("retention", "run", "--yes").code == 0

    assert tnc("backup", "restore", backup, "--data", str(tmp_path / "restored")).code == 0

    done = CliRunner().invoke(group, ["--config", str(tmp_path / "restored" / "config.toml"), "retention", "run"])
    assert done.exit_code == 0, done.output
