"""Sums that outlive their clicks: exact for the owner, and nobody can be singled out in them."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.store.invented import DATE, Day, any_day, day_start_ms
from tests.store.invented import click as invented_click
from tnc.core.clock import DAY_MS
from tnc.core.models import MAIN, CampaignId
from tnc.reports.columns.archive import (
    GROUP,
    OTHER,
    OWNER_SIDE,
    VISITOR_SIDE,
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


class Shelf:
    """A day in the columns, whose clicks can go."""

    def __init__(self, columns: Columns, day: Day) -> None:
        self.columns = columns
        self.day: Day | None = day
        self.reports = Reports(
            columns, open_day=lambda _workspace, _date: day, dates=lambda _workspace: [DATE] if self.day else []
        )

    def go(self, people: dict[int, int]) -> None:
        """Keep the sums, drop the rest."""
        assert self.day is not None
        self.columns.catch_up(MAIN, DATE, self.day, over=True)
        self.columns.roll_up(MAIN, DATE, people.items())
        self.columns.forget(MAIN, DATE)
        self.day = None

    def ask(self, *by: str, **asked: Any) -> dict[str, Any]:
        given = {"start": str(DATE), "end": "2026-03-30"} | asked
        wanted = ReportQuery(by=by, **given).resolve(MAIN, NOW_MS)
        told = self.reports.run(wanted, Exchange(home="USD", rates={"USD": 1.0, "EUR": 2.0})).to_json()
        return {"totals": told["totals"], "rows": told["rows"], "notes": told["notes"]}


def everybody(day: Day, visitors: int) -> dict[int, int]:
    chance = random.Random(7)
    return {seq: chance.randrange(visitors) for seq, _ in day.numbered_clicks}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "by",
    [
        (),
        ("campaign", "offer", "network", "flow", "source", "lander", "filter", "action"),
        ("hour",),
        ("campaign", "day", "hour_of_day"),
    ],
)
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_the_owners_side_stays_exact(tmp_path: Path, seed: int, by: tuple[str, ...], timezone: str) -> None:
    day = any_day(seed, currencies=("USD", "EUR"))
    with Columns(tmp_path) as columns:
        shelf = Shelf(columns, day)
        before = {
            time: shelf.ask(*by, timezone=timezone, time=time, end="2026-04-02") for time in ("click", "conversion")
        }

        shelf.go(everybody(day, 30))

        for time, told in before.items():
            after = shelf.ask(*by, timezone=timezone, time=time, end="2026-04-02")
            assert (after["totals"], after["rows"]) == (told["totals"], told["rows"])


@pytest.mark.parametrize("dimension", ["country", "device", "traffic", "sub1", "reasons", "asn"])
def test_a_group_of_the_visitors_side_has_ten_people_or_is_not_shown(tmp_path: Path, dimension: str) -> None:
    day = any_day(4, clicks=400, events=80)
    people = everybody(day, 150)
    with Columns(tmp_path) as columns:
        shelf = Shelf(columns, day)
        before = shelf.ask("campaign", dimension)
        exact = shelf.ask("campaign")

        shelf.go(people)

        after = shelf.ask("campaign", dimension)
        assert after["totals"] == before["totals"]
        assert _by_campaign(after["rows"]) == _by_campaign(exact["rows"])
        known = {(row["campaign"], row[dimension]): row for row in before["rows"]}
        for row in after["rows"]:
            if row[dimension] != OTHER:
                assert row == known[row["campaign"], row[dimension]], "a group that is shown is shown as it was"
        assert {row[dimension] for row in after["rows"]} - {OTHER}, "not everything is folded"


def _by_campaign(rows: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        found[row["campaign"]] += row["visits"]
    return found


def _groups(columns: Columns) -> list[tuple[str, str, str, int]]:
    path = ArchivedDay(columns.folder / MAIN, DATE).path("clicks", grouped=True)
    values = Values()
    return columns.duck.rows(f"select of, campaign, value, n from {values.parquet([str(path)], {})}", values)


def test_no_file_holds_a_smaller_group(tmp_path: Path) -> None:
    day = any_day(11, clicks=500)
    people = everybody(day, 90)
    with Columns(tmp_path) as columns:
        Shelf(columns, day).go(people)

        shown = {(of, campaign, value) for of, campaign, value, _ in _groups(columns)}
    counted: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for seq, its in day.numbered_clicks:
        for of, value in (("country", its.visit.country), ("device", its.visit.device)):
            if (of, its.campaign, value) in shown and not its.test:
                counted[of, its.campaign, str(value)].add(people[seq])
    assert counted
    assert min(len(group) for group in counted.values()) >= GROUP


def test_what_is_folded_hides_at_least_ten_people_or_a_whole_campaign(tmp_path: Path) -> None:
    """One visitor from Iceland beside a hundred from two countries: `other` must not be him."""
    day = Day()
    people: dict[int, int] = {}
    for number in range(101):
        country = "IS" if number == 100 else ("US", "DE")[number % 2]
        made = invented_click(day_start_ms(DATE) + number, visit={"country": country}, campaign=CampaignId("summer"))
        people[day.add(made)] = number
    with Columns(tmp_path) as columns:
        shelf = Shelf(columns, day)
        shelf.go(people)

        rows = {row["country"]: row["visits"] for row in shelf.ask("country")["rows"]}
    assert rows in ({"US": 50, OTHER: 51}, {"DE": 50, OTHER: 51})


def test_values_that_are_each_ones_own_leave_no_row(tmp_path: Path) -> None:
    day = Day()
    for number in range(60):
        day.add(
            invented_click(day_start_ms(DATE) + number, subs={"sub1": f"creative {number % 2}", "sub2": f"n{number}x"})
        )
    with Columns(tmp_path) as columns:
        Shelf(columns, day).go({seq: seq for seq, _ in day.numbered_clicks})

        values = {(of, value) for of, _, value, _ in _groups(columns)}
    assert {("sub1", "creative 0"), ("sub1", "creative 1")} <= values
    assert {value for of, value in values if of == "sub2"} <= {OTHER, None}
    assert b"n17x" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.parquet"))


def test_two_sides_of_the_visitor_cannot_be_asked_together_any_more(tmp_path: Path) -> None:
    day = any_day(5, clicks=200)
    with Columns(tmp_path) as columns:
        shelf = Shelf(columns, day)
        totals = shelf.ask()["totals"]
        shelf.go(everybody(day, 90))

        told = shelf.ask("country", "device")

    assert told["totals"] == totals
    assert [(row["country"], row["device"]) for row in told["rows"]] == [(None, None)]
    assert "country, device is known only by itself" in told["notes"][1]


def test_sums_hold_no_column_of_a_single_visitor(tmp_path: Path) -> None:
    day = any_day(6)
    with Columns(tmp_path) as columns:
        Shelf(columns, day).go(everybody(day, 20))

        cold = ArchivedDay(tmp_path / MAIN, DATE)
        held = {}
        for path in cold.all_files:
            values = Values()
            described = columns.duck.rows(f"describe select * from {values.parquet([str(path)], {})}", values)
            held[path.name] = {row[0] for row in described}
    for name, columns_held in held.items():
        assert columns_held.isdisjoint({*VISITOR_SIDE, "seq", "clicked_at", "event_seq", "changes"}), name
    assert set(OWNER_SIDE) <= held[f"{DATE}-clicks.parquet"]


def test_sums_go_by_their_own_term(tmp_path: Path) -> None:
    day = any_day(7)
    with Columns(tmp_path) as columns:
        Shelf(columns, day).go(everybody(day, 20))
    assert archived_dates(tmp_path / MAIN) == [DATE]

    remove_archived(tmp_path / MAIN, DATE)

    assert archived_dates(tmp_path / MAIN) == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_every_dimension_of_a_click_is_on_one_side() -> None:
    sides = {*OWNER_SIDE, *VISITOR_SIDE}
    assert sides == {name for name, each in DIMENSIONS.items() if not each.is_time}
