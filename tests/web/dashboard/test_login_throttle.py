"""Guessing passwords is slowed down, and no account is locked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.clock import MINUTE_MS
from tnc.web.dashboard.login_throttle import (
    FIRST_DELAY_MS,
    FREE_FAILURES,
    FREE_TRIES,
    FREQUENT_A_MINUTE,
    LONGEST_DELAY_MS,
    OTHERS_A_MINUTE,
    WINDOW_MS,
    Guesser,
    Throttle,
)

A, B = Guesser("a", "192.0.2.0/24"), Guesser("b", "198.51.100.0/24")


def test_each_failure_from_the_sixth_on_doubles_the_wait() -> None:
    throttle, now_ms, waits = Throttle(), 0, []

    for _ in range(FREE_FAILURES + 3):
        waits.append(throttle.wait_ms(A, now_ms=now_ms))
        now_ms += waits[-1]
        throttle.failed(A, now_ms=now_ms)

    assert waits == [0] * FREE_FAILURES + [FIRST_DELAY_MS, 2 * FIRST_DELAY_MS, 4 * FIRST_DELAY_MS]


def test_a_success_and_fifteen_quiet_minutes_reset_the_wait() -> None:
    throttle = Throttle()
    for _ in range(10):
        throttle.failed(A, now_ms=0)
        throttle.failed(B, now_ms=0)

    throttle.succeeded(A)

    assert throttle.wait_ms(A, now_ms=1) == 0
    assert throttle.wait_ms(B, now_ms=1) == LONGEST_DELAY_MS - 1
    assert throttle.wait_ms(B, now_ms=WINDOW_MS + 1) == 0


def test_one_accounts_failures_do_not_delay_another() -> None:
    throttle = Throttle()
    for _ in range(20):
        throttle.failed(A, now_ms=0)

    assert throttle.wait_ms(B, now_ms=0) == 0


@pytest.mark.parametrize("networks", [1, 2, 7, 5_000])
def test_networks_without_a_sign_in_may_try_fifty_times_a_minute_together(networks: int) -> None:
    throttle, tried = Throttle(), []
    for number in range(50 * 600):
        guesser = Guesser(str(number), f"network {number % networks}")
        if not throttle.wait_ms(guesser, now_ms=number * 20):
            tried.append(number * 20)

    for minute in range(0, 540_000, 7_000):
        assert sum(minute <= at < minute + MINUTE_MS for at in tried) <= OTHERS_A_MINUTE + FREQUENT_A_MINUTE == 50


def test_a_dozen_new_networks_do_not_keep_the_owner_out() -> None:
    throttle = Throttle()
    for number in range(50 * 60):
        throttle.wait_ms(Guesser(str(number), f"network {number % 12}"), now_ms=number * 20)

    assert throttle.wait_ms(B, now_ms=MINUTE_MS) == 0


def test_a_network_that_signed_in_before_is_let_in_during_a_flood_from_everywhere() -> None:
    throttle = Throttle()
    assert throttle.wait_ms(B, now_ms=0) == 0
    throttle.succeeded(B)
    for number in range(50 * 50):
        throttle.wait_ms(Guesser(str(number), f"network {number}"), now_ms=number * 20)

    assert throttle.wait_ms(A, now_ms=50_000) > 0
    assert throttle.wait_ms(B, now_ms=50_000) == 0


def test_a_flood_from_a_few_networks_does_not_block_others() -> None:
    throttle, allowed = Throttle(), 0
    for number in range(50 * 600):
        allowed += not throttle.wait_ms(Guesser(str(number), f"network {number % 3}"), now_ms=number * 20)
        if number == 100:
            assert throttle.wait_ms(B, now_ms=number * 20) == 0, "from the first second on"

    assert allowed <= 10 * FREQUENT_A_MINUTE + 3 * FREE_TRIES
    assert throttle.wait_ms(A, now_ms=10 * MINUTE_MS) == 0


def test_failures_followed_by_a_sign_in_are_no_flood() -> None:
    throttle, then_ms = Throttle(), 10 * MINUTE_MS
    for number in range(40):
        now_ms = number * MINUTE_MS // 4
        assert throttle.wait_ms(A, now_ms=now_ms) == 0
        if number % 4 == 3:
            throttle.succeeded(A)
        else:
            throttle.failed(A, now_ms=now_ms)

    for number in range(50 * 60):
        throttle.wait_ms(Guesser(str(number), "a network"), now_ms=then_ms + number * 20)
    assert throttle.wait_ms(A, now_ms=then_ms + MINUTE_MS) == 0


@given(st.lists(st.integers(min_value=0, max_value=5 * MINUTE_MS), max_size=200))
def test_after_the_wait_a_try_is_allowed(pauses: list[int]) -> None:
    throttle, now_ms = Throttle(), 0
    for pause in pauses:
        now_ms += pause
        throttle.failed(A, now_ms=now_ms)

    wait_ms = throttle.wait_ms(A, now_ms=now_ms)

    assert wait_ms <= LONGEST_DELAY_MS
    assert throttle.wait_ms(A, now_ms=now_ms + wait_ms) == 0


@pytest.mark.parametrize("strangers", [5_000])
def test_memory_is_bounded(strangers: int) -> None:
    throttle = Throttle()
    for number in range(strangers):
        throttle.failed(Guesser(str(number), str(number)), now_ms=number)
        throttle.wait_ms(Guesser(str(number), str(number)), now_ms=number * MINUTE_MS)

    assert (len(throttle._failures), len(throttle._tries)) == (1_000, 1_000)
