"""The remainder of an erased click counts as the click did, and has no data about the visitor."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.invented_days import DATE, Day, any_day
from tests.store.records import PERSONAL, canary_click
from tnc.core.clock import QUARTER_MS
from tnc.core.models import MAIN, ClickId, FilterChange, FilterId, LabelChange
from tnc.privacy.remainder import remainder
from tnc.reports.columns.columns import Columns
from tnc.reports.columns.schema import ERASED
from tnc.reports.query import ReportQuery
from tnc.reports.run import Exchange, Reports


def all_erased(day: Day) -> Day:
    """The day with every click replaced by its remainder."""
    left = Day()
    for seq, click in day.numbered_clicks:
        events = [event for _, of, event in day.numbered_events if of == seq]
        anonymous, result = remainder(click, events, ClickId(f"rest-{seq}"))
        number = left.add(anonymous)
        for event in result:
            left.happen(number, event)
    return left


def report(columns: Columns, day: Day, *by: str, **asked: Any) -> dict[str, Any]:
    """`columns` must have no clicks of another day."""
    reports = Reports(columns, open_day=lambda _workspace, _date: day, dates=lambda _workspace: [DATE])
    given_ = {"start": str(DATE), "end": "2026-04-05"} | asked
    query = ReportQuery(by=by, **given_).resolve(MAIN, 0)
    result = reports.run(query, Exchange(home="USD", rates={"USD": 1.0, "EUR": 2.0})).to_json()
    return {"rows": result["rows"], "totals": result["totals"]}


@pytest.mark.parametrize("seed", range(4))
def test_sums_by_owner_dimensions_do_not_change(tmp_path: Path, seed: int) -> None:
    day = any_day(seed, clicks=120, events=80, currencies=("USD", "EUR"))
    for seq, click in day.numbered_clicks[::9]:
        day.happen(seq, LabelChange(at_ms=click.clicked_at_ms, traffic="bot", reasons=("claimed",)))
        day.happen(seq, FilterChange(at_ms=click.clicked_at_ms, by=FilterId("standard"), filter=FilterId("standard")))
    erased = all_erased(day)
    bys = ((), ("campaign", "offer", "network", "source", "lander"), ("filter", "action"), ("hour",))
    with Columns(tmp_path / "before") as before, Columns(tmp_path / "after") as after:
        for by, timezone, time in product(bys, ("UTC", "Asia/Kathmandu"), ("click", "conversion")):
            result = report(before, day, *by, timezone=timezone, time=time)
            assert report(after, erased, *by, timezone=timezone, time=time) == result


def test_visitor_dimensions_read_erased(tmp_path: Path) -> None:
    erased = all_erased(any_day(3))
    with Columns(tmp_path) as columns:
        for dimension in ("country", "device", "sub1", "traffic", "reasons", "unique_campaign", "asn"):
            rows = report(columns, erased, dimension)["rows"]
            assert [row[dimension] for row in rows] == [ERASED]


@given(st.integers(0, 2**41), st.dictionaries(st.sampled_from(sorted(PERSONAL)), st.text(min_size=1, max_size=20)))
def test_the_remainder_has_no_personal_data(at_ms: int, facts: dict[str, str]) -> None:
    click = canary_click(at_ms=at_ms, **facts)

    left, _ = remainder(click, [], ClickId("rest"))

    shown = {name for name in left.visit.__struct_fields__ if getattr(left.visit, name) not in (None, {}, ())}
    defaults = {"visited_at_ms", "traffic", "consent", "gpc", "mode", "data", "visit_number", "reasons"}
    assert shown - defaults <= {"domain", "unique_campaign"}
    assert left.clicked_at_ms % QUARTER_MS == 0
    assert (left.click_id, left.destination, left.witness) == ("rest", None, 0)
