"""Which visits a condition holds for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.shop import CAMPAIGN, NOON, conditions, holds, law, visit, visits, when
from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.models import Condition, Operator, Visit
from tnc.rules.conditions import compile_condition
from tnc.rules.operators import version
from tnc.rules.vocabulary import Scope


@law
@given(conditions, visits)
def test_no_visit_makes_a_condition_raise(condition: Condition, each: Visit) -> None:
    assert holds(condition, each) in {True, False}


@law
@given(conditions, visits)
def test_not_is_the_opposite_of_is(condition: Condition, each: Visit) -> None:
    if condition.operator in {"is", "not"}:
        other: Operator = "not" if condition.operator == "is" else "is"

        assert holds(condition, each) is not holds(replace(condition, operator=other), each)


@pytest.mark.parametrize(
    ("fact", "operator", "value", "known", "other"),
    [
        ("city", "contains", "Ber", {"city": "BERLIN"}, {"city": "Paris"}),
        ("city", "contains", ["x", "ber"], {"city": "Berlin"}, {"city": "Paris"}),
        ("city", "starts", ["ber", "ham"], {"city": "Hamburg"}, {"city": "Old Hamburg"}),
        ("city", "ends", "burg", {"city": "Hamburg"}, {"city": "Hamburger"}),
        ("city", "matches", ["^ham", "^ber"], {"city": "Berlin"}, {"city": "Bonn"}),
        ("city", "is", "berlin", {"city": "Berlin"}, {"city": "Bonn"}),
        ("domain", "is", ["münchen.example"], {"domain": "xn--mnchen-3ya.example"}, {"domain": "munchen.example"}),
        ("domain", "is", ["xn--mnchen-3ya.example"], {"domain": "xn--mnchen-3ya.example"}, {"domain": "a.example"}),
        ("referrer_domain", "is", ["例え.jp"], {"referrer_domain": "xn--r8jz45g.jp"}, {"referrer_domain": "a.jp"}),
        ("domain", "ends", "ünchen.example", {"domain": "xn--mnchen-3ya.example"}, {"domain": "unchen.example"}),
        ("domain", "contains", ["例"], {"domain": "www.xn--r8jz45g.jp"}, {"domain": "www.jp"}),
        ("domain", "matches", "^mü", {"domain": "xn--mnchen-3ya.example"}, {"domain": "xn--r8jz45g.jp"}),
        ("country", "is", ["us", "CA"], {"country": "US"}, {"country": "DE"}),
        ("language", "is", ["EN"], {"language": "en"}, {"language": "de"}),
        ("device", "is", ["Mobile"], {"device": "mobile"}, {"device": "tv"}),
        ("asn", "is", [7922], {"asn": 7922}, {"asn": 7923}),
        ("asn", "above", 100, {"asn": 101}, {"asn": 100}),
        ("asn", "below", 100, {"asn": 99}, {"asn": 100}),
        ("asn", "between", [100, 102], {"asn": 102}, {"asn": 103}),
        ("vpn", "is", [True], {"vpn": True}, {"vpn": False}),
        ("os_version", "above", "10.9", {"os_version": "10.15"}, {"os_version": "10.9.0"}),
        ("os_version", "below", 17, {"os_version": "9.3"}, {"os_version": "17.0"}),
        ("os_version", "between", ["10.9", "11"], {"os_version": "10.15.7"}, {"os_version": "11.1"}),
        ("os_version", "is", ["17"], {"os_version": "17.0"}, {"os_version": "17.1"}),
        ("os_version", "is", ["vista"], {"os_version": "Vista"}, {"os_version": "7"}),
        ("os_version", "starts", "10.", {"os_version": "10.15"}, {"os_version": "101"}),
        ("param.age", "above", 18, {"params": {"age": "21"}}, {"params": {"age": "9"}}),
        ("param.age", "between", [18, "30.5"], {"params": {"age": "30.5"}}, {"params": {"age": "old"}}),
        ("param.age", "is", [18], {"params": {"age": "18.0"}}, {"params": {"age": "19"}}),
        ("param.Age", "is", ["x"], {"params": {"Age": "X"}}, {"params": {"age": "x"}}),
        ("header.X-App", "is", ["shop"], {"headers": {"x-app": "Shop"}}, {"headers": {"x-app": ""}}),
        ("sub3", "is", ["a"], {"subs": {"sub3": "A"}}, {"subs": {"sub2": "a"}}),
        ("external_id", "starts", "ab", {"external_id": "abc"}, {"external_id": "cab"}),
        ("reasons", "is", ["duplicate"], {"reasons": ("x", "duplicate")}, {"reasons": ("x",)}),
        ("reasons", "starts", "dup", {"reasons": ("duplicate",)}, {"reasons": ("x",)}),
        ("ip", "in", ["203.0.113.0/24"], {"ip": "203.0.113.9"}, {"ip": "203.0.114.9"}),
        ("ip", "in", ["203.0.113.0/24"], {"ip": "203.0.113.0/24"}, {"ip": "203.0.0.0/16"}),
        ("ip", "in", ["203.0.113.0/24"], {"ip": "::ffff:203.0.113.9"}, {"ip": "::ffff:203.0.114.9"}),
        ("ip", "in", ["2001:db8::/32"], {"ip": "2001:db8:1::/48"}, {"ip": "2001:db9::1"}),
        ("ip", "in", ["203.0.113.7"], {"ip": "203.0.113.7"}, {"ip": "203.0.113.0/24"}),
        ("ip", "is", ["2001:DB8:0::7"], {"ip": "2001:db8::7"}, {"ip": "2001:db8::8"}),
        ("ip", "starts", ["203.0."], {"ip": "203.0.113.7"}, {"ip": "1.203.0.1"}),
        ("domain", "ends", ".example", {"domain": "a.example"}, {"domain": "a.test"}),
        ("unique_campaign", "is", [True], {"unique_campaign": True}, {"unique_campaign": False}),
        ("converted", "is", [False], {"converted": False}, {"converted": True}),
        ("clicked_at", "above", "2026-11-24T11:59", {"visited_at_ms": NOON}, {"visited_at_ms": NOON - MINUTE_MS}),
    ],
)  # fmt: skip
def test_a_condition_holds_for_what_it_names_and_for_nothing_else(
    fact: str, operator: str, value: object, known: dict[str, object], other: dict[str, object]
) -> None:
    condition = when(fact, operator, value)

    assert holds(condition, visit(**known))
    assert not holds(condition, visit(**other))


@pytest.mark.parametrize("fact", ["country", "city", "vpn", "asn", "os_version", "param.a", "sub1", "reasons", "ip"])
def test_unknown_can_be_matched(fact: str) -> None:
    unknown = visit()

    assert holds(when(fact, "is", ["unknown"]), unknown)
    assert not holds(when(fact, "not", ["unknown"]), unknown)


def test_an_unknown_country_is_none_of_the_listed_ones() -> None:
    assert holds(when("country", "not", ["US"]), visit())
    assert not holds(when("country", "not", ["US", "unknown"]), visit())


def test_consent_can_be_unknown() -> None:
    assert holds(when("consent", "is", ["unknown"]), visit())
    assert not holds(when("consent", "is", ["unknown"]), visit(consent="denied"))


@pytest.mark.parametrize(
    ("fact", "operator", "value"),
    [("city", "contains", "x"), ("asn", "below", 5), ("os_version", "below", "99"), ("ip", "in", ["0.0.0.0/0"])],
)
def test_only_is_and_not_hold_for_an_unknown_value(fact: str, operator: str, value: object) -> None:
    assert not holds(when(fact, operator, value), visit())


def at_hour(hour: int, minute: int = 0) -> Visit:
    return visit(visited_at_ms=NOON + (hour - 12) * HOUR_MS + minute * MINUTE_MS)


def test_hours_wrap_over_midnight_with_both_ends() -> None:
    night = when("hour", "between", [22, 6])

    assert [hour for hour in range(24) if holds(night, at_hour(hour))] == [0, 1, 2, 3, 4, 5, 6, 22, 23]
    assert holds(night, at_hour(6, 59))


def test_an_hour_is_that_of_the_zone_also_where_it_has_half_hours() -> None:
    assert holds(when("hour", "is", [17], "Asia/Kolkata"), at_hour(12))  # 17:30
    assert holds(when("hour", "is", [18], "Asia/Kolkata"), at_hour(12, 30))
    assert holds(when("hour", "is", [7], "America/New_York"), at_hour(12))


def test_times_of_day_count_to_the_minute() -> None:
    night = when("hour", "between", ["22:30", "06:15"])

    assert holds(night, at_hour(22, 30))
    assert holds(night, at_hour(6, 15))
    assert not holds(night, at_hour(6, 16))
    assert not holds(night, at_hour(22, 29))
    assert holds(when("hour", "above", "17:29", "Asia/Kolkata"), at_hour(12))
    assert not holds(when("hour", "below", "17:30", "Asia/Kolkata"), at_hour(12))


def test_weekdays_wrap_over_the_end_of_the_week() -> None:
    weekend = when("weekday", "between", ["fri", "mon"])
    week = [visit(visited_at_ms=NOON + day * 24 * HOUR_MS) for day in range(7)]  # from a Tuesday on

    assert [holds(weekend, day) for day in week] == [False, False, False, True, True, True, True]


def test_a_weekday_is_that_of_the_zone() -> None:
    assert holds(when("weekday", "is", ["wed"], "Pacific/Auckland"), visit())
    assert holds(when("weekday", "is", ["tue"]), visit())


def test_a_moment_without_a_zone_is_in_the_zone_of_its_condition() -> None:
    assert holds(when("clicked_at", "between", ["2026-11-24T13:00", "2026-11-24T13:00"], "Europe/Berlin"), visit())


def test_campaign_and_source_are_facts_of_a_condition() -> None:
    scope = Scope(of="filter", campaign=CAMPAIGN)

    assert holds(when("campaign", "is", ["summer"]), visit(), scope)
    assert holds(when("source", "is", ["unknown"]), visit(), scope)
    assert not holds(when("campaign", "starts", "win"), visit(), scope)


def test_a_share_stays_with_the_visitor_and_takes_its_part_of_visitors() -> None:
    fifth = when("share", "below", 20)
    visitors = [visit(visitor=f"{number:032x}") for number in range(5000)]

    chosen = [each for each in visitors if holds(fifth, each)]

    assert 0.18 < len(chosen) / len(visitors) < 0.22
    assert all(holds(fifth, visit(visitor=each.visitor, visit_number=9, ip="203.0.113.1")) for each in chosen)
    assert not holds(fifth, visit(visitor=None))


@law
@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_versions_compare_by_their_numbers(one: list[int], other: list[int]) -> None:
    def padded(parts: list[int]) -> list[int]:
        return parts + [0] * (4 - len(parts))

    def read(parts: list[int]) -> tuple[int, ...]:
        return version(".".join(map(str, parts))) or ()

    assert (padded(one) < padded(other)) == (read(one) < read(other))


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (when("country", "is", ["US", "CA"]), "country is US or CA"),
        (when("country", "not", ["US", "CA"]), "country is not US and not CA"),
        (when("datacenter", "is", [True]), "datacenter is true"),
        (when("hour", "between", [22, 6], "Europe/Berlin"), "hour is between 22 and 6 in Europe/Berlin"),
        (when("user_agent", "contains", ["a b", "c"]), 'user_agent contains "a b" or "c"'),
        (when("ip", "in", "10.0.0.0/8"), "ip is in 10.0.0.0/8"),
        (when("param.x", "is", [""]), 'param.x is ""'),
        (when("asn", "is", list(range(20))),
         "asn is 0 or 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11 or 8 more"),
    ],
)  # fmt: skip
def test_a_condition_is_described_in_plain_words(condition: Condition, text: str) -> None:
    assert compile_condition(condition).text == text
