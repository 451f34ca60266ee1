"""`Seen` behaves like a dictionary of last visits."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.tracking import seen as module
from tnc.tracking.seen import Seen, seen_key

DAY_S = 86_400

# Few keys and few slots that they fall on, so that they meet.
keys = st.integers(1, 6) | st.integers(0, 3).map(lambda n: 1 + (n << 40)) | st.integers(1, (1 << 64) - 1)
visits = st.lists(st.tuples(keys, st.integers(0, 2 * DAY_S)), max_size=60)


@given(visits, st.integers(1, DAY_S))
def test_a_visitor_is_known_within_the_window_and_new_after_it(steps: list[tuple[int, int]], window_s: int) -> None:
    seen, model, now_s = Seen(window_s=window_s), dict[int, tuple[int, int]](), 1_700_000_000

    for key, later_s in steps:
        now_s += later_s
        last = model.get(key)
        before = last[1] if last is not None and now_s - last[0] < window_s else None

        assert seen.visits(key, now_s, window_s) == before

        model[key] = (now_s, (before or 0) + 1)
        seen.record(key, now_s, (before or 0) + 1)


@given(st.integers(0, DAY_S), st.integers(1, DAY_S))
def test_the_window_ends_on_the_second(away_s: int, window_s: int) -> None:
    seen = Seen(window_s=DAY_S)
    seen.record(7, 1_000_000, 1)

    assert (seen.visits(7, 1_000_000 + away_s, window_s) is None) == (away_s >= window_s)


def test_a_clock_set_back_makes_no_visitor_new() -> None:
    seen = Seen(window_s=DAY_S)
    seen.record(7, 2_000_000, 1)

    assert seen.visits(7, 1_000_000, DAY_S) == 1
    seen.record(7, 1_000_000, 2)
    assert seen.visits(7, 1_000_001, DAY_S) == 2


def test_visits_are_counted_up_to_4095() -> None:
    seen = Seen()
    for visits in (1, 4095, 4096, 1_000_000):
        seen.record(7, 1_000_000, visits)

        assert seen.visits(7, 1_000_000, DAY_S) == min(visits, 4095)


def test_no_visitor_is_lost_while_the_table_grows() -> None:
    seen, many = Seen(window_s=DAY_S), 150_000
    names = [seen_key(f"visitor {number}", "summer") for number in range(many)]

    for number, key in enumerate(names):
        seen.record(key, 1_000_000, number % 5 + 1)

    assert len(seen._tables) > 1
    assert all(seen.visits(key, 1_000_001, DAY_S) == number % 5 + 1 for number, key in enumerate(names))
    assert seen.visits(seen_key("somebody else", "summer"), 1_000_001, DAY_S) is None


def test_a_constant_number_of_visitors_a_day_needs_constant_memory() -> None:
    seen = Seen(window_s=DAY_S)
    sizes = []

    for day in range(8):
        for number in range(20_000):
            seen.record(seen_key(f"{day}/{number}"), (100 + 2 * day) * DAY_S, 1)
        sizes.append(sum(table.slots for table in seen._tables))

    assert max(sizes) <= 2 * sizes[2]
    assert sizes[-1] == sizes[-2]


def test_at_the_largest_size_the_oldest_visitors_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_SLOTS", 1 << 8)
    monkeypatch.setattr(module, "_MAX_SLOTS", 1 << 11)
    seen, many = Seen(window_s=DAY_S), 10_000
    names = [seen_key(str(number)) for number in range(many)]

    tracemalloc.start()
    for number, key in enumerate(names):
        seen.record(key, 1_000_000 + number, 1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert max(table.slots for table in seen._tables) <= 1 << 11
    assert held < 4 * 16 * (1 << 11)  # 16 bytes a slot; no more than as much again for the smaller tables and Python
    known = [seen.visits(key, 1_000_000 + many, DAY_S) is not None for key in names]
    assert all(known[-500:])
    assert not all(known[-5_000:])


def test_keys_differ_by_each_part() -> None:
    made = {
        seen_key(*parts) for parts in (("a",), ("b",), ("a", "summer"), ("a", "winter"), ("a", "summer", "converted"))
    }

    assert len(made) == 5
    assert 0 not in made
    assert seen_key("a", "summer") == seen_key("a", "summer")


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 500)), max_size=30))
def test_past_visits_can_be_added_in_any_order(visits: list[tuple[int, int]]) -> None:
    in_order, backwards = Seen(window_s=1000), Seen(window_s=1000)

    for key, at_s in sorted(visits, key=lambda visit: visit[1]):
        in_order.recall(key, at_s)
    for key, at_s in sorted(visits, key=lambda visit: -visit[1]):
        backwards.recall(key, at_s)

    for key in (1, 2, 3):
        assert in_order.visits(key, 600, 1000) == backwards.visits(key, 600, 1000)
