"""Who waits for company: clicks that come in a crowd, a few milliseconds, and nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from tnc.store.days.batch import BUSY_PER_SECOND, LONGEST_SECONDS, CommitDelay

MANY = 100


def at_a_pace(per_second: float, clicks: int = MANY) -> CommitDelay:
    delay = CommitDelay()
    for number in range(clicks):
        delay.arrived(number / per_second)
    return delay


@given(st.floats(min_value=0.01, max_value=BUSY_PER_SECOND * 0.9))
def test_nobody_waits_where_few_come(per_second: float) -> None:
    assert at_a_pace(per_second).delay_s() == 0


@given(st.integers(min_value=0, max_value=10))
def test_the_first_ones_wait_for_nobody(clicks: int) -> None:
    assert at_a_pace(1e9, clicks).delay_s() == 0


@given(st.floats(min_value=BUSY_PER_SECOND * 1.1, max_value=1e7))
def test_in_a_crowd_the_wait_is_worth_it_and_bounded(per_second: float) -> None:
    delay_s = at_a_pace(per_second).delay_s()

    assert 0 < delay_s <= LONGEST_SECONDS
    assert delay_s * per_second >= 1  # another one is to be expected meanwhile


def test_clicks_at_one_and_the_same_moment_are_a_crowd() -> None:
    delay = CommitDelay()
    for _ in range(MANY):
        delay.arrived(7.0)

    assert delay.delay_s() == LONGEST_SECONDS


def test_when_the_crowd_has_gone_nobody_waits() -> None:
    delay = at_a_pace(BUSY_PER_SECOND * 3)
    for second in range(MANY):
        delay.arrived(1_000.0 + second)

    assert delay.delay_s() == 0
