"""Weights and stickiness: a visitor keeps their option, and a change moves as few visitors as possible."""

from hypothesis import given
from hypothesis import strategies as st

from tests.rules.shop import law
from tnc.rules.weights import Draw, Option

names = st.sampled_from("abcdefgh")
weights = st.dictionaries(names, st.integers(0, 100), min_size=1, max_size=8)
keys = st.binary(min_size=1, max_size=40)


def draw(weighted: dict[str, int], what: str = "offer") -> Draw[str]:
    return Draw.between([Option(name, weight) for name, weight in weighted.items()], "summer", "rest", what)


def part(of: Draw[str], option: str, visitors: int = 4000) -> float:
    return sum(of.pick(f"{number:032x}".encode()) == option for number in range(visitors)) / visitors


@law
@given(weights, keys)
def test_only_options_with_weight_are_picked(weighted: dict[str, int], key: bytes) -> None:
    picked = draw(weighted).pick(key)

    assert (picked is None) == (max(weighted.values()) == 0)
    assert picked is None or weighted[picked] > 0


@law
@given(weights, keys, names)
def test_removing_an_option_moves_only_its_own_visitors(weighted: dict[str, int], key: bytes, away: str) -> None:
    before = draw(weighted).pick(key)
    after = draw({name: weight for name, weight in weighted.items() if name != away}).pick(key)

    assert before in {after, away}
    assert draw(weighted).pick(key, {away}) == after


@law
@given(weights, keys, names, st.integers(1, 100))
def test_more_weight_never_loses_a_visitor(weighted: dict[str, int], key: bytes, name: str, more: int) -> None:
    before = draw(weighted).pick(key)
    after = draw(weighted | {name: weighted.get(name, 0) + more}).pick(key)

    assert after in {before, name}


@law
@given(weights, keys)
def test_the_order_of_options_does_not_matter(weighted: dict[str, int], key: bytes) -> None:
    assert draw(weighted).pick(key) == draw(dict(reversed(weighted.items()))).pick(key)


def test_shares_follow_the_weights() -> None:
    weighted = draw({"a": 70, "b": 20, "c": 10, "d": 0})

    assert weighted.shares() == {"a": 0.7, "b": 0.2, "c": 0.1}
    for option, share in weighted.shares().items():
        assert abs(part(weighted, option) - share) < 0.025  # 3.4 standard deviations of 4000 draws


def test_lander_and_offer_are_drawn_independently() -> None:
    lander, offer = draw({"a": 1, "b": 1}, "lander"), draw({"a": 1, "b": 1}, "offer")
    same = sum(lander.pick(key) == offer.pick(key) for key in (f"{number:032x}".encode() for number in range(4000)))

    assert abs(same / 4000 - 0.5) < 0.027


def test_no_option_is_picked_when_all_are_excluded() -> None:
    assert draw({"a": 1}).pick(b"x", {"a"}) is None
    assert draw({"a": 1, "b": 2}).pick(b"x", {"a", "b"}) is None
