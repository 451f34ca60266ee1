"""The puncturable key: every leaf can be derived until it is punctured, and then no ancestor of it remains."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.store.keys.puncturable import DEPTH, PuncturableKey, PuncturedError, children

ROOT = bytes(range(32))
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "tree.json").read_text())

near = st.integers(min_value=0, max_value=40)
anywhere = st.integers(min_value=0, max_value=(1 << DEPTH) - 1)
leaves = st.lists(near | anywhere, max_size=25)


def by_definition(seq: int) -> bytes:
    node = ROOT
    for depth in range(DEPTH):
        node = children(node)[(seq >> (DEPTH - 1 - depth)) & 1]
    return node


@given(leaves, leaves)
def test_a_punctured_leaf_is_refused_and_every_other_is_derived(punctured: list[int], asked: list[int]) -> None:
    key = PuncturableKey.from_root(ROOT)
    for seq in punctured:
        key.puncture(seq)

    for seq in asked + punctured:
        if seq in punctured:
            with pytest.raises(PuncturedError):
                key.leaf(seq)
        else:
            assert key.leaf(seq) == by_definition(seq)


@given(leaves)
def test_no_ancestor_of_a_punctured_leaf_remains(punctured: list[int]) -> None:
    key = PuncturableKey.from_root(ROOT)
    for seq in punctured:
        key.puncture(seq)

    ancestors = {(depth, seq >> (DEPTH - depth)) for seq in punctured for depth in range(DEPTH + 1)}
    assert not key.positions & ancestors


@given(leaves)
def test_the_frontier_covers_exactly_the_leaves_that_are_not_punctured(punctured: list[int]) -> None:
    key = PuncturableKey.from_root(ROOT)
    for seq in punctured:
        key.puncture(seq)

    assert sum(1 << (DEPTH - depth) for depth, _ in key.positions) == (1 << DEPTH) - len(set(punctured))


@given(leaves)
def test_the_gaps_are_exactly_the_punctured_leaves(punctured: list[int]) -> None:
    key = PuncturableKey.from_root(bytes(32))
    for seq in punctured:
        key.puncture(seq)

    assert [seq for first, last in key.gaps() for seq in range(first, last + 1)] == sorted(set(punctured))


def test_an_empty_frontier_is_one_gap() -> None:
    assert PuncturableKey([]).gaps() == [(0, (1 << DEPTH) - 1)]
    assert PuncturableKey.from_root(bytes(32)).gaps() == []


@given(leaves, leaves)
def test_a_key_is_the_same_after_dump_and_load(punctured: list[int], asked: list[int]) -> None:
    key = PuncturableKey.from_root(ROOT)
    for seq in punctured:
        key.puncture(seq)

    again = PuncturableKey.load(key.dump())

    assert again.positions == key.positions
    assert all(again.leaf(seq) == key.leaf(seq) for seq in asked if seq not in punctured)


def test_puncturing_twice_changes_nothing() -> None:
    key = PuncturableKey.from_root(ROOT)

    assert key.puncture(7)
    before = key.dump()

    assert not key.puncture(7)
    assert key.dump() == before


@pytest.mark.parametrize("seq", [-1, 1 << DEPTH])
def test_a_number_outside_the_tree_is_refused(seq: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        PuncturableKey.from_root(ROOT).leaf(seq)


def test_the_published_vectors_hold() -> None:
    root = bytes.fromhex(VECTORS["root"])
    key = PuncturableKey.from_root(root)

    assert VECTORS["depth"] == DEPTH
    assert [half.hex() for half in children(root)] == VECTORS["children_of_root"]
    for seq, leaf in VECTORS["leaves"].items():
        assert key.leaf(int(seq)).hex() == leaf
    for seq in VECTORS["punctured"]:
        key.puncture(seq)
    assert sorted([depth, number] for depth, number in key.positions) == VECTORS["frontier_after_puncture"]
