"""The cardinality guard: identifiers stay out, placements come in, whatever the order of the clicks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.invented import click
from tnc.core.models import Click
from tnc.reports.columns.cardinality import Guard, Look, Verdict, look


def guard_of(values: list[str], sub: str = "sub1") -> Guard:
    guard = Guard()
    for seq, value in enumerate(values):
        guard.count(seq, click(subs={sub: value}))
    return guard


def admits(guard: Guard, value: str) -> bool:
    return guard.admitted(click(subs={"sub1": value})) == {"sub1": value}


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.com",
        "Ann.B+x@mail.example.co.uk",
        "ann%40example.com",
        "mailto:ann@example.com?x=1",
        "+49 170 1234567",
        "+15551234567",
        "(555) 123-4567",
        "555-123-4567",
        "203.0.113.77",
        "2001:db8::1",
    ],
)
def test_what_points_at_a_person_is_seen(value: str) -> None:
    assert look(value) is Look.PERSONAL


@pytest.mark.parametrize(
    "value",
    [
        "6f1c2d3e-0a1b-4c5d-8e9f-0123456789ab",
        "6f1c2d3e0a1b4c5d8e9f0123456789ab",
        "Cj0KCQiA5NSqBhCmARIsAKv-1234_abcDEF",
        "IwAR2xYz0123456789abcdefgh",
        "0123456789abcdef",
        "23851234567890123",
        "user:987654321",
    ],
)
def test_what_looks_like_an_identifier_is_seen(value: str) -> None:
    assert look(value) is Look.ODD


@pytest.mark.parametrize(
    "value",
    [
        "",
        "top",
        "banner-300x250",
        "summer-sale-2026-week-48-blue",
        "2026-11-23",
        "12345678",
        "site.example",
        "v2.3.1",
        "größe",
    ],
)
def test_placements_and_creatives_look_plain(value: str) -> None:
    assert look(value) is Look.PLAIN


def test_with_few_clicks_only_the_look_decides() -> None:
    guard = guard_of([f"site{n}" for n in range(19)])

    assert admits(guard, "site3")
    guard.count(19, click(subs={"sub1": "6f1c2d3e0a1b4c5d8e9f0123456789ab"}))
    assert not admits(guard, "6f1c2d3e0a1b4c5d8e9f0123456789ab")


@pytest.mark.parametrize(("different", "open_"), [(10, True), (11, False)])
def test_more_than_half_as_many_values_as_clicks_is_an_identifier(different: int, open_: bool) -> None:
    guard = guard_of([f"v{n % different}" for n in range(20)])

    assert admits(guard, "v1") is open_


def test_an_odd_value_that_comes_back_is_admitted_and_a_personal_one_never() -> None:
    guard = guard_of(["23851234567890123"] * 30 + ["ann@example.com"] * 30)

    assert admits(guard, "23851234567890123")
    assert not admits(guard, "ann@example.com")


def test_each_source_and_parameter_is_judged_alone() -> None:
    guard = Guard()
    for seq in range(40):
        guard.count(seq, click(source="ads", subs={"sub1": f"v{seq}", "sub2": "top"}))
        guard.count(seq, click(source=None, subs={"sub1": "top"}))

    assert guard.admitted(click(source="ads", subs={"sub1": "v1", "sub2": "top"})) == {"sub2": "top"}
    assert guard.admitted(click(source=None, subs={"sub1": "top"})) == {"sub1": "top"}


@pytest.mark.parametrize(
    ("different", "verdict"), [(300, Verdict.OPEN), (5_000, Verdict.OPEN), (15_000, Verdict.IDENTIFIER)]
)
def test_of_many_values_an_estimate_is_enough(different: int, verdict: Verdict) -> None:
    guard = guard_of([f"zone-{n % different}" for n in range(20_000)])

    assert admits(guard, "zone-7") is (verdict is Verdict.OPEN)
    assert len(guard.records()[0].seen_at) <= 256


words = st.lists(st.sampled_from([f"v{n}" for n in range(40)] + ["0123456789abcdef", "a@b.example"]), max_size=60)


@given(words)
def test_the_order_of_the_clicks_does_not_matter(values: list[str]) -> None:
    shuffled = sorted(values)

    one, other = guard_of(values).records(), guard_of(shuffled).records()

    assert [(each.counts, each.level, len(each.seen_at), each.withheld) for each in one] == [
        (each.counts, each.level, len(each.seen_at), each.withheld) for each in other
    ]


@given(words, words)
def test_a_resumed_guard_says_what_one_guard_says(before: list[str], after: list[str]) -> None:
    clicks: list[Click] = [click(subs={"sub1": value}) for value in before + after]
    first = guard_of(before)

    resumed = Guard.resume(first.records(), lambda seq: clicks[seq])
    for seq in range(len(before), len(clicks)):
        resumed.count(seq, clicks[seq])

    assert resumed.records() == guard_of(before + after).records()


@given(words, words)
def test_a_contradiction_is_whatever_would_be_written_otherwise(before: list[str], after: list[str]) -> None:
    guard = guard_of(before)
    snapshot = guard.snapshot()
    was = [admits(guard, value) for value in before]

    for seq, value in enumerate(after, len(before)):
        guard.count(seq, click(subs={"sub1": value}))

    assert guard.contradicts(snapshot) is (was != [admits(guard, value) for value in before])


def test_records_hold_no_value() -> None:
    guard = guard_of(["ann@example.com", "secret-placement", "0123456789abcdef"])

    assert "secret" not in repr(guard.records())
    assert "ann@" not in repr(guard.records())
