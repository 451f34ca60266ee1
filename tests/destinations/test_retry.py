"""Waits between attempts, the circuit breaker, and when a delivery is given up."""

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.destinations.examples import NOW_MS, change, conversion, delivery, refund
from tnc.campaigns.platforms.messages import Answer
from tnc.campaigns.platforms.outcome import Outcome, done, drop, retry, stop, throttled
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tnc.destinations.destination_queue import CircuitBreaker
from tnc.destinations.retry import CAP_MS, expires_ms, first_attempt_ms, wait_ms

chances = st.floats(0, 1, exclude_max=True)
FAILED = retry("http-503")


@given(st.integers(1, 10_000), chances, st.one_of(st.none(), st.integers(0, DAY_MS)), st.floats(0.001, 1))
def test_a_wait_is_between_what_was_asked_for_and_the_cap(
    attempts: int, chance: float, asked: int | None, scale: float
) -> None:
    outcome = Outcome(kind="retry", after_ms=asked)

    wait = wait_ms(outcome, attempts=attempts, chance=chance, scale=scale)

    assert (asked or 0) <= wait <= max(CAP_MS, asked or 0)


@given(st.data())
@example(None)
def test_a_day_of_outage_costs_a_delivery_at_most_40_attempts(dice: st.DataObject | None) -> None:
    now, attempts = 0, 0
    while now < DAY_MS:
        attempts += 1
        chance = 0.0 if dice is None else dice.draw(chances)
        now += wait_ms(FAILED, attempts=attempts, chance=chance)

    assert attempts <= 40


@dataclass
class Outage:
    """Deliveries to a receiver that is down for a day; the clock jumps from one attempt to the next."""

    dice: Random
    waiting: list[int]  # when each delivery may go again
    attempts: list[int] = field(default_factory=list)
    requests: int = 0
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)

    def run(self) -> None:
        self.attempts = [0] * len(self.waiting)
        now = 0
        while now < DAY_MS:
            ready = min(range(len(self.waiting)), key=self.waiting.__getitem__)
            now = max(now, self.waiting[ready], self.breaker.not_before_ms)
            assert self.breaker.may_send(now)
            self.breaker = self.breaker.sending().after(FAILED, now)
            self.requests += 1
            self.attempts[ready] += 1
            self.waiting[ready] = now + wait_ms(FAILED, attempts=self.attempts[ready], chance=self.dice.random())


@pytest.mark.parametrize("queued", [1, 10, 500])
def test_a_receiver_that_is_down_for_a_day_gets_at_most_200_requests(queued: int) -> None:
    for seed in range(20):
        outage = Outage(Random(seed), [0] * queued)

        outage.run()

        assert outage.requests <= 200
        assert max(outage.attempts) <= 40


def test_ten_failures_in_a_row_open_the_breaker_and_one_success_closes_it() -> None:
    breaker = CircuitBreaker()
    for _ in range(9):
        breaker = breaker.sending().after(FAILED, 0)
    assert breaker.may_send(0)

    breaker = breaker.sending().after(FAILED, 0)
    assert not breaker.may_send(29_999)
    assert breaker.may_send(30_000)

    probing = breaker.sending()
    assert not probing.may_send(30_000)
    assert probing.after(FAILED, 30_000).not_before_ms == 90_000
    assert probing.after(done(), 30_000) == CircuitBreaker()


def test_failures_of_most_of_the_last_50_open_the_breaker() -> None:
    breaker = CircuitBreaker()
    for number in range(49):
        breaker = breaker.after(FAILED if number % 2 else done(), 0)
    assert breaker.may_send(0)

    assert breaker.after(FAILED, 0).may_send(0)
    assert not breaker.after(FAILED, 0).after(done(), 0).after(FAILED, 0).after(FAILED, 0).may_send(0)


def test_waits_between_probes_grow_to_15_minutes() -> None:
    breaker, now = CircuitBreaker(), 0
    for _ in range(30):
        breaker = breaker.sending().after(FAILED, now)
        now = max(now, breaker.not_before_ms)

    assert breaker.sending().after(FAILED, now).not_before_ms - now == 15 * MINUTE_MS


def test_requests_sent_before_the_breaker_opened_do_not_lengthen_the_wait() -> None:
    breaker = CircuitBreaker()
    for _ in range(14):
        breaker = breaker.after(FAILED, 0)

    assert breaker.openings == 1


def test_a_refused_credential_stops_the_destination_until_it_is_resumed() -> None:
    stopped = CircuitBreaker().after(stop("meta-190"), 0)

    assert not stopped.may_send(10**15)
    assert stopped.after(done(), 10**15).stopped == "meta-190"
    assert stopped.resumed().may_send(0)


def test_a_late_success_does_not_undo_a_stop() -> None:
    breaker = CircuitBreaker()
    for _ in range(10):
        breaker = breaker.after(FAILED, 0)

    assert not breaker.after(stop("meta-190"), 0).after(done(), 0).may_send(10**15)


def test_retry_after_is_kept_unscaled() -> None:
    answer = Answer(status=429, headers={"retry-after": "30"})

    held = CircuitBreaker().after(throttled("http-429", answer), 1_000, scale=0.001)

    assert not held.may_send(30_999)
    assert held.may_send(31_000)


def test_refused_events_do_not_open_the_breaker() -> None:
    breaker = CircuitBreaker()
    for _ in range(100):
        breaker = breaker.after(drop("meta-100"), 0)

    assert breaker.may_send(0)


def test_deliveries_expire_when_the_platform_would_refuse_them() -> None:
    at = delivery("meta").at_ms

    assert expires_ms(delivery("meta"), NOW_MS) == at + 6 * DAY_MS + 20 * HOUR_MS
    assert expires_ms(delivery("google-ads"), NOW_MS) == at + 90 * DAY_MS
    assert expires_ms(delivery("tiktok"), NOW_MS) == NOW_MS + 7 * DAY_MS
    for each in ("postback", "webhook"):
        assert expires_ms(delivery(each), NOW_MS) == NOW_MS + 3 * DAY_MS


def test_a_future_conversion_and_an_early_correction_wait() -> None:
    early = conversion(change(at_ms=NOW_MS + HOUR_MS))

    assert first_attempt_ms(delivery("meta"), NOW_MS) == NOW_MS
    assert first_attempt_ms(delivery("meta", about=early), NOW_MS) == NOW_MS + HOUR_MS - MINUTE_MS
    correction = first_attempt_ms(refund("google-ads"), NOW_MS)
    assert correction == refund("google-ads").first_event_ms + DAY_MS
