"""The delay of a commit: a few milliseconds at high rates, none at low ones."""

from hypothesis import given
from hypothesis import strategies as st

from tnc.store.days.batch import BUSY_PER_SECOND, MAX_DELAY_SECONDS, CommitDelay

MANY = 100


def at_a_pace(per_second: float, clicks: int = MANY) -> CommitDelay:
    delay = CommitDelay()
    for number in range(clicks):
        delay.arrived(number / per_second)
    return delay


@given(st.floats(min_value=0.01, max_value=BUSY_PER_SECOND * 0.9))
def test_commits_are_not_delayed_at_low_rates(per_second: float) -> None:
    assert at_a_pace(per_second).delay_s() == 0


@given(st.integers(min_value=0, max_value=10))
def test_the_first_clicks_are_not_delayed(clicks: int) -> None:
    assert at_a_pace(1e9, clicks).delay_s() == 0


@given(st.floats(min_value=BUSY_PER_SECOND * 1.1, max_value=1e7))
def test_commits_are_delayed_at_high_rates_up_to_a_limit(per_second: float) -> None:
    delay_s = at_a_pace(per_second).delay_s()

    assert 0 < delay_s <= MAX_DELAY_SECONDS
    assert delay_s * per_second >= 1  # another one is to be expected meanwhile


def test_clicks_at_the_same_moment_count_as_a_high_rate() -> None:
    delay = CommitDelay()
    for _ in range(MANY):
        delay.arrived(7.0)

    assert delay.delay_s() == MAX_DELAY_SECONDS


def test_commits_are_not_delayed_after_the_rate_has_fallen() -> None:
    delay = at_a_pace(BUSY_PER_SECOND * 3)
    for second in range(MANY):
        delay.arrived(1_000.0 + second)

    assert delay.delay_s() == 0
