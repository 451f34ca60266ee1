"""Archived days: exact sums by owner dimensions, and no group from which one visitor can be singled out."""

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.reports.invented_days import DATE, Day, any_day, day_start_ms
from tests.reports.invented_days import click as invented_click
from tnc.core.clock import DAY_MS
from tnc.core.models import MAIN, CampaignId
from tnc.reports.columns.archive import (
    MIN_GROUP,
    OTHER,
    OWNER_DIMENSIONS,
    VISITOR_DIMENSIONS,
    ArchivedDay,
    archived_dates,
    remove_archived,
)
from tnc.reports.columns.columns import Columns
from tnc.reports.columns.duck import Values
from tnc.reports.dimensions import DIMENSIONS
from tnc.reports.query import ReportQuery
from tnc.reports.run import Exchange, Reports

NOW_MS = day_start_ms(DATE) + 3 * DAY_MS


class StoredDay:
    """One day in the columns, whose clicks can be deleted."""

    def __init__(self, columns: Columns, day: Day) -> None:
        self.columns = columns
        self.day: Day | None = day
        self.reports = Reports(
            columns, open_day=lambda _workspace, _date: day, dates=lambda _workspace: [DATE] if self.day else []
        )

    def archive(self, visitors: dict[int, int]) -> None:
        """Archive the day and delete its clicks. `visitors`: number of a click -> number of its visitor."""
        assert self.day is not None
        self.columns.catch_up(MAIN, DATE, self.day, over=True)
        self.columns.roll_up(MAIN, DATE, visitors.items())
        self.columns.remove(MAIN, DATE)
        self.day = None

    def ask(self, *by: str, **asked: Any) -> dict[str, Any]:
        given = {"start": str(DATE), "end": "2026-03-30"} | asked
        query = ReportQuery(by=by, **given).resolve(MAIN, NOW_MS)
        result = self.reports.run(query, Exchange(home="USD", rates={"USD": 1.0, "EUR": 2.0})).to_json()
        return {"totals": result["totals"], "rows": result["rows"], "notes": result["notes"]}


def random_visitors(day: Day, visitors: int) -> dict[int, int]:
    chance = random.Random(7)
    return {seq: chance.randrange(visitors) for seq, _ in day.numbered_clicks}


# Reports by the owner's dimensions: the dimensions, the time zone, and which time counts.
OWNER_QUESTIONS = tuple(
    product(
        (
            (),
            ("campaign", "offer", "network", "flow", "source", "lander", "filter", "action"),
            ("hour",),
            ("campaign", "day", "hour_of_day"),
        ),
        ("UTC", "Asia/Kolkata", "America/New_York"),
        ("click", "conversion"),
    )
)
GROUPED = ("country", "device", "traffic", "sub1", "reasons", "asn")
Archived = tuple[StoredDay, dict[tuple[Any, ...], dict[str, Any]]]


def ask_as_owner(stored: StoredDay, by: tuple[str, ...], timezone: str, time: str) -> dict[str, Any]:
    return stored.ask(*by, timezone=timezone, time=time, end="2026-04-02")


@pytest.fixture(scope="module", params=range(3))
def owner_day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    """A day that was archived, and what reports said before."""
    day = any_day(request.param, currencies=("USD", "EUR"))
    with Columns(tmp_path_factory.mktemp("owner")) as columns:
        stored = StoredDay(columns, day)
        before = {asked: ask_as_owner(stored, *asked) for asked in OWNER_QUESTIONS}
        stored.archive(random_visitors(day, 30))
        yield stored, before


@pytest.mark.parametrize(("by", "timezone", "time"), OWNER_QUESTIONS)
def test_sums_by_owner_dimensions_stay_exact(
    owner_day: Archived, by: tuple[str, ...], timezone: str, time: str
) -> None:
    stored, reports = owner_day
    before, after = reports[by, timezone, time], ask_as_owner(stored, by, timezone, time)

    assert (after["totals"], after["rows"]) == (before["totals"], before["rows"])


@pytest.fixture(scope="module")
def visitor_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    day = any_day(4, clicks=400, events=80)
    visitors = random_visitors(day, 150)
    with Columns(tmp_path_factory.mktemp("visitor")) as columns:
        stored = StoredDay(columns, day)
        questions = [("campaign",), *(("campaign", dimension) for dimension in GROUPED)]
        before = {asked: stored.ask(*asked) for asked in questions}
        stored.archive(visitors)
        yield stored, before


@pytest.mark.parametrize("dimension", GROUPED)
def test_visitor_groups_have_ten_visitors_or_are_added_up_as_other(visitor_day: Archived, dimension: str) -> None:
    stored, reports = visitor_day
    before = reports["campaign", dimension]

    after = stored.ask("campaign", dimension)

    assert after["totals"] == before["totals"]
    assert _by_campaign(after["rows"]) == _by_campaign(reports["campaign",]["rows"])
    known = {(row["campaign"], row[dimension]): row for row in before["rows"]}
    for row in after["rows"]:
        if row[dimension] != OTHER:
            assert row == known[row["campaign"], row[dimension]], "a group that is shown has its exact numbers"
    assert {row[dimension] for row in after["rows"]} - {OTHER}, "some groups are shown"


def _by_campaign(rows: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        found[row["campaign"]] += row["visits"]
    return found


def _groups(columns: Columns) -> list[tuple[str, str, str, int]]:
    path = ArchivedDay(columns.folder / MAIN, DATE).path("clicks", grouped=True)
    values = Values()
    return columns.duck.rows(f"select of, campaign, value, n from {values.parquet([str(path)], {})}", values)


def test_no_group_in_the_files_has_fewer_than_ten_visitors(tmp_path: Path) -> None:
    day = any_day(11, clicks=500)
    visitors = random_visitors(day, 90)
    with Columns(tmp_path) as columns:
        StoredDay(columns, day).archive(visitors)

        shown = {(of, campaign, value) for of, campaign, value, _ in _groups(columns)}
    counted: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for seq, its in day.numbered_clicks:
        for of, value in (("country", its.visit.country), ("device", its.visit.device)):
            if (of, its.campaign, value) in shown and not its.test:
                counted[of, its.campaign, str(value)].add(visitors[seq])
    assert counted
    assert min(len(group) for group in counted.values()) >= MIN_GROUP


def test_other_stands_for_at_least_ten_visitors(tmp_path: Path) -> None:
    """One visitor from Iceland beside a hundred from two countries: `other` must not stand for that visitor alone."""
    day = Day()
    visitors: dict[int, int] = {}
    for number in range(101):
        country = "IS" if number == 100 else ("US", "DE")[number % 2]
        made = invented_click(day_start_ms(DATE) + number, visit={"country": country}, campaign=CampaignId("summer"))
        visitors[day.add(made)] = number
    with Columns(tmp_path) as columns:
        stored = StoredDay(columns, day)
        stored.archive(visitors)

        rows = {row["country"]: row["visits"] for row in stored.ask("country")["rows"]}
    assert rows in ({"US": 50, OTHER: 51}, {"DE": 50, OTHER: 51})


def test_values_of_single_visitors_are_not_in_the_files(tmp_path: Path) -> None:
    day = Day()
    for number in range(60):
        day.add(
            invented_click(day_start_ms(DATE) + number, subs={"sub1": f"creative {number % 2}", "sub2": f"n{number}x"})
        )
    with Columns(tmp_path) as columns:
        StoredDay(columns, day).archive({seq: seq for seq, _ in day.numbered_clicks})

        values = {(of, value) for of, _, value, _ in _groups(columns)}
    assert {("sub1", "creative 0"), ("sub1", "creative 1")} <= values
    assert {value for of, value in values if of == "sub2"} <= {OTHER, None}
    assert b"n17x" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.parquet"))


def test_two_visitor_dimensions_together_read_unknown(tmp_path: Path) -> None:
    day = any_day(5, clicks=200)
    with Columns(tmp_path) as columns:
        stored = StoredDay(columns, day)
        totals = stored.ask()["totals"]
        stored.archive(random_visitors(day, 90))

        result = stored.ask("country", "device")

    assert result["totals"] == totals
    assert [(row["country"], row["device"]) for row in result["rows"]] == [(None, None)]
    assert "country, device can be reported only alone" in result["notes"][1]


def test_archived_files_have_no_column_about_a_single_visitor(tmp_path: Path) -> None:
    day = any_day(6)
    with Columns(tmp_path) as columns:
        StoredDay(columns, day).archive(random_visitors(day, 20))

        archived = ArchivedDay(tmp_path / MAIN, DATE)
        held = {}
        for path in archived.all_files:
            values = Values()
            described = columns.duck.rows(f"describe select * from {values.parquet([str(path)], {})}", values)
            held[path.name] = {row[0] for row in described}
    for name, columns_held in held.items():
        assert columns_held.isdisjoint({*VISITOR_DIMENSIONS, "seq", "clicked_at", "event_seq", "changes"}), name
    assert set(OWNER_DIMENSIONS) <= held[f"{DATE}-clicks.parquet"]


def test_removing_an_archived_day_removes_all_its_files(tmp_path: Path) -> None:
    day = any_day(7)
    with Columns(tmp_path) as columns:
        StoredDay(columns, day).archive(random_visitors(day, 20))
    assert archived_dates(tmp_path / MAIN) == [DATE]

    remove_archived(tmp_path / MAIN, DATE)

    assert archived_dates(tmp_path / MAIN) == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_every_dimension_of_a_click_is_an_owner_or_a_visitor_dimension() -> None:
    assert {*OWNER_DIMENSIONS, *VISITOR_DIMENSIONS} == {name for name, each in DIMENSIONS.items() if not each.is_time}
