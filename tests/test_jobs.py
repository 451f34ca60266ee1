"""What the machine does by itself: in turn, whatever goes wrong, and over in time when it is to stop."""

import asyncio
import logging
import threading
import time

import pytest

from tnc.jobs import Job, Jobs

SOON = 0.01


def job(name: str, run: object) -> Job:
    return Job(name, f"does {name}", SOON, run)  # type: ignore[arg-type]


async def test_each_has_its_turn_again_and_again_and_one_that_fails_keeps_none_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: list[str] = []

    def fails() -> None:
        turns.append("bad")
        raise OSError("no such luck")

    with caplog.at_level(logging.CRITICAL, "tnc.jobs"):
        async with Jobs((job("bad", fails), job("good", lambda: turns.append("good")))).running():
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

    async with Jobs((job("asks", asks),)).running():
        await asyncio.to_thread(began.wait)
        stopping = time.monotonic()

    assert done.is_set()
    assert time.monotonic() - stopping < 5
