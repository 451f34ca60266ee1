"""Guessing passwords gets slow, and nobody is locked out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.web.dashboard.throttle import (
    ATTEMPTS_A_MINUTE,
    FIRST_DELAY_MS,
    FREE_FAILURES,
    LONGEST_DELAY_MS,
    WINDOW_MS,
    Throttle,
)

MINUTE_MS = 60_000


def test_the_sixth_try_waits_and_each_failure_doubles_the_wait() -> None:
    throttle, now_ms, waits = Throttle(), 0, []

    for _ in range(FREE_FAILURES + 3):
        waits.append(throttle.wait_ms("a", now_ms=now_ms))
        now_ms += waits[-1]
        throttle.failed("a", now_ms=now_ms)

    assert waits == [0] * FREE_FAILURES + [FIRST_DELAY_MS, 2 * FIRST_DELAY_MS, 4 * FIRST_DELAY_MS]


def test_a_success_and_a_quiet_quarter_of_an_hour_forgive() -> None:
    throttle = Throttle()
    for _ in range(10):
        throttle.failed("a", now_ms=0)
        throttle.failed("b", now_ms=0)

    throttle.succeeded("a")

    assert throttle.wait_ms("a", now_ms=1) == 0
    assert throttle.wait_ms("b", now_ms=1) == LONGEST_DELAY_MS - 1
    assert throttle.wait_ms("b", now_ms=WINDOW_MS + 1) == 0


def test_one_accounts_failures_do_not_delay_another() -> None:
    throttle = Throttle()
    for _ in range(20):
        throttle.failed("a", now_ms=0)

    assert throttle.wait_ms("b", now_ms=0) == 0


def test_all_together_try_thirty_times_a_minute() -> None:
    throttle = Throttle()

    waits = [throttle.wait_ms(str(number), now_ms=number) for number in range(ATTEMPTS_A_MINUTE + 1)]

    assert waits == [0] * ATTEMPTS_A_MINUTE + [MINUTE_MS - ATTEMPTS_A_MINUTE]
    assert throttle.wait_ms("later", now_ms=MINUTE_MS) == 0


@given(st.lists(st.integers(min_value=0, max_value=5 * MINUTE_MS), max_size=200))
def test_whoever_waits_as_told_may_try(pauses: list[int]) -> None:
    throttle, now_ms = Throttle(), 0
    for pause in pauses:
        now_ms += pause
        throttle.failed("a", now_ms=now_ms)

    wait_ms = throttle.wait_ms("a", now_ms=now_ms)

    assert wait_ms <= LONGEST_DELAY_MS
    assert throttle.wait_ms("a", now_ms=now_ms + wait_ms) == 0


@pytest.mark.parametrize("strangers", [5_000])
def test_memory_is_bounded_however_many_names_are_tried(strangers: int) -> None:
    throttle = Throttle()
    for number in range(strangers):
        throttle.failed(str(number), now_ms=number)

    assert len(throttle._failures) == 1_000
