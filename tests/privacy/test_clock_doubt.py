"""A wrong clock destroys nothing: retention is held, what would be past its time is withheld, and all comes back."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.privacy.small_workspace import (
    CANARY_VISITOR,
    DAYS,
    NOW_MS,
    SmallWorkspace,
    click_of_another,
    file_contents,
    small_workspace,
)
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tnc.core.errors import NotFoundError, RefusedError
from tnc.core.models import MAIN, ClickId
from tnc.privacy.export import export_zip
from tnc.privacy.retention import Retention
from tnc.store.clock_check import STEADY_MS, TOLERANCE_MS

YEAR_MS = 365 * DAY_MS
A_CLICK = ClickId("stranger-2026-11-22-000001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(6)
        made.canary_clicks(2)
        made.workspace.rotate_salts()
        keeper(made).remove_expired()
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(folder) as made:
        keeper(made).remove_expired()
        yield made


def keeper(made: SmallWorkspace) -> Retention:
    return Retention(made.workspace, made.writer, roll_up_days=lambda _settings, _dates: None)


def run_for(made: SmallWorkspace, hours: float, *, step_ms: int = 10 * MINUTE_MS) -> None:
    """Both clocks go on, and the job does its work."""
    retention = keeper(made)
    for _ in range(round(hours * HOUR_MS / step_ms)):
        made.now_ms += step_ms
        made.steady_ms += step_ms
        retention.remove_expired()


def stored(made: SmallWorkspace) -> dict[str, bytes]:
    """The keys and clicks of days, and what else retention destroys."""
    made.days.close()
    kept = file_contents(made.data)
    return {
        name: kept[name]
        for name in kept
        if name.startswith(("ring/main/20", "days/")) and not name.endswith(("-wal", "-shm"))
    }


def is_doubted(made: SmallWorkspace) -> bool:
    return made.workspace.clock.doubt() is not None


@pytest.mark.parametrize("wrong_ms", [100 * DAY_MS, YEAR_MS, 20 * YEAR_MS, -YEAR_MS, -30 * YEAR_MS])
def test_a_start_with_a_wrong_clock_destroys_nothing_and_all_comes_back(folder: Path, wrong_ms: int) -> None:
    with small_workspace(folder) as made:
        before, clicks, salts = stored(made), made.click_ids(), made.workspace.rotate_salts()

    with small_workspace(folder, now_ms=NOW_MS + wrong_ms) as made:
        keeper(made).remove_expired()
        made.workspace.rotate_salts()
        assert is_doubted(made)
        with pytest.raises(RefusedError, match="retention run --yes"):
            keeper(made).run()
        if wrong_ms > 0:
            assert (made.workspace.histories.dates(), made.click_ids()) == ([], set())
            with pytest.raises(NotFoundError):
                made.workspace.histories.get(A_CLICK)
        else:
            assert made.click_ids() == clicks
        run_for(made, 5)
        assert stored(made) == before

    with small_workspace(folder) as made:
        keeper(made).remove_expired()
        assert not is_doubted(made)
        assert made.click_ids() == clicks
        assert made.workspace.rotate_salts() == salts
        assert stored(made) == before


@pytest.mark.parametrize("jump_ms", [100 * DAY_MS, YEAR_MS, -YEAR_MS])
def test_a_jump_while_running_destroys_nothing(running: SmallWorkspace, jump_ms: int) -> None:
    run_for(running, 3)
    before, clicks = stored(running), running.click_ids()

    running.now_ms += jump_ms

    assert is_doubted(running), "from the first moment on"
    run_for(running, 23)
    assert stored(running) == before
    running.now_ms -= jump_ms
    run_for(running, 1)
    assert not is_doubted(running)
    assert (stored(running), running.click_ids()) == (before, clicks)


def test_after_a_hundred_days_off_a_day_of_running_ends_the_doubt(folder: Path) -> None:
    """The machine shows nothing too old from its first moment, and destroys it after 24 hours, restarts included."""
    back_ms = NOW_MS + 100 * DAY_MS
    with small_workspace(folder, now_ms=back_ms) as made:
        before = stored(made)
        keeper(made).remove_expired()
        assert made.workspace.histories.dates() == []
        run_for(made, 12)
    with small_workspace(folder, now_ms=back_ms + 13 * HOUR_MS) as made:
        keeper(made).remove_expired()
        run_for(made, 11)
        assert stored(made) == before
        assert is_doubted(made)
        run_for(made, 2)
        assert not is_doubted(made)
        assert stored(made) == {}
        assert list(made.workspace.keyring.all_days(MAIN)) == []


def test_another_jump_begins_the_day_of_running_anew(running: SmallWorkspace) -> None:
    before = stored(running)
    running.now_ms += 100 * DAY_MS
    run_for(running, 20)

    running.now_ms += 200 * DAY_MS
    run_for(running, 20)

    assert is_doubted(running)
    assert stored(running) == before


def test_the_owners_word_ends_the_doubt_and_destroys_what_is_due(running: SmallWorkspace) -> None:
    running.now_ms += 100 * DAY_MS

    result = keeper(running).run(yes=True)

    assert [each["date"] for each in result["days"]] == [date.isoformat() for date in DAYS]
    assert stored(running) == {}
    assert not is_doubted(running)
    run_for(running, 1)
    assert not is_doubted(running)


def test_a_time_given_by_the_owner_needs_no_believed_clock(running: SmallWorkspace) -> None:
    running.now_ms += 100 * DAY_MS

    result = keeper(running).run(as_of_ms=NOW_MS + 89 * DAY_MS)

    assert [each["date"] for each in result["days"]] == ["2026-11-22", "2026-11-23"]
    assert is_doubted(running)


def test_a_dry_run_shows_what_is_held_and_why(running: SmallWorkspace) -> None:
    running.now_ms += 100 * DAY_MS

    result = keeper(running).run(dry_run=True)

    assert len(result["days"]) == 3
    assert "100 days ahead" in result["held"]


def test_terms_changed_under_a_doubted_clock_destroy_nothing(running: SmallWorkspace) -> None:
    before = stored(running)
    running.now_ms += 100 * DAY_MS

    result = keeper(running).set({"clicks": 30})

    assert (result["days"], running.workspace.settings.clicks_days) == ([], 30)
    assert "doubted" in result["held"]
    assert stored(running) == before


@pytest.mark.parametrize("off_ms", [0, 500, -MINUTE_MS, HOUR_MS, -HOUR_MS, 8 * HOUR_MS, 25 * HOUR_MS, -25 * HOUR_MS])
def test_small_offsets_are_believed(running: SmallWorkspace, off_ms: int) -> None:
    running.now_ms += off_ms
    run_for(running, 2)

    assert not is_doubted(running)
    keeper(running).run()


def test_a_machine_that_sleeps_every_night_is_believed(running: SmallWorkspace) -> None:
    for _ in range(20):
        run_for(running, 8, step_ms=HOUR_MS)
        running.now_ms += 16 * HOUR_MS  # the monotonic clock does not count it
        keeper(running).remove_expired()
        assert not is_doubted(running)


def test_a_clock_that_runs_far_too_fast_is_doubted(running: SmallWorkspace) -> None:
    before = stored(running)
    for _ in range(30):
        running.steady_ms += HOUR_MS
        running.now_ms += 90 * HOUR_MS // 10
        keeper(running).remove_expired()
    assert is_doubted(running)
    assert stored(running) == before


@pytest.mark.parametrize(("off_ms", "doubted"), [(HOUR_MS, False), (30 * DAY_MS, True), (-30 * DAY_MS, True)])
def test_without_a_clock_record_the_newest_click_counts(folder: Path, off_ms: int, doubted: bool) -> None:
    """So it is with a data directory of an earlier version."""
    (folder / "data" / "clock.json").unlink()

    with small_workspace(folder, now_ms=NOW_MS + off_ms) as made:
        keeper(made).remove_expired()
        assert is_doubted(made) is doubted
        made.workspace.clock.confirm()
        assert not is_doubted(made)


@pytest.mark.parametrize("content", [b"", b"{", b'{"believed_at_ms":"x"}', b"\xff" * 50])
def test_a_damaged_clock_record_is_replaced(folder: Path, content: bytes) -> None:
    (folder / "data" / "clock.json").write_bytes(content)

    with small_workspace(folder, now_ms=NOW_MS + 100 * DAY_MS) as made:
        keeper(made).remove_expired()
        assert is_doubted(made)


def test_clicks_recorded_under_a_wrong_clock_do_not_make_the_right_one_doubtful(folder: Path) -> None:
    with small_workspace(folder, now_ms=NOW_MS + 100 * DAY_MS) as made:
        keeper(made).remove_expired()
        date = DAYS[-1] + timedelta(days=100)
        made.record(click_of_another(1, date))
        assert made.click_ids() == {f"stranger-{date}-000001"}

    with small_workspace(folder) as made:
        keeper(made).remove_expired()
        assert not is_doubted(made)


def test_clicks_recorded_just_before_a_restart_do_not_confirm_a_wrong_clock(running: SmallWorkspace) -> None:
    before = stored(running)
    running.now_ms += 100 * DAY_MS
    running.record(click_of_another(1, DAYS[-1] + timedelta(days=100)))  # and a crash before the next look

    with small_workspace(running.data.parent, now_ms=running.now_ms) as made:
        keeper(made).remove_expired()
        assert is_doubted(made)
        assert before.items() <= stored(made).items()


def test_a_clock_that_was_ahead_from_the_beginning_can_be_set_right(tmp_path: Path) -> None:
    with small_workspace(tmp_path, now_ms=NOW_MS + YEAR_MS) as made:
        made.record(click_of_another(1, DAYS[-1] + timedelta(days=365)))
        keeper(made).remove_expired()

    with small_workspace(tmp_path) as made:
        keeper(made).remove_expired()
        assert is_doubted(made)
        run_for(made, 25)
        assert not is_doubted(made)
    with small_workspace(tmp_path, now_ms=NOW_MS + 26 * HOUR_MS) as made:
        keeper(made).remove_expired()
        assert not is_doubted(made)


def test_objections_hold_while_the_clock_is_ahead(running: SmallWorkspace) -> None:
    eraser = running.eraser()
    eraser.object(eraser.subject(visitor=CANARY_VISITOR))
    running.now_ms += YEAR_MS
    keeper(running).remove_expired()

    assert running.workspace.opt_outs().match(CANARY_VISITOR, "192.0.2.1")


def test_what_is_withheld_is_in_no_report_and_no_export_but_an_erasure_reaches_it(running: SmallWorkspace) -> None:
    running.now_ms += 89 * DAY_MS  # the first two days are past their time
    visible = {each for each in running.click_ids() if "2026-11-24" in each}
    assert running.click_ids() == visible
    assert running.report("campaign")["totals"]["visits"] == len(visible)
    eraser = running.eraser()
    subject = eraser.subject(visitor=CANARY_VISITOR)
    assert len(export_zip(running.workspace, eraser.vaults, subject)) < len(_export_of_all(running))

    eraser.erase(subject)

    assert running.leaks() == []
    running.now_ms = NOW_MS
    assert not [each for each in running.click_ids() if each.startswith("canary")]


def _export_of_all(running: SmallWorkspace) -> bytes:
    now_ms, running.now_ms = running.now_ms, NOW_MS
    eraser = running.eraser()
    found = export_zip(running.workspace, eraser.vaults, eraser.subject(visitor=CANARY_VISITOR))
    running.now_ms = now_ms
    return found


def test_the_tolerance_and_the_day_of_running_are_what_the_documents_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"{TOLERANCE_MS // HOUR_MS} hours" in page
    assert f"{STEADY_MS // HOUR_MS} hours of running" in page
