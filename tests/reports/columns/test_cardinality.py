"""The cardinality check keeps identifiers out and lets placements in, in any order of the clicks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.invented_days import click
from tnc.core.models import Click
from tnc.reports.columns.cardinality import CardinalityCheck, ValueShape, Verdict, shape_of


def check_of(values: list[str], sub: str = "sub1") -> CardinalityCheck:
    check = CardinalityCheck()
    for seq, value in enumerate(values):
        check.count(seq, click(subs={sub: value}))
    return check


def allows(check: CardinalityCheck, value: str) -> bool:
    return check.allowed(click(subs={"sub1": value})) == {"sub1": value}


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
def test_emails_phones_and_ip_addresses_are_personal(value: str) -> None:
    assert shape_of(value) is ValueShape.PERSONAL


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
def test_uuids_and_long_tokens_look_like_identifiers(value: str) -> None:
    assert shape_of(value) is ValueShape.IDENTIFIER_LIKE


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
def test_placements_and_creatives_are_plain(value: str) -> None:
    assert shape_of(value) is ValueShape.PLAIN


def test_with_few_clicks_only_the_shape_decides() -> None:
    check = check_of([f"site{n}" for n in range(19)])

    assert allows(check, "site3")
    check.count(19, click(subs={"sub1": "6f1c2d3e0a1b4c5d8e9f0123456789ab"}))
    assert not allows(check, "6f1c2d3e0a1b4c5d8e9f0123456789ab")


@pytest.mark.parametrize(("different", "allowed"), [(10, True), (11, False)])
def test_an_identifier_has_more_than_half_as_many_values_as_clicks(different: int, allowed: bool) -> None:
    check = check_of([f"v{n % different}" for n in range(20)])

    assert allows(check, "v1") is allowed


def test_a_repeated_identifier_like_value_is_allowed_and_a_personal_one_never() -> None:
    check = check_of(["23851234567890123"] * 30 + ["ann@example.com"] * 30)

    assert allows(check, "23851234567890123")
    assert not allows(check, "ann@example.com")


def test_each_parameter_of_each_source_is_checked_separately() -> None:
    check = CardinalityCheck()
    for seq in range(40):
        check.count(seq, click(source="ads", subs={"sub1": f"v{seq}", "sub2": "top"}))
        check.count(seq, click(source=None, subs={"sub1": "top"}))

    assert check.allowed(click(source="ads", subs={"sub1": "v1", "sub2": "top"})) == {"sub2": "top"}
    assert check.allowed(click(source=None, subs={"sub1": "top"})) == {"sub1": "top"}


@pytest.mark.parametrize(
    ("different", "verdict"), [(300, Verdict.LABEL), (5_000, Verdict.LABEL), (15_000, Verdict.IDENTIFIER)]
)
def test_many_different_values_are_estimated_with_few_kept(different: int, verdict: Verdict) -> None:
    check = check_of([f"zone-{n % different}" for n in range(20_000)])

    assert allows(check, "zone-7") is (verdict is Verdict.LABEL)
    assert len(check.records()[0].seen_at) <= 256


words = st.lists(st.sampled_from([f"v{n}" for n in range(40)] + ["0123456789abcdef", "a@b.example"]), max_size=60)


@given(words)
def test_the_order_of_the_clicks_does_not_matter(values: list[str]) -> None:
    shuffled = sorted(values)

    one, other = check_of(values).records(), check_of(shuffled).records()

    assert [(each.counts, each.level, len(each.seen_at), each.withheld) for each in one] == [
        (each.counts, each.level, len(each.seen_at), each.withheld) for each in other
    ]


@given(words, words)
def test_a_resumed_check_equals_one_that_was_never_interrupted(before: list[str], after: list[str]) -> None:
    clicks: list[Click] = [click(subs={"sub1": value}) for value in before + after]
    first = check_of(before)

    resumed = CardinalityCheck.resume(first.records(), lambda seq: clicks[seq])
    for seq in range(len(before), len(clicks)):
        resumed.count(seq, clicks[seq])

    assert resumed.records() == check_of(before + after).records()


@given(words, words)
def test_changed_since_tells_whether_written_values_would_differ_now(before: list[str], after: list[str]) -> None:
    check = check_of(before)
    snapshot = check.snapshot()
    was = [allows(check, value) for value in before]

    for seq, value in enumerate(after, len(before)):
        check.count(seq, click(subs={"sub1": value}))

    assert check.changed_since(snapshot) is (was != [allows(check, value) for value in before])


def test_records_hold_no_value() -> None:
    check = check_of(["ann@example.com", "secret-placement", "0123456789abcdef"])

    assert "secret" not in repr(check.records())
    assert "ann@" not in repr(check.records())
