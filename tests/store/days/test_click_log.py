"""The click log: group commits in order, durable before the redirect, and retries when the disk refuses."""

import asyncio
import os
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as amended

from tests.store.records import DATE, NOON_MS, canary_click, day_reader, keyring, leaks, numbered
from tnc.core.clock import DAY_MS
from tnc.core.errors import NotFoundError, UnavailableError
from tnc.core.models import MAIN, SourceId
from tnc.store.days.click_log import ClickLog, Day, Days
from tnc.store.days.files import DetachedError
from tnc.store.days.schema import FINISHING, finish
from tnc.store.days.writer import DayWriter, all_dates, day_path

TODAY: Day = (MAIN, DATE)


@asynccontextmanager
async def running(data: Path, **settings: Any) -> AsyncIterator[ClickLog]:
    log = ClickLog(Days(data / "days", keyring(data)), **settings)
    log.start()
    try:
        yield log
    finally:
        await log.close()


def stored(data: Path) -> list[str]:
    with day_reader(data) as reader:
        return [click.click_id for _, click in reader.clicks()]


def names(*numbers: int) -> list[str]:
    return [numbered(number).click_id for number in numbers]


async def put(log: ClickLog, *numbers: int) -> list[bool]:
    return await asyncio.gather(*(log.put(MAIN, numbered(number)) for number in numbers))


async def until(holds: Callable[[], bool]) -> None:
    """Wait for the writer's thread; the time limit of the test ends this."""
    while not holds():
        await asyncio.sleep(0.01)


@asynccontextmanager
async def busy_writer(log: ClickLog) -> AsyncIterator[None]:
    """The writer's thread blocks within a transaction until the block ends."""
    entered, go_on = threading.Event(), threading.Event()

    def work(_: DayWriter) -> None:
        entered.set()
        go_on.wait()

    job = asyncio.create_task(log.run(TODAY, work))
    await asyncio.to_thread(entered.wait)
    try:
        yield
    finally:
        go_on.set()
        await job


# ------------------------------------------------------------------------------------------------- recording


async def test_a_click_is_on_disk_when_its_visitor_is_redirected(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        assert await log.put(MAIN, canary_click())

        assert stored(tmp_path) == [canary_click().click_id]


async def test_200_clicks_at_once_are_stored_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        assert await put(log, *range(200)) == [True] * 200

        assert stored(tmp_path) == names(*range(200))


async def test_clicks_that_arrive_during_a_commit_are_the_next_commit(tmp_path: Path) -> None:
    statements: list[str] = []
    async with running(tmp_path) as log:
        async with busy_writer(log):
            await log_statements(log, statements)
            waiting = asyncio.create_task(put(log, *range(150)))
            await asyncio.sleep(0)
            assert stored(tmp_path) == []
        assert await waiting == [True] * 150

    assert stored(tmp_path) == names(*range(150))
    assert len([each for each in statements if each.startswith(("commit", "COMMIT"))]) <= 2


async def log_statements(log: ClickLog, statements: list[str]) -> None:
    writer = log._days.writer(TODAY)
    writer._database.set_trace_callback(statements.append)


async def test_clicks_around_midnight_are_stored_in_their_own_days(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        clicks = [numbered(n, at_ms=NOON_MS + n * DAY_MS // 2) for n in range(14)]

        assert all(await asyncio.gather(*(log.put(MAIN, click) for click in clicks)))

    assert all_dates(tmp_path / "days", MAIN) == [DATE + timedelta(days=n) for n in range(8)]
    assert stored(tmp_path) == names(0)


async def test_clicks_of_a_prepared_day_are_stored_like_others(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        await put(log, 0)
        await log.prepare([TODAY, (MAIN, DATE + timedelta(days=1))])
        await put(log, *range(1, 50))
        await log.put(MAIN, numbered(99, at_ms=NOON_MS + DAY_MS))
        await log.run(TODAY, lambda writer: writer.add_click(numbered(50)))
        await put(log, 51)

    assert stored(tmp_path) == names(*range(52))


# ---------------------------------------------------------------------------------------------------------- jobs


async def test_run_returns_the_result_of_the_work(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        await put(log, 1)

        found = await log.run(TODAY, lambda writer: writer.find(numbered(1).click_id))

    assert found is not None
    assert found[1] == numbered(1)


async def test_failed_work_undoes_only_its_own_changes(tmp_path: Path) -> None:
    def half(writer: DayWriter) -> None:
        writer.add_click(numbered(666))
        writer.count("half", 1)
        raise NotFoundError("half way")

    async with running(tmp_path) as log:
        async with busy_writer(log):
            before = asyncio.create_task(put(log, 1))
            failing = asyncio.create_task(log.run(TODAY, half))
            counting = asyncio.create_task(log.run(TODAY, lambda writer: writer.count("whole", 1)))
            after = asyncio.create_task(put(log, 2))
            await asyncio.sleep(0)

        assert [*await before, *await after] == [True, True]
        await counting
        with pytest.raises(NotFoundError, match="half way"):
            await failing

    assert stored(tmp_path) == names(1, 2)
    with day_reader(tmp_path) as reader:
        assert (reader.number("half"), reader.number("whole")) == (0, 1)


async def test_counting_is_durable(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        priced = amended(canary_click(), source=SourceId("meta"), cost_micros=2_000, currency="USD")
        await asyncio.gather(*(log.count_opted_out(MAIN, priced) for _ in range(30)))
        await log.count_opted_out(MAIN, canary_click())
        await log.count_opted_out(MAIN, canary_click(traffic="prefetch"))
        await log.count_opted_out(MAIN, amended(canary_click(), test=True))

        with day_reader(tmp_path) as reader:
            paid, free = sorted(reader.opted_out(), key=lambda each: each.visits, reverse=True)
            assert (paid.visits, paid.cost_micros, paid.currency) == (30, 60_000, "USD")
            assert (free.visits, free.cost_micros, free.currency) == (1, 0, None)


async def test_a_click_that_cannot_be_sealed_is_counted_and_does_not_affect_others(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        too_large = canary_click(params={"q": "x" * (2 << 20)})

        at_once = [log.put(MAIN, click) for click in (numbered(1), too_large, numbered(2))]
        assert await asyncio.gather(*at_once) == [True, False, True]
        assert await log.put(MAIN, too_large) is False
        await log.prepare([TODAY])
        assert [await log.put(MAIN, too_large), await log.put(MAIN, numbered(3))] == [False, True]

        assert log.recording().lost == 3
        assert log.recording().failing is None

    assert stored(tmp_path) == names(1, 2, 3)


# ------------------------------------------------------------------------------------------ a disk that refuses


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Another connection holds the write lock of the day."""
    with sqlite3.connect(day_path(data / "days", MAIN, DATE), isolation_level=None) as other:
        other.execute("begin immediate")
        yield
        other.execute("rollback")


@contextmanager
def no_folder(data: Path) -> Iterator[None]:
    """The folder of the day cannot be created: a file has its name."""
    place = data / "days" / MAIN
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"")
    yield
    place.unlink()


async def test_visitors_are_redirected_and_clicks_wait_while_the_disk_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        await put(log, 1)
        with held(tmp_path):
            assert await put(log, 2, 3) == [False, False]
            assert await put(log, 4) == [False]

            status = log.recording()
            assert (status.waiting, status.lost) == (3, 0)
            assert status.failing is not None
            assert "locked" in status.failing
            assert stored(tmp_path) == names(1)

        await until(lambda: log.recording().failing is None)
        assert log.recording().waiting == 0
        assert stored(tmp_path) == names(1, 2, 3, 4)


@pytest.mark.parametrize("prepared", [False, True])
async def test_clicks_are_stored_once_and_in_order_after_many_refusals(tmp_path: Path, *, prepared: bool) -> None:
    async with running(tmp_path) as log:
        if prepared:
            await log.prepare([TODAY])
        for turn in range(3):
            await put(log, turn * 10)
            with held(tmp_path):
                assert await put(log, *range(turn * 10 + 1, turn * 10 + 10)) == [False] * 9
            await until(lambda: log.recording().failing is None)

    assert stored(tmp_path) == names(*range(30))


async def test_a_folder_that_cannot_be_created_is_retried(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        with no_folder(tmp_path):
            assert await put(log, 1) == [False]
            assert log.recording().failing is not None
        await until(lambda: log.recording().failing is None)

    assert stored(tmp_path) == names(1)


async def test_waiting_clicks_are_limited_and_lost_ones_counted(tmp_path: Path) -> None:
    async with running(tmp_path, waiting_limit=5) as log:
        await put(log, 0)
        with held(tmp_path):
            for number in range(1, 13):
                assert await put(log, number) == [False]
            assert (log.recording().waiting, log.recording().lost) == (5, 7)
        await until(lambda: log.recording().failing is None)
        assert await put(log, 13) == [True]
        assert log.recording().lost == 7

    assert stored(tmp_path) == names(0, 1, 2, 3, 4, 5, 13)
    with day_reader(tmp_path) as reader:
        assert reader.number("clicks lost") == 7


async def test_run_raises_while_the_disk_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        await put(log, 1)
        with held(tmp_path):
            await put(log, 2)
            with pytest.raises(UnavailableError, match="locked"):
                await log.run(TODAY, lambda writer: writer.count("whole", 1))
            await log.count_opted_out(MAIN, canary_click())
        await until(lambda: log.recording().failing is None)
        await log.run(TODAY, lambda writer: writer.count("whole", 1))

    with day_reader(tmp_path) as reader:
        assert (reader.number("whole"), reader.opted_out()) == (1, [])


async def test_visitors_are_redirected_while_a_commit_hangs_and_clicks_are_stored_later(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        async with busy_writer(log):
            assert await put(log, 1, 2) == [False, False]
            assert log.recording().failing == "the disk does not answer"
            assert await put(log, 3) == [False]
        await until(lambda: log.recording().failing is None)

        assert await put(log, 4) == [True]
        assert log.recording().lost == 0

    assert stored(tmp_path) == names(1, 2, 3, 4)


async def test_the_queue_is_limited_while_the_writer_hangs(tmp_path: Path) -> None:
    async with running(tmp_path, waiting_limit=10) as log:
        async with busy_writer(log):
            waiting = [asyncio.create_task(log.put(MAIN, numbered(number))) for number in range(30)]
            await asyncio.sleep(0)
            assert await log.put(MAIN, numbered(99)) is False
        kept = sum(await asyncio.gather(*waiting))

        assert log.recording().lost == 31 - kept
        assert kept <= 12

    assert stored(tmp_path) == names(*range(kept))


@pytest.mark.parametrize("prepared", [False, True])
async def test_a_commit_that_is_wrongly_reported_as_failed_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, prepared: bool
) -> None:
    commit = DayWriter.commit_rows

    def stored_and_denied(writer: DayWriter, rows: Any) -> None:
        monkeypatch.undo()
        commit(writer, rows)
        raise sqlite3.OperationalError("disk I/O error")

    async with running(tmp_path) as log:
        if prepared:
            await log.prepare([TODAY])
        await put(log, 1)
        monkeypatch.setattr(DayWriter, "commit_rows", stored_and_denied)
        assert await put(log, 2, 3) == [False, False]
        await until(lambda: log.recording().failing is None)
        assert await put(log, 4) == [True]
        assert log.recording().lost == 0

    assert stored(tmp_path) == names(1, 2, 3, 4)


async def test_only_writes_of_a_detached_day_wait(tmp_path: Path) -> None:
    detached, go_on = threading.Event(), threading.Event()
    path = day_path(tmp_path / "days", *TODAY)

    def work() -> str:
        detached.set()
        go_on.wait()
        for search in FINISHING:
            finish(path, search)
        return "done"

    async with running(tmp_path) as log:
        assert await put(log, 1) == [True]
        lending = asyncio.create_task(log.detach(TODAY, work))
        await asyncio.to_thread(detached.wait)

        counting = asyncio.create_task(log.run(TODAY, lambda writer: writer.count("whole", 1)))
        coming = asyncio.create_task(log.put(MAIN, numbered(2)))
        tomorrow = numbered(3, at_ms=NOON_MS + DAY_MS)
        assert await log.put(MAIN, tomorrow) is True
        assert not counting.done()
        assert not coming.done()
        for wants_it in (
            lambda days: days.writer(TODAY),
            lambda days: days.close_day(TODAY),
            lambda days: days.drop(TODAY),
        ):
            with pytest.raises(DetachedError, match="try again in a few seconds"):
                await log.exclusive(wants_it)

        go_on.set()
        assert await lending == "done"
        assert await coming is True
        await counting

    assert stored(tmp_path) == names(1, 2)
    with day_reader(tmp_path) as reader:
        assert reader.is_finished()
        assert reader.number("whole") == 1


async def test_a_day_is_reattached_when_the_work_fails_and_at_the_end(tmp_path: Path) -> None:
    detached, go_on = threading.Event(), threading.Event()

    def fails() -> None:
        raise OSError("no space")

    def works() -> None:
        detached.set()
        go_on.wait()

    async with running(tmp_path) as log:
        with pytest.raises(OSError, match="no space"):
            await log.detach(TODAY, fails)
        assert await put(log, 1) == [True]

        lending = asyncio.create_task(log.detach(TODAY, works))
        await asyncio.to_thread(detached.wait)
        waiting = asyncio.create_task(log.put(MAIN, numbered(2)))
        await asyncio.sleep(0.05)
    go_on.set()
    lending.cancel()

    assert await waiting is True
    assert stored(tmp_path) == names(1, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
async def test_clicks_wait_until_a_full_disk_has_room(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tnc-test", small], check=True)
    try:
        (small / "ballast").write_bytes(bytes(200_000))
        async with running(small) as log:
            number, full = 0, False
            while not full:
                full = (await put(log, *range(number, number + 20)))[-1] is False
                number += 20
            failing = log.recording().failing
            assert failing is not None
            assert "full" in failing or "I/O" in failing
            assert leaks(small) == []

            (small / "ballast").unlink()
            await until(lambda: log.recording().failing is None)

            assert log.recording().lost == 0
        assert stored(small) == names(*range(number))
    finally:
        subprocess.run(["umount", small], check=True)


# --------------------------------------------------------------------------------------------------- closing


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    log = ClickLog(Days(tmp_path / "days", keyring(tmp_path)))
    log.start()
    async with busy_writer(log):
        waiting = asyncio.create_task(put(log, *range(100)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(log.close())
        await asyncio.sleep(0)
    await closing

    assert await waiting == [True] * 100
    assert not list(tmp_path.rglob("*-wal"))
    assert stored(tmp_path) == names(*range(100))


async def test_closing_retries_what_the_disk_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as log:
        await put(log, 1)
        with held(tmp_path):
            await put(log, 2)

    assert stored(tmp_path) == names(1, 2)
    assert log.recording().lost == 0
    assert not [record for record in caplog.records if "lost" in record.message]


async def test_clicks_that_the_disk_refuses_at_the_end_are_counted_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as log:
        await put(log, 1)

    with held(tmp_path):
        async with running(tmp_path) as log:
            await put(log, 2, 3)
        assert log.recording().lost == 2

    assert stored(tmp_path) == names(1)
    assert [record.count for record in caplog.records if "lost" in record.message] == [2]  # type: ignore[attr-defined]


async def test_a_cancelled_caller_does_not_affect_others(tmp_path: Path) -> None:
    async with running(tmp_path) as log:
        async with busy_writer(log):
            gone = asyncio.create_task(log.put(MAIN, numbered(1)))
            stays = asyncio.create_task(log.put(MAIN, numbered(2)))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
        assert await stays

    assert stored(tmp_path) == names(1, 2)


async def test_nothing_personal_is_logged_when_recording_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as log:
        await log.put(MAIN, canary_click())
        with held(tmp_path):
            await log.put(MAIN, canary_click())
        await until(lambda: log.recording().failing is None)

    (tmp_path / "log").write_text("\n".join(str(record.__dict__) for record in caplog.records))
    assert "cannot be recorded" in (tmp_path / "log").read_text()
    assert leaks(tmp_path) == []
