"""Who waits for company: clicks that come in a crowd, a few milliseconds, and nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from tnc.store.days.batch import BUSY_PER_SECOND, LONGEST_SECONDS, Gathering

MANY = 100


def at_a_pace(per_second: float, clicks: int = MANY) -> Gathering:
    gathering = Gathering()
    for number in range(clicks):
        gathering.arrived(number / per_second)
    return gathering


@given(st.floats(min_value=0.01, max_value=BUSY_PER_SECOND * 0.9))
def test_nobody_waits_where_few_come(per_second: float) -> None:
    assert at_a_pace(per_second).pause_s() == 0


@given(st.integers(min_value=0, max_value=10))
def test_the_first_ones_wait_for_nobody(clicks: int) -> None:
    assert at_a_pace(1e9, clicks).pause_s() == 0


@given(st.floats(min_value=BUSY_PER_SECOND * 1.1, max_value=1e7))
def test_in_a_crowd_the_wait_is_worth_it_and_bounded(per_second: float) -> None:
    pause_s = at_a_pace(per_second).pause_s()

    assert 0 < pause_s <= LONGEST_SECONDS
    assert pause_s * per_second >= 1  # another one is to be expected meanwhile


def test_clicks_at_one_and_the_same_moment_are_a_crowd() -> None:
    gathering = Gathering()
    for _ in range(MANY):
        gathering.arrived(7.0)

    assert gathering.pause_s() == LONGEST_SECONDS


def test_when_the_crowd_has_gone_nobody_waits() -> None:
    gathering = at_a_pace(BUSY_PER_SECOND * 3)
    for second in range(MANY):
        gathering.arrived(1_000.0 + second)

    assert gathering.pause_s() == 0
