"""Later changes of a click's label and filter, in histories, remainders and report columns."""

from pathlib import Path
from typing import Any

import pytest

from tests.reports.invented_days import DATE, Day, click
from tnc.core.models import MAIN, Event, FilterChange, FilterId, LabelChange, LanderClick, LanderId
from tnc.privacy.remainder import remainder
from tnc.reports.columns.columns import Columns
from tnc.reports.columns.duck import Values
from tnc.reports.columns.schema import COLUMNS
from tnc.store.days.history import click_history, relabelled

STRICT = FilterId("strict")
FAILED = LabelChange(at_ms=1, traffic="bot", reasons=("crawler_failed",), crawler_verified=False)
STOPPED = FilterChange(at_ms=2, by=STRICT, filter=STRICT, stopped=True, reasons=("filter_vpn",))
PASSED = FilterChange(at_ms=3, by=STRICT)
UNDONE = FilterChange(at_ms=4, by=STRICT, undone=True)


def called(*events: Event) -> tuple[Any, ...]:
    now = relabelled(click(filter=FilterId("old"), stopped=True, added_reasons=("filter_asn",)), events)
    return now.visit.traffic, now.visit.reasons, now.filter, now.stopped, now.added_reasons


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), ("human", (), "old", True, ("filter_asn",))),
        ((FAILED,), ("bot", ("crawler_failed",), "old", True, ("filter_asn",))),
        ((STOPPED,), ("human", (), "strict", True, ("filter_vpn",))),
        ((STOPPED, PASSED), ("human", (), None, False, ())),
        ((STOPPED, FAILED), ("bot", ("crawler_failed",), "strict", True, ("filter_vpn",))),
        ((STOPPED, PASSED, UNDONE), ("human", (), "old", True, ("filter_asn",))),
    ],
)
def test_the_last_change_of_each_kind_counts(events: tuple[Event, ...], expected: tuple[Any, ...]) -> None:
    assert called(*events) == expected


def test_a_history_has_the_current_label_and_the_original_decision() -> None:
    recorded = click()

    history = click_history(recorded, [LanderClick(at_ms=1), STOPPED])

    assert (history.click.filter, history.click.stopped) == ("strict", False)  # it went where it went
    assert history.decided == recorded
    assert history.changes == (STOPPED,)
    assert click_history(recorded, [LanderClick(at_ms=1)]).decided is None


def test_the_remainder_of_an_erased_click_keeps_its_label() -> None:
    left, events = remainder(click(), [STOPPED], click().click_id)

    assert (left.filter, left.stopped, events) == ("strict", True, [])


def test_columns_follow_later_label_changes(tmp_path: Path) -> None:
    day = Day()
    seqs = [day.add(click(lander=LanderId("quiz"))) for _ in range(3)]
    for seq in (*seqs, *seqs):
        day.happen(seq, LanderClick(at_ms=1))
    with Columns(tmp_path) as columns:
        for event in (None, STOPPED, UNDONE):
            if event:
                day.happen(seqs[1], event)
            columns.catch_up(MAIN, DATE, day)
            with columns.reading(MAIN, [DATE]) as shelves:
                values = Values()
                files = values.parquet(shelves[DATE].files("landers"), COLUMNS["landers"])
                counts = columns.duck.rows(f"select counts, filter from {files} order by event_seq", values)

            now = (False, "strict") if event is STOPPED else (True, None)
            then = (False, "strict") if event is STOPPED else (False, None)
            assert counts == [(True, None), now, (True, None), (False, None), then, (False, None)]
