"""How numbers, times, changes and names are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.web.dashboard import format as words
from tnc.web.dashboard.format import MINUS, NOTHING, Change


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7_199, "1 hour"), (172_800, "2 days")],
)
def test_a_duration_has_one_unit(seconds: int, text: str) -> None:
    assert words.duration(seconds) == text


def test_numbers_have_separators_and_few_digits() -> None:
    assert words.number(1234567) == "1,234,567"
    assert words.amount(1234.5) == "1,234.50"
    assert words.amount(0.0123) == "0.0123"
    assert words.amount(-3) == f"{MINUS}3.00"
    assert words.percent(0.1234) == "12.3 %"
    assert {words.number(None), words.amount(None), words.percent(None)} == {NOTHING}


def test_a_change_is_a_sign_and_a_sentence() -> None:
    assert words.change(12, 10, money=False) == Change("up", "+2 (+20.0 %)", "2 more than 10 before")
    assert words.change(7.5, 10, money=True) == Change(
        "down", f"{MINUS}2.50 ({MINUS}25.0 %)", "2.50 less than 10.00 before"
    )
    assert words.change(10, 10, money=False) == Change("same", "±0", "the same as 10 before")
    assert words.change(3, 0, money=False) == Change("up", "+3", "3 more than 0 before")
    assert words.change(None, 10, money=False) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_direction_and_sign_agree(now: int, before: int) -> None:
    change = words.change(now, before, money=False)

    assert change is not None
    assert change.short[0] == {"up": "+", "down": MINUS, "same": "±"}[change.direction]


@pytest.mark.parametrize(
    ("raw", "text"),
    [(None, "unknown"), ("", "unknown"), (True, "yes"), (False, "no"), (("a", None), "a, unknown"), ((), "none"),
     ({"a": "1", "b": "2"}, "a=1  b=2"), ({}, "none"), (0, "0"), ("x", "x")],
)  # fmt: skip
def test_every_kind_of_value_has_a_text(raw: object, text: str) -> None:
    assert words.value(raw) == text


def test_a_time_ahead_of_the_clock_is_just_now() -> None:
    assert words.ago(2_000, 1_000) == "just now"
    assert words.ago(1_000, 62_000) == "1 minute ago"
    assert words.moment(1_795_442_706_123) == "23 Nov 2026, 14:05:06"


def test_an_error_begins_with_a_capital() -> None:
    assert words.sentence("the disk is full; make room.") == "The disk is full; make room."
    assert words.sentence("") == ""
