"""Scheduled jobs: intervals, failures, clock changes and stops."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as Time

import apscheduler.schedulers.base
import pytest

from tnc.admin.jobs import DAY, HOUR, MINUTE, Job, Jobs
from tnc.core.clock import World
from tnc.core.errors import FailedError, NotFoundError, UnavailableError
from tnc.core.process import BACKGROUND_NICENESS

SOON = 0.01
LOWEST = 19  # compared as differences, because the tests may run under `nice`


def job(name: str, run: object) -> Job:
    return Job(name, f"does {name}", SOON, run)  # type: ignore[arg-type]


def jobs(*table: Job) -> Jobs:
    return Jobs(table, World())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(SOON)


async def test_a_job_that_fails_runs_again_and_does_not_keep_others_from_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: list[str] = []

    def fails() -> None:
        turns.append("bad")
        raise OSError("no such luck")

    with caplog.at_level(logging.CRITICAL, "tnc.admin.jobs"):
        async with jobs(job("bad", fails), job("good", lambda: turns.append("good"))).running():
            await until(lambda: turns.count("good") >= 3 and turns.count("bad") >= 3)

    ended = len(turns)
    await asyncio.sleep(5 * SOON)
    assert len(turns) == ended


async def test_jobs_run_one_at_a_time() -> None:
    at_work, most, runs = 0, 0, 0

    def works() -> None:
        nonlocal at_work, most, runs
        at_work += 1
        most = max(most, at_work)
        time.sleep(2 * SOON)
        at_work -= 1
        runs += 1

    async with jobs(job("one", works), job("two", works), job("three", works)).running():
        await until(lambda: runs >= 6)

    assert most == 1


async def test_a_job_that_needs_the_loop_can_end_while_all_is_stopped() -> None:
    loop, began, done = asyncio.get_running_loop(), threading.Event(), threading.Event()

    async def answer() -> str:
        await asyncio.sleep(0.1)
        return "answered"

    def asks() -> None:
        began.set()
        assert asyncio.run_coroutine_threadsafe(answer(), loop).result() == "answered"
        done.set()

    async with jobs(job("asks", asks)).running():
        await asyncio.to_thread(began.wait)

    assert done.is_set()


HANGS = """
import asyncio, threading
from tnc.admin import jobs
from tnc.core.clock import World
jobs._STOP_SECONDS = 0.1
began = threading.Event()
def hang():
    began.set()
    threading.Event().wait()
async def main():
    async with jobs.Jobs((jobs.Job("hang", "hangs", 0.01, hang),), World()).running():
        await asyncio.to_thread(began.wait)
asyncio.run(main())
print("ended")
"""


def test_a_job_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    done = subprocess.run((sys.executable, "-c", HANGS), check=True, capture_output=True, text=True, timeout=240)

    assert done.stdout == "ended\n"


@pytest.mark.usefixtures("real_priority")
async def test_jobs_have_a_lower_priority_than_clicks() -> None:
    behind: list[int] = []

    async with jobs(job("looks", lambda: behind.append(os.getpriority(os.PRIO_PROCESS, 0)))).running():
        await until(lambda: bool(behind))

    assert behind[0] == min(os.getpriority(os.PRIO_PROCESS, 0) + BACKGROUND_NICENESS, LOWEST)


async def test_a_job_runs_when_it_is_asked_for_and_the_answer_says_how_it_went() -> None:
    turns: list[str] = []

    def fails() -> None:
        raise OSError("no such luck")

    table = jobs(Job("good", "does good", HOUR, lambda: turns.append("good")), Job("bad", "does bad", HOUR, fails))
    async with table.running():
        result = await asyncio.to_thread(table.do, "good")
        with pytest.raises(FailedError, match="the job bad failed"):
            await asyncio.to_thread(table.do, "bad")
        with pytest.raises(NotFoundError, match="there are: good, bad"):
            table.do("else")

    assert turns == ["good"]
    assert (result["job"], result["failed"], result["every_seconds"]) == ("good", False, 3600)
    assert result["last_at"] is not None
    assert [(each["job"], each["failed"]) for each in table.to_json()] == [("good", False), ("bad", True)]
    with pytest.raises(UnavailableError):
        table.do("good")


# ------------------------------------------------------------------------------------------ clock changes


class Clocks:
    """A wall clock and a monotonic clock that a test moves, and a table of jobs that counts its runs.

    APScheduler reads the wall clock itself, so its clock is replaced by this one.
    """

    def __init__(self, now: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
        self.steady_s = 1000.0
        self.runs: list[str] = []
        self.world = World(now_ms=lambda: round(self.wall_s * 1000), steady_ms=lambda: round(self.steady_s * 1000))
        clocks = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> "Now":
                return cls.fromtimestamp(clocks.wall_s, tz)

        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Now)

    @asynccontextmanager
    async def running(self, *, last: str | None = None) -> AsyncIterator[None]:
        def counted(name: str, seconds: float) -> Job:
            return Job(name, f"does {name}", seconds, lambda: self.runs.append(name))

        last_ms = None if last is None else round(datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp() * 1000)
        table = (
            counted("minute", MINUTE),
            replace(counted("night", DAY), daily_at=Time(3, 10), last_ms=last_ms),
            Job("nothing", "does nothing", 1000 * DAY, lambda: None),
        )
        self.jobs = Jobs(table, self.world)
        async with self.jobs.running():
            yield

    async def set_by(self, **span: float) -> list[str]:
        """Set the wall clock while no time passes; returns the jobs that ran because of it."""
        self.wall_s += timedelta(**span).total_seconds()
        return await self._runs()

    async def passes(self, **span: float) -> list[str]:
        """Move both clocks ahead at once; returns the jobs that ran."""
        seconds = timedelta(**span).total_seconds()
        self.wall_s += seconds
        self.steady_s += seconds
        return await self._runs()

    async def _runs(self) -> list[str]:
        """The jobs that ran. All due jobs are submitted at once, and a job that is requested afterwards runs last."""
        self.jobs._scheduler._process_jobs()
        await asyncio.to_thread(self.jobs.do, "nothing")
        runs, self.runs[:] = sorted(self.runs), []
        return runs

    def next_in_seconds(self) -> dict[str, int]:
        return {each["job"]: each["next_in_seconds"] for each in self.jobs.to_json() if each["job"] != "nothing"}


async def test_jobs_run_at_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks("2026-11-30 02:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert clocks.next_in_seconds() == {"minute": 60, "night": 70 * 60}
        assert await clocks.passes(seconds=59) == []
        assert await clocks.passes(seconds=2) == ["minute"]
        assert await clocks.passes(minutes=68, seconds=58) == ["minute"]  # 03:09:59; missed runs are not repeated
        assert await clocks.passes(minutes=1) == ["minute", "night"]
        assert await clocks.passes(hours=23, minutes=59) == ["minute"]
        assert await clocks.passes(minutes=1) == ["minute", "night"]
        assert clocks.next_in_seconds()["night"] == pytest.approx(DAY, abs=60)


async def test_a_night_that_was_missed_while_the_server_was_down_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks("2026-11-30 12:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert await clocks.passes(minutes=59) == ["minute"]
        assert await clocks.passes(minutes=1) == ["minute", "night"]
        assert await clocks.passes(hours=14, minutes=9) == ["minute"]
        assert await clocks.passes(minutes=1) == ["minute", "night"]  # 03:10 again


async def test_a_job_runs_neither_twice_nor_never_when_the_clock_is_set_back_five_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks("2026-11-30 03:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert await clocks.passes(minutes=30) == ["minute", "night"]
        assert await clocks.passes(seconds=40) == []
        assert await clocks.set_by(hours=-5) == []
        assert clocks.next_in_seconds()["minute"] == 20
        assert await clocks.passes(seconds=20) == ["minute"]
        assert await clocks.passes(hours=6) == ["minute"]  # 04:31 of the same night
        assert await clocks.passes(hours=22, minutes=35) == ["minute"]
        assert await clocks.passes(minutes=5) == ["minute", "night"]


async def test_the_night_is_waited_for_again_when_the_clock_is_set_back_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks("2026-11-30 02:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert await clocks.set_by(hours=-5) == []
        assert await clocks.passes(hours=6) == ["minute"]
        assert await clocks.passes(minutes=10) == ["minute", "night"]


@pytest.mark.parametrize("hours", [2, 10 * 365 * 24])
async def test_a_night_that_the_clock_jumps_over_is_made_up_for_once(
    hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks("2026-11-30 02:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert await clocks.set_by(hours=hours) == ["night"]
        assert await clocks.passes(seconds=59) == []
        assert await clocks.passes(seconds=1) == ["minute"]
        assert await clocks.passes(hours=3) == ["minute"]
        assert await clocks.passes(hours=24) == ["minute", "night"]


async def test_a_night_that_was_done_is_not_done_again_when_the_clock_jumps_ten_years_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks("2026-11-30 03:00", monkeypatch)
    async with clocks.running(last="2026-11-29 03:12"):
        assert await clocks.passes(minutes=30) == ["minute", "night"]
        assert await clocks.set_by(days=3653) == []
        assert await clocks.passes(hours=23) == ["minute"]
        assert await clocks.passes(minutes=40) == ["minute", "night"]


async def test_a_clock_that_is_set_again_and_again_keeps_no_job_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks("2026-11-30 12:00", monkeypatch)
    async with clocks.running(last="2026-11-30 03:12"):
        ran = [(await clocks.set_by(seconds=-90), await clocks.passes(seconds=30)) for _ in range(4)]

    assert ran == [([], []), ([], ["minute"]), ([], []), ([], ["minute"])]
