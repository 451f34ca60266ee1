"""Report queries are checked, and mistakes are refused with a list of what is possible."""

from typing import Any

import pytest

from tnc.core.clock import DAY_MS, QUARTER_MS
from tnc.core.errors import InvalidError
from tnc.core.fields import parse_rfc3339_ms, rfc3339
from tnc.core.models import MAIN
from tnc.core.zones import find_zone
from tnc.reports.query import Filter, ReportQuery, ResolvedQuery, moment_ms, parse_filter

NOW_MS = parse_rfc3339_ms("2026-03-29T10:30:00.500Z")


def resolve(**texts: Any) -> ResolvedQuery:
    given: dict[str, Any] = {"by": ["campaign"]} | texts
    return ReportQuery(**given).resolve(MAIN, NOW_MS)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-03-29T10:30:00.500Z"),
        ("24h", "2026-03-28T10:30:00.500Z"),
        ("7d", "2026-03-22T10:30:00.500Z"),
        ("today", "2026-03-28T23:00:00.000Z"),
        ("yesterday", "2026-03-27T23:00:00.000Z"),
        ("this-month", "2026-02-28T23:00:00.000Z"),
        ("last-month", "2026-01-31T23:00:00.000Z"),
        ("2026-03-30", "2026-03-29T22:00:00.000Z"),
        ("2026-03-29T04:00", "2026-03-29T02:00:00.000Z"),
        ("2026-03-29T04:00:00Z", "2026-03-29T04:00:00.000Z"),
        ("2026-03-29T04:00:00+05:30", "2026-03-28T22:30:00.000Z"),
        ("1800-01-01", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_read_in_the_time_zone_of_the_report(text: str, moment: str) -> None:
    found = moment_ms(text, now_ms=NOW_MS, zone=find_zone("Europe/Berlin"), name="from")

    assert rfc3339(found) == moment


@pytest.mark.parametrize("text", ["", "tomorrow", "7", "7 days", "2026-13-01", "9999-12-31T23:59:59-12:00", "1e9"])
def test_wrong_times_are_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidError, match=r"from is .* 2026-11-23T14:00, or one of today, yesterday"):
        moment_ms(text, now_ms=NOW_MS, zone=find_zone("UTC"), name="from")


def test_the_default_is_the_last_seven_days_and_all_metrics() -> None:
    found = resolve()

    quarter_ms = NOW_MS // QUARTER_MS * QUARTER_MS
    assert (found.start_ms, found.end_ms) == (quarter_ms - 7 * DAY_MS, quarter_ms + QUARTER_MS)
    assert found.metrics[:3] == ("visits", "invalid", "valid")
    assert (found.timezone, found.time, found.sort, found.limit, found.currency) == ("UTC", "click", None, None, None)


def test_names_may_be_separated_by_commas_and_count_once() -> None:
    found = resolve(by=["campaign,country", "day", "country"], metrics=["visits, cost"])

    assert found.by == ("campaign", "country", "day")
    assert found.metrics == ("visits", "cost")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"by": ["colour"]}, "there is no dimension 'colour'; choose from hour, day, week"),
        ({"by": ["ip"]}, "ip is personal data, which is in no report"),
        ({"by": ["visitor"]}, "visitor is personal data"),
        ({"metrics": ["clicks"]}, "there is no metric 'clicks'; choose from visits, invalid"),
        ({"timezone": "../../etc/passwd"}, "there is no time zone"),
        ({"timezone": "localtime"}, "there is no time zone"),
        ({"time": "sale"}, "choose `click` or `conversion`"),
        ({"start": "today", "end": "yesterday"}, "ends before it begins"),
        ({"start": "now", "end": "now"}, "ends before it begins"),
        ({"limit": -1}, "choose 0 for the totals alone"),
        ({"sort": "day"}, "cannot be sorted by 'day'; it can be by campaign, visits"),
        ({"currency": "dollars"}, "is not a currency"),
    ],
)
def test_mistakes_are_refused_with_what_is_possible(texts: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        resolve(**texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("country=US,CA", Filter(dimension="country", comparison="=", values=("US", "CA"))),
        ("country != unknown", Filter(dimension="country", comparison="!=", values=("unknown",))),
        ("isp~a=b,c", Filter(dimension="isp", comparison="~", values=("a=b,c",))),
        ("asn>64500", Filter(dimension="asn", comparison=">", values=("64500",))),
        ("os_version<17.2", Filter(dimension="os_version", comparison="<", values=("17.2",))),
        ("sub1=a=b", Filter(dimension="sub1", comparison="=", values=("a=b",))),
        ("sub1=", Filter(dimension="sub1", comparison="=", values=("",))),
        ("vpn=erased", Filter(dimension="vpn", comparison="=", values=("erased",))),
    ],
)
def test_filters_are_parsed(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("country", "write NAME=VALUE"),
        ("=US", "write NAME=VALUE"),
        ("colour=red", "there is no dimension 'colour'"),
        ("external_id=7", "external_id is personal data"),
        ("traffic=humans", "traffic is never 'humans'; it is one of human, bot, crawler, prefetch, suspect, unknown"),
        ("vpn=yes", "it is one of true, false, unknown, erased"),
        ("weekday=monday", "it is one of mon, tue"),
        ("asn=AS1", "asn is a whole number or unknown"),
        ("hour_of_day>24h", "compared with a whole number"),
        ("os_version>new", "a version like 17"),
        ("country>DE", "country has no order; > and < work with hour, day, week"),
    ],
)
def test_wrong_filters_are_refused_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        parse_filter(text)
