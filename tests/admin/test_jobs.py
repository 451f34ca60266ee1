"""What the machine does by itself: in turn, whatever goes wrong, and over in time when it is to stop."""

import asyncio
import logging
import os
import threading
import time

import pytest

from tnc.admin.jobs import HOUR, Job, Jobs
from tnc.core.clock import World
from tnc.core.errors import FailedError, NotFoundError, UnavailableError
from tnc.core.process import BEHIND

SOON = 0.01


def job(name: str, run: object) -> Job:
    return Job(name, f"does {name}", SOON, run)  # type: ignore[arg-type]


def jobs(*table: Job) -> Jobs:
    return Jobs(table, World())


async def test_each_has_its_turn_again_and_again_and_one_that_fails_keeps_none_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: list[str] = []

    def fails() -> None:
        turns.append("bad")
        raise OSError("no such luck")

    with caplog.at_level(logging.CRITICAL, "tnc.admin.jobs"):
        async with jobs(job("bad", fails), job("good", lambda: turns.append("good"))).running():
            while turns.count("good") < 3:
                await asyncio.sleep(SOON)

    assert turns.count("bad") >= 3
    stood = len(turns)
    await asyncio.sleep(5 * SOON)
    assert len(turns) == stood


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
        stopping = time.monotonic()

    assert done.is_set()
    assert time.monotonic() - stopping < 5


@pytest.mark.usefixtures("threads_stand_back")
async def test_jobs_let_clicks_go_first() -> None:
    behind: list[int] = []

    async with jobs(job("looks", lambda: behind.append(os.getpriority(os.PRIO_PROCESS, 0)))).running():
        while not behind:
            await asyncio.sleep(SOON)

    assert behind[0] == os.getpriority(os.PRIO_PROCESS, 0) + BEHIND


async def test_one_is_done_when_it_is_asked_for_and_tells_how_it_went() -> None:
    turns: list[str] = []

    def fails() -> None:
        raise OSError("no such luck")

    table = jobs(Job("good", "does good", HOUR, lambda: turns.append("good")), Job("bad", "does bad", HOUR, fails))
    async with table.running():
        told = await asyncio.to_thread(table.do, "good")
        with pytest.raises(FailedError, match="the job bad failed"):
            await asyncio.to_thread(table.do, "bad")
        with pytest.raises(NotFoundError, match="there are: good, bad"):
            table.do("else")

    assert turns == ["good"]
    assert (told["job"], told["failed"], told["every_seconds"]) == ("good", False, 3600)
    assert told["last_at"] is not None
    assert [(each["job"], each["failed"]) for each in table.told()] == [("good", False), ("bad", True)]
    with pytest.raises(UnavailableError):
        table.do("good")
