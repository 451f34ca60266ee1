"""Reports equal a separate recount in plain Python, cell by cell and to the micro."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date as Date
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reports.invented_days import DATE, Day, any_day, click, conversion, day_start_ms
from tests.reports.recount import metrics, recount
from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.fields import money
from tnc.core.models import MAIN, SUBS, CampaignId, LanderClick, LanderId, WorkspaceId
from tnc.reports.columns.cardinality import Verdict
from tnc.reports.columns.columns import Columns
from tnc.reports.dimensions import DIMENSIONS, METRICS
from tnc.reports.query import EventTime, ReportQuery, ResolvedQuery
from tnc.reports.result import ReportResult, dimension_text
from tnc.reports.run import Exchange, Reports
from tnc.store.days.opted_out import OptedOutVisits

NOW_MS = day_start_ms(DATE) + 2 * DAY_MS
NOVEMBER = Date(2026, 11, 16)
RATES = {"USD": 1.0, "EUR": 1.083719, "INR": 0.01191337}
Days = dict[Date, Day]


class ClickStore:
    """Days of clicks by workspace, and reports on them."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.days: dict[WorkspaceId, Days] = {MAIN: {}}
        self.reports = self._new_reports()

    def _new_reports(self) -> Reports:
        return Reports(self.columns, open_day=self._open, dates=lambda workspace: list(self.days[workspace]))

    def _open(self, workspace: WorkspaceId, date: Date) -> Day:
        day = self.days[workspace][date]
        if not day.numbered_clicks:
            raise NotFoundError("the day was deleted.")
        return day

    def replace(self, days: Days) -> None:
        (self.columns.folder / MAIN / "repeating.json").unlink(missing_ok=True)
        self.reports = self._new_reports()
        for date in self.days[MAIN]:
            self.columns.remove(MAIN, date)
        self.days[MAIN] = days

    def busy(self, seed: int, **of: Any) -> WorkspaceId:
        """A workspace with three days of random clicks, made once for each seed."""
        workspace = WorkspaceId(f"busy-{seed}")
        self.days.setdefault(workspace, three_days(seed, **of))
        return workspace

    def ask(self, exchange: Exchange | None = None, **texts: Any) -> ReportResult:
        given: dict[str, Any] = {"workspace": MAIN, "by": ["campaign"]} | texts
        workspace = given.pop("workspace")
        return self.reports.run(ReportQuery(**given).resolve(workspace, NOW_MS), exchange)


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickStore]:
    with Columns(tmp_path_factory.mktemp("columns")) as columns:
        yield ClickStore(columns)


@pytest.fixture
def store(_store: ClickStore) -> Iterator[ClickStore]:
    yield _store
    _store.replace({})


def one_click(**of: Any) -> Days:
    day = Day()
    day.add(click(**of))
    return {DATE: day}


def three_days(seed: int, **of: Any) -> Days:
    dates = [DATE + timedelta(days=n) for n in (-1, 0, 1)]
    return {date: any_day(seed + n, date=date, **of) for n, date in enumerate(dates)}


def assert_same(row: dict[str, Any], expected: dict[str, float | None]) -> None:
    for name, value in expected.items():
        assert row[name] == (money(int(value or 0)) if METRICS[name].kind == "money" else value), name


def assert_equal_to_recount(result: ReportResult, days: Days) -> None:
    query = result.query
    expected = recount(replace(query, currency=result.currency), days.values(), RATES)
    found = {tuple(row[name] for name in query.by): row for row in result.rows}
    assert found.keys() == expected.keys()
    assert len(found) == len(result.rows)
    for group, row in found.items():
        assert_same(row, metrics(expected[group]))
    totals = recount(replace(query, currency=result.currency, by=()), days.values(), RATES)
    assert_same(result.totals, metrics(totals.get((), {})))


GROUPABLE = sorted(set(DIMENSIONS) - set(SUBS))


def assert_recount(store: ClickStore, seed: int, by: tuple[str, ...], **of: Any) -> None:
    """Run a report on a busy workspace, with one currency or three, and compare it with the recount."""
    workspace = store.busy(seed, currencies=("USD", "EUR", "INR") if seed % 2 else ("EUR",))
    query = ResolvedQuery(workspace=workspace, by=by, metrics=tuple(METRICS), **of)
    found = store.reports.run(query, Exchange(home="USD", rates=RATES))
    assert_equal_to_recount(found, store.days[workspace])


@pytest.mark.parametrize(
    "by", [("campaign", "country"), ("offer", "network"), ("day", "lander"), ("reasons", "currency")]
)
@pytest.mark.parametrize("time", ["click", "conversion"])
@pytest.mark.parametrize("seed", range(4))
def test_reports_of_all_days_equal_a_recount(
    store: ClickStore, seed: int, time: EventTime, by: tuple[str, ...]
) -> None:
    start_ms = day_start_ms(DATE) - 2 * DAY_MS
    assert_recount(store, seed, by, start_ms=start_ms, end_ms=start_ms + 10 * DAY_MS, time=time)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 3),
    by=st.lists(st.sampled_from(GROUPABLE), min_size=1, max_size=3, unique=True),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"]),
    time=st.sampled_from(["click", "conversion"]),
    span=st.tuples(st.integers(0, 4 * DAY_MS), st.integers(1, 4 * DAY_MS)),
)
def test_any_report_equals_a_recount(
    store: ClickStore, *, seed: int, by: list[str], timezone: str, time: EventTime, span: tuple[int, int]
) -> None:
    start_ms = day_start_ms(DATE) - 2 * DAY_MS + span[0]
    assert_recount(store, seed, tuple(by), start_ms=start_ms, end_ms=start_ms + span[1], timezone=timezone, time=time)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_every_dimension_can_be_grouped_filtered_and_sorted_by(store: ClickStore, name: str) -> None:
    workspace = store.busy(10)
    whole = store.ask(workspace=workspace, by=[name], sort=name)

    for row in whole.rows[:2]:
        part = store.ask(workspace=workspace, by=[name], where=[f"{name}={dimension_text(row[name])}"])
        rest = store.ask(workspace=workspace, by=[name], where=[f"{name}!={dimension_text(row[name])}"])
        assert row in part.rows
        assert row not in rest.rows
        assert part.totals["visits"] + rest.totals["visits"] == whole.totals["visits"]
    assert sum(row["visits"] for row in whole.rows) == whole.totals["visits"]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_chosen_and_sorted_by(store: ClickStore, name: str) -> None:
    by = ["country", "campaign", "offer", "lander"]
    found = store.ask(workspace=store.busy(10), by=by, metrics=[name], sort=name)

    values = [row[name] for row in found.rows]
    known = [value for value in values if value is not None]
    assert [*found.rows[0]] == [*by, name]
    assert len(known) < len(values) or METRICS[name].kind in ("count", "money") or name == "cpv"
    assert known == sorted(known, key=float, reverse=True)
    assert values == known + [None] * (len(values) - len(known))


def test_ratios_with_a_divisor_of_zero_are_null(store: ClickStore) -> None:
    store.replace(one_click(visit={"traffic": "bot"}))

    (row,) = store.ask().rows

    assert (row["visits"], row["invalid"], row["valid"]) == (1, 1, 0)
    ratios = [name for name, metric in METRICS.items() if metric.kind in ("ratio", "price") and name != "cpv"]
    assert {row[name] for name in ratios} == {None}
    assert row["cpv"] == 0


@pytest.mark.parametrize("limit", [0, 1, 2, 99])
def test_a_limit_cuts_the_rows_and_not_the_totals(store: ClickStore, limit: int) -> None:
    workspace = store.busy(10)
    whole = store.ask(workspace=workspace, by=["country"])

    found = store.ask(workspace=workspace, by=["country"], limit=limit)

    assert found.rows == whole.rows[:limit]
    assert found.totals == whole.totals


def test_without_clicks_there_are_no_rows_and_totals_of_zero(store: ClickStore) -> None:
    found = store.ask()

    assert found.rows == []
    assert found.totals["visits"] == 0
    assert found.totals["revenue"] == 0
    assert found.totals["cr"] is None
    assert found.currency is None


def test_prefetches_are_not_counted(store: ClickStore) -> None:
    store.replace(one_click(visit={"traffic": "prefetch"}, cost_micros=20_000, currency="USD"))

    assert store.ask().rows == []


def test_a_visit_that_a_filter_did_not_stop_is_valid(store: ClickStore) -> None:
    store.replace(one_click(filter="standard", stopped=False))

    assert store.ask().totals["valid"] == 1


def test_a_lander_click_counts_once_and_only_from_valid_visits(store: ClickStore) -> None:
    day = Day()
    for visit in ({}, {"traffic": "bot"}):
        seq = day.add(click(lander=LanderId("quiz"), visit=visit))
        day.happen(seq, LanderClick(at_ms=1))
        day.happen(seq, LanderClick(at_ms=2))
    store.replace({DATE: day})

    totals = store.ask().totals

    assert (totals["lander_views"], totals["lander_clicks"], totals["lander_ctr"]) == (1, 1, 1.0)


def test_a_lead_that_becomes_a_sale_is_one_sale(store: ClickStore) -> None:
    day = Day()
    seq = day.add(click(cost_micros=2_500_000, currency="USD"))
    day.happen(seq, conversion("a", 1, status="lead", payout=5_000_000))
    store.replace({DATE: day})
    before = store.ask().totals
    assert (before["leads"], before["sales"], before["pending_revenue"], before["revenue"]) == (1, 0, 5, 0)

    day.happen(seq, conversion("a", 2, status="sale", payout=12_500_000))
    after = store.ask().totals

    assert (after["conversions"], after["leads"], after["sales"], after["revenue"]) == (1, 0, 1, 12.5)
    assert (after["profit"], after["roi"], after["payout"]) == (10, 4.0, 12.5)


def test_by_conversion_time_a_sale_is_on_its_own_day(store: ClickStore) -> None:
    day = Day()
    seq = day.add(click(day_start_ms(DATE) + 5))
    day.happen(seq, conversion("a", day_start_ms(DATE) + DAY_MS + 5))
    store.replace({DATE: day})

    by_click = store.ask(by=["day"], metrics=["visits", "sales"])
    by_sale = store.ask(by=["day"], metrics=["visits", "sales"], time="conversion")

    assert [[*row.values()] for row in by_click.rows] == [["2026-03-28", 1, 1]]
    assert [[*row.values()] for row in by_sale.rows] == [["2026-03-28", 1, 0], ["2026-03-29", 0, 1]]


def test_from_is_included_and_to_is_not(store: ClickStore) -> None:
    store.replace(one_click(at_ms=day_start_ms(DATE) + HOUR_MS))

    def visits(start: str, end: str) -> Any:
        return store.ask(start=start, end=end).totals["visits"]

    assert visits("2026-03-28T01:00", "2026-03-28T01:00:00.001") == 1
    assert visits("2026-03-28T00:59", "2026-03-28T01:00") == 0
    assert visits("2026-03-28T01:15", "2026-03-28T02:00") == 0


def test_a_window_is_cut_to_quarters_of_an_hour_and_says_so(store: ClickStore) -> None:
    store.replace(one_click(at_ms=day_start_ms(DATE) + HOUR_MS))

    result = store.ask(start="2026-03-28T01:14:59.999", end="2026-03-28T01:31").to_json()

    assert (result["from"], result["to"]) == ("2026-03-28T01:00:00.000Z", "2026-03-28T01:45:00.000Z")
    assert result["totals"]["visits"] == 1


def test_every_column_sorts_both_ways_and_rows_have_pages(store: ClickStore) -> None:
    day = Day()
    for country, count in (("US", 3), ("DE", 1), (None, 2), ("FR", 5)):
        for number in range(count):
            day.add(click(day_start_ms(DATE) + number, visit={"country": country}))
    store.replace({DATE: day})

    def countries(**of: Any) -> list[Any]:
        return [row["country"] for row in store.ask(by=["country"], **of).rows]

    assert countries(sort="visits") == ["FR", "US", None, "DE"]
    assert countries(sort="-visits") == ["DE", None, "US", "FR"]
    assert countries(sort="country") == ["DE", "FR", "US", None]
    assert countries(sort="-country") == ["US", "FR", "DE", None], "without a value: last in both directions"
    assert countries(sort="roi") == countries(sort="-roi") == ["DE", "FR", "US", None], "none has a value"
    assert countries(sort="-visits", limit=2, offset=1) == [None, "US"]
    assert countries(offset=9) == []


def test_conditions_find_values_as_the_field_writes_them(store: ClickStore) -> None:
    day = Day()
    for country, browser, sub1 in (("US", "Chrome", "a,b"), ("US", "Firefox", "A,B"), ("DE", "Chrome", "c\\d")):
        for number in range(30):
            day.add(
                click(day_start_ms(DATE) + number, subs={"sub1": sub1}, visit={"country": country, "browser": browser})
            )
    store.replace({DATE: day})

    def visits(*where: str) -> Any:
        return store.ask(where=where).totals["visits"]

    assert visits("country=us") == visits("country=US , fr") == 60
    assert visits("browser=chrome") == visits("browser!=FIREFOX") == 60
    assert visits('sub1="a,b"') == visits(r"sub1=a\,b") == 30
    assert visits('sub1="a,b","A,B"') == 60, "link parameters are compared exactly"
    assert visits("sub1=c\\d") == 30, "a backslash before anything else is itself"
    with pytest.raises(InvalidError, match="did you mean GB"):
        visits("country=uk")


def test_an_empty_answer_says_which_values_there_are(store: ClickStore) -> None:
    day = Day()
    for number in range(3):
        day.add(click(day_start_ms(DATE) + number, visit={"country": "US" if number else "DE"}))
    store.replace({DATE: day})

    result = store.ask(by=["country"], where=["country=FR"])

    assert result.rows == []
    assert result.notes == ["Nothing matches. In this time country is US (2), DE (1) (visits in brackets)."]
    assert store.ask(where=["country=US"]).notes == []
    empty = store.ask(where=["country=US"], start="2020-01-01", end="2020-01-02")
    assert empty.notes == ["Nothing matches: there are no visits in this time."]


def test_opted_out_visits_have_their_own_metrics(store: ClickStore) -> None:
    day, first = Day(), day_start_ms(DATE) // QUARTER_MS
    day.add(click(cost_micros=500_000, currency="USD"))
    day.uncounted = [
        OptedOutVisits(
            campaign="summer", source="meta", quarter=first + 5, visits=4, cost_micros=2_000_000, currency="USD"
        ),
        OptedOutVisits(campaign="winter", source=None, quarter=first + 6, visits=1),
    ]
    store.replace({DATE: day})

    total = store.ask()
    assert (total.totals["visits"], total.totals["opted_out"]) == (1, 5)
    assert (total.totals["cost"], total.totals["opted_out_cost"]) == (0.5, 2.0)
    assert any(note.startswith("5 visits after an opt-out or objection are only counted") for note in total.notes)
    by = {row["campaign"]: row["opted_out"] for row in store.ask(by=["campaign"]).rows}
    assert (by["summer"], by["winter"]) == (4, 1)
    assert store.ask(where=["source=meta"]).totals["opted_out"] == 4
    assert store.ask(where=["country=US"]).totals["opted_out"] == 0
    assert [row["opted_out"] for row in store.ask(by=["hour"]).rows] == [0, 5]
    assert store.ask(start="2026-03-28T01:30").totals["opted_out"] == 1


@pytest.mark.parametrize("zone", ["America/Vancouver", "America/Havana", "Africa/Casablanca", "Asia/Kathmandu"])
def test_days_add_up_in_zones_that_changed_lately(store: ClickStore, zone: str) -> None:
    days = {}
    for date in (NOVEMBER - timedelta(days=1), NOVEMBER, NOVEMBER + timedelta(days=1)):
        days[date] = Day()
        for number in range(96):
            days[date].add(click(day_start_ms(date) + number * QUARTER_MS))
    store.replace(days)

    rows = store.ask(by=["day"], timezone=zone, start="2026-11-16", end="2026-11-17").rows
    hours = store.ask(by=["hour"], timezone=zone, start="2026-11-16", end="2026-11-17").rows

    assert [(row["day"], row["visits"]) for row in rows] == [("2026-11-16", 96)]
    assert [(row["hour"], row["visits"]) for row in hours] == [(f"2026-11-16T{hour:02}:00", 4) for hour in range(24)]


def subs_of(result: ReportResult) -> dict[Any, int]:
    return {row["sub1"]: row["visits"] for row in result.rows}


def keeping(store: ClickStore, *subs: str) -> Reports:
    known = {("ads", sub): Verdict.LABEL for sub in subs}
    dates = store.reports._dates
    return Reports(store.columns, open_day=store._open, dates=dates, known=known)


def test_kept_parameters_are_readable_from_the_first_click(store: ClickStore) -> None:
    day = Day()
    for number in range(40):
        placement, ad = f"site{number % 24}", f"{120_211_000_000_000 + number}"
        day.add(click(day_start_ms(DATE) + number, subs={"sub1": placement, "sub2": ad, "sub3": "ann@example.com"}))
    store.replace({DATE: day})
    query = ReportQuery(by=("sub1", "sub2", "sub3")).resolve(MAIN, NOW_MS)

    guarded = store.reports.run(query)
    kept = keeping(store, "sub1", "sub2", "sub3").run(query)
    again = store.reports.run(query)

    assert [*guarded.rows[0].values()][:3] == [None, None, None]
    assert any('write keep = ["sub1"] in the source ads' in note for note in guarded.notes)
    assert {row["sub1"] for row in kept.rows} == {f"site{number}" for number in range(24)}
    assert len({row["sub2"] for row in kept.rows}) == 40
    assert {row["sub3"] for row in kept.rows} == {None}, "an e-mail address is never written"
    assert again.rows == guarded.rows, "and are withheld again when the owner keeps them no more"


def test_kept_ids_are_readable_on_a_day_with_few_clicks(store: ClickStore) -> None:
    day = Day()
    for number in range(9):
        day.add(click(day_start_ms(DATE) + number, subs={"sub1": f"{120_211_000_000_000 + number}"}))
    store.replace({DATE: day})
    query = ReportQuery(by=("sub1",)).resolve(MAIN, NOW_MS)

    assert subs_of(store.reports.run(query)) == {None: 9}
    assert len(subs_of(keeping(store, "sub1").run(query))) == 9


def many_days(value: Callable[[int], str], ip: Callable[[int], str | None], *, days: int = 20) -> Days:
    found = {}
    for number in range(days):
        date = DATE - timedelta(days=number)
        day = found[date] = Day()
        for each in range(200):
            at_ms, index = day_start_ms(date) + each, number * 200 + each
            day.add(click(at_ms, subs={"sub1": value(index)}, visit={"ip": ip(index)}))
    return found


def test_placements_that_repeat_over_days_are_readable(store: ClickStore) -> None:
    """On each day all 200 clicks have placements of their own; over 20 days every placement gets 11 clicks."""
    ip = "10.{}.{}.7".format
    store.replace(many_days(lambda index: f"site{index * 7919 % 360}", lambda index: ip(index % 250, index // 250)))

    result = store.ask(by=["sub1"], start="2026-03-01")

    assert subs_of(result) == {f"site{number}": pytest.approx(11, abs=1) for number in range(360)}
    assert result.notes == []


def test_people_that_come_back_every_day_are_not(store: ClickStore) -> None:
    store.replace(many_days(lambda index: f"member{index % 200}", lambda index: f"10.7.{index % 200}.9"))

    assert subs_of(store.ask(by=["sub1"], start="2026-03-01")) == {None: 4_000}


def test_identifiers_stay_out_over_many_days(store: ClickStore) -> None:
    store.replace(many_days(lambda index: f"click{index}", lambda _: None))

    assert subs_of(store.ask(by=["sub1"], start="2026-03-01")) == {None: 4_000}


def test_hours_follow_half_hour_zones_and_summer_time(store: ClickStore) -> None:
    night = day_start_ms(DATE) + DAY_MS + 45 * MINUTE_MS  # 2026-03-29 00:45 UTC: a quarter before the clocks change
    day = Day()
    for minutes in (0, 30):
        day.add(click(night + minutes * MINUTE_MS))
    store.replace({DATE + timedelta(days=1): day})

    def hours(timezone: str) -> list[Any]:
        return [row["hour"] for row in store.ask(by=["hour"], timezone=timezone).rows]

    assert hours("Europe/Berlin") == ["2026-03-29T01:00", "2026-03-29T03:00"]
    assert hours("Asia/Kolkata") == ["2026-03-29T06:00"]
    assert hours("Asia/Kathmandu") == ["2026-03-29T06:00", "2026-03-29T07:00"]


def test_erased_clicks_stay_in_the_totals(store: ClickStore) -> None:
    day = Day()
    day.add(click(erased=True, cost_micros=1_000_000, currency="USD", visit={"country": None}))
    day.add(click(visit={"country": "DE"}))
    store.replace({DATE: day})

    found = store.ask(by=["country"], metrics=["visits", "cost"])

    assert {row["country"]: (row["visits"], row["cost"]) for row in found.rows} == {"DE": (1, 0), "erased": (1, 1)}
    assert [row["vpn"] for row in store.ask(by=["vpn"], where=["asn=erased"]).rows] == ["erased"]


# ----------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("condition", "countries"),
    [
        ("country=US", ["US"]),
        ("country=US,DE", ["DE", "US"]),
        ("country=unknown", [None]),
        ("country!=US", ["DE", None]),
        ("country!=US,unknown", ["DE"]),
        ("country~u", ["US", None]),
        ("city~ünch", ["DE"]),
        ("asn>64500", ["DE"]),
        ("asn<64501", ["US"]),
        ("os_version>9", ["DE"]),
        ("os_version<10.10", ["US", "DE"]),
        ("vpn=true", ["DE"]),
        ("vpn=unknown", [None]),
        ("reasons=rate", ["DE"]),
        ("reasons!=rate", ["US", None]),
        ("reasons=", ["US", None]),
        ("hour_of_day>12", ["DE"]),
        ("weekday=sat", ["DE", "US", None]),
        ("day<2026-03-28", []),
    ],
)
def test_filters_keep_the_matching_clicks(store: ClickStore, condition: str, countries: list[str | None]) -> None:
    day, start_ms = Day(), day_start_ms(DATE)
    day.add(click(start_ms, visit={"country": "US", "asn": 64500, "os_version": "9", "vpn": False}))
    german: dict[str, Any] = {"country": "DE", "asn": 64501, "os_version": "10.2", "vpn": True, "city": "München"}
    day.add(click(start_ms + 50_000_000, visit=german | {"reasons": ("ua", "rate")}))
    day.add(click(start_ms, visit={"country": None}))
    store.replace({DATE: day})

    found = store.ask(by=["country"], where=[condition])

    assert {row["country"] for row in found.rows} == set(countries)


def test_all_filters_must_hold_and_values_are_never_sql(store: ClickStore) -> None:
    store.replace(one_click(campaign=CampaignId("a'); drop table sums; --")))

    assert store.ask(where=["campaign=a'); drop table sums; --", "country=US"]).totals["visits"] == 1
    assert store.ask(where=["campaign=x' or '1'='1", "country=US"]).totals["visits"] == 0


# ----------------------------------------------------------------------------------------------- money


def test_a_report_of_one_currency_is_in_that_currency(store: ClickStore) -> None:
    store.replace(one_click(cost_micros=20_000, currency="EUR"))

    assert store.ask().currency == "EUR"
    assert store.ask(Exchange(home="USD")).totals["cost"] == 0.02


def test_an_amount_without_a_rate_stands_beside_the_metric(store: ClickStore) -> None:
    store.replace(one_click(cost_micros=20_000, currency="EUR"))

    assert store.ask(Exchange(rates=RATES), currency="USD").totals["cost"] == 0.021674
    result = store.ask(currency="USD")
    beside = {"metric": "cost", "currency": "EUR", "amount": 0.02, "count": 1}
    assert (result.totals["cost"], result.totals["unconverted"]) == (0, [beside])
    assert result.rows[0]["unconverted"] == [beside]
    assert result.to_csv().splitlines()[1].endswith("cost + 0.02 EUR (1 amount)")
    assert "+ 0.02 EUR (1 amount) is not in cost: there is no rate for EUR" in result.to_text()
    assert "unconverted" not in store.ask().to_csv()


@pytest.mark.parametrize("rates", [{"USD": 1.0}, {"USD": 1.0, "EUR": 1.083719}])
@pytest.mark.parametrize("dated", [{}, {"EUR": [(0, 1.083719)]}])
def test_what_has_no_rate_is_kept_apart_to_the_micro(
    store: ClickStore, rates: dict[str, float], dated: dict[str, list[tuple[int, float]]]
) -> None:
    store.replace(three_days(5, currencies=("USD", "EUR", "INR")))
    result = store.ask(Exchange(home="USD", rates=rates, dated=dated), by=["campaign", "country"])
    known = rates | {currency: each[0][1] for currency, each in dated.items()}

    query = replace(result.query, currency="USD")
    for group, expected in recount(query, store.days[MAIN].values(), known).items():
        (row,) = [row for row in result.rows if (row["campaign"], row["country"]) == group]
        beside = {f"{each['metric']} {each['currency']}": each["amount"] for each in row.get("unconverted", [])}
        assert beside == {name: money(amount) for name, amount in expected.items() if " " in name and amount}
        if not dated:  # else each day is rounded by itself
            assert (row["revenue"], row["cost"]) == (money(expected["revenue"]), money(expected["cost"]))


def test_each_amount_is_converted_with_the_rate_of_its_day(store: ClickStore) -> None:
    days: Days = {}
    for number in range(-2, 2):
        date = DATE + timedelta(days=number)
        days[date] = day = Day()
        for currency in ("EUR", "USD"):
            day.add(click(day_start_ms(date) + HOUR_MS, cost_micros=1_000_000, currency=currency))
    store.replace(days)
    since = (DATE - timedelta(days=1) - Date(1970, 1, 1)).days
    exchange = Exchange(home="USD", rates={"USD": 1.0, "EUR": 2.0}, dated={"EUR": [(since, 3.0), (since + 2, 5.0)]})

    result = store.ask(exchange, by=("day",), metrics=("cost",))
    in_euro = store.ask(exchange, by=(), metrics=("cost",), currency="EUR")

    assert [row["cost"] for row in result.rows] == [1 + 2, 1 + 3, 1 + 3, 1 + 5]
    assert result.totals["cost"] == 4 + 2 + 3 + 3 + 5
    assert in_euro.totals["cost"] == pytest.approx(4 + 1 / 2 + 1 / 3 + 1 / 3 + 1 / 5, abs=2e-6)
    without = store.ask(replace(exchange, rates={"USD": 1.0}), metrics=("cost",))
    assert without.totals["unconverted"] == [{"metric": "cost", "currency": "EUR", "amount": 1.0, "count": 1}]


def test_several_currencies_need_a_choice_where_none_is_the_usual_one(store: ClickStore) -> None:
    store.replace(three_days(3, currencies=("USD", "EUR")))

    with pytest.raises(InvalidError, match="EUR, USD: choose one"):
        store.ask()
    assert store.ask(metrics=("visits",)).totals["visits"]  # without money no rate is needed
    with pytest.raises(InvalidError, match="EUR, USD: choose one"):
        store.ask(metrics=("visits",), by=("campaign",), sort="epc")


# ----------------------------------------------------------------------------------------------- columns


def test_new_clicks_are_in_the_next_report(store: ClickStore) -> None:
    store.replace(one_click())
    assert store.ask().totals["visits"] == 1

    store.days[MAIN][DATE].add(click())

    assert store.ask().totals["visits"] == 2


def test_a_damaged_file_is_made_again(store: ClickStore) -> None:
    store.replace(three_days(4))
    expected = store.ask(by=["country"])
    for file in (store.columns.folder / MAIN).rglob("clicks-*.parquet"):
        file.write_bytes(b"\x00" * file.stat().st_size)

    assert store.ask(by=["country"]) == expected


def test_a_day_deleted_during_the_report_is_skipped(store: ClickStore) -> None:
    store.replace(one_click() | {DATE + timedelta(days=1): Day()})

    assert store.ask().totals["visits"] == 1


def test_workspaces_do_not_see_each_other(store: ClickStore) -> None:
    store.replace(one_click())
    store.days[WorkspaceId("other")] = {}
    store.ask()

    assert store.ask(workspace=WorkspaceId("other")).totals["visits"] == 0


def test_a_parameter_of_identifiers_is_left_out_with_a_note(store: ClickStore) -> None:
    day = Day()
    for number in range(40):
        day.add(click(subs={"sub1": f"visitor-{number}", "sub2": "top"}))
    store.replace({DATE: day})

    found = store.ask(by=["sub1", "sub2"])

    assert [(row["sub1"], row["sub2"], row["visits"]) for row in found.rows] == [(None, "top", 40)]
    (note,) = found.notes
    assert note.startswith("sub1 of the source ads: the values of 40 clicks are left out and read `unknown`")
    assert store.ask(by=["sub2"]).notes == []
