"""Columns are an exact copy without personal data, whatever the batches, and after any crash."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reports.columns.killed_feed import whole_day
from tests.reports.invented_days import DATE, Day, any_day, click, conversion, day_start_ms
from tnc.core.fields import DIMENSION_FIELDS, FIELDS
from tnc.core.models import MAIN, Click, LanderClick, LanderId, NetworkId, OfferId
from tnc.reports.columns.columns import Columns
from tnc.reports.columns.day_folder import files_to_merge
from tnc.reports.columns.duck import Values
from tnc.reports.columns.schema import COLUMNS, KINDS, Kind


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Columns(tmp_path_factory.mktemp("columns")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty(columns: Columns) -> None:
    columns.remove(MAIN, DATE)


def rows(columns: Columns, kind: Kind, wanted: str = "*", order: str = "seq") -> list[tuple[Any, ...]]:
    with columns.reading(MAIN, [DATE]) as folders:
        values = Values()
        relation = values.parquet(folders[DATE].files(kind), COLUMNS[kind])
        return columns.duck.rows(f"select {wanted} from {relation} order by {order}", values)


def everything(columns: Columns) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "clicks": rows(columns, "clicks"),
        "landers": rows(columns, "landers", order="event_seq"),
        "conversions": rows(columns, "conversions", order="event_seq"),
    }


def rebuilt(columns: Columns, day: Day) -> dict[str, list[tuple[Any, ...]]]:
    columns.remove(MAIN, DATE)
    columns.catch_up(MAIN, DATE, day)
    return everything(columns)


def test_no_column_is_personal_and_every_dimension_is_there() -> None:
    personal = {each.name for each in FIELDS.values() if each.personal}

    for kind in KINDS:
        assert not personal & set(COLUMNS[kind])
        assert {each.name for each in DIMENSION_FIELDS} <= set(COLUMNS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_hold_the_columns_that_are_declared(columns: Columns, kind: Kind) -> None:
    columns.catch_up(MAIN, DATE, any_day(1))

    with columns.reading(MAIN, [DATE]) as folders:
        values = Values()
        relation = values.parquet(folders[DATE].files(kind), {})
        found = columns.duck.rows(f"describe select * from {relation}", values)

    assert {name: type_.lower() for name, type_, *_ in found} == dict(COLUMNS[kind])


def test_a_click_is_written_as_it_is(columns: Columns) -> None:
    day = Day()
    day.add(click(day_start_ms(DATE) + 901_234, visit={"vpn": False, "asn": 64500, "reasons": ("a", "b")}), skip=4)

    columns.catch_up(MAIN, DATE, day)

    wanted = "seq, epoch_ms(clicked_at) - quarter::bigint * 900000, campaign, country, vpn, asn, reasons, city"
    assert rows(columns, "clicks", wanted) == [(4, 1_234, "summer", "US", "false", "64500", "a,b", None)]


def test_test_clicks_and_their_events_are_left_out(columns: Columns) -> None:
    day = Day()
    seq = day.add(click(test=True))
    day.happen(seq, conversion("a", 1))
    day.happen(seq, LanderClick(at_ms=1))

    columns.catch_up(MAIN, DATE, day)

    assert not any(everything(columns).values())


def test_visitor_dimensions_of_an_erased_click_read_erased_and_the_rest_stays(columns: Columns) -> None:
    day = Day()
    day.add(click(erased=True, cost_micros=20_000, visit={"country": None, "device": None}))

    columns.catch_up(MAIN, DATE, day)

    wanted = "campaign, source, cost_micros, flags, country, vpn, asn, sub7"
    assert rows(columns, "clicks", wanted) == [("summer", "ads", 20_000, 5, "erased", "erased", "erased", "erased")]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=5),
    over=st.booleans(),
)
def test_batches_do_not_change_the_columns(
    columns: Columns, seed: int, cuts: list[tuple[int, int]], over: bool
) -> None:
    day = any_day(seed)
    expected = rebuilt(columns, day)
    columns.remove(MAIN, DATE)
    clicks = sorted(each for each, _ in cuts)
    events = sorted(each for _, each in cuts)

    for some_clicks, some_events in zip(clicks, events, strict=True):
        columns.catch_up(MAIN, DATE, day.part(some_clicks, some_events))
    columns.catch_up(MAIN, DATE, day, over=over)

    assert everything(columns) == expected


def test_catching_up_twice_reads_nothing(columns: Columns) -> None:
    day = any_day(3)
    columns.catch_up(MAIN, DATE, day)

    second = columns.catch_up(MAIN, DATE, day)

    assert (second.clicks, second.events, second.rebuilt) == (0, 0, False)


class BusyDay(Day):
    """A day that gets another click each time it is read."""

    reads = 0

    def clicks(self, after_seq: int) -> Iterator[tuple[int, Click]]:
        self.reads += 1
        assert self.reads < 10, "the run does not end"
        self.add(click())
        return super().clicks(after_seq)


def test_catching_up_ends_while_clicks_keep_coming(columns: Columns) -> None:
    day = BusyDay()
    for _ in range(5):
        day.add(click())

    assert columns.catch_up(MAIN, DATE, day).clicks == 5
    assert len(rows(columns, "clicks")) == 5


def test_a_day_that_is_over_is_one_file_of_each_kind(columns: Columns) -> None:
    day = any_day(4)
    for clicks in range(5, 61, 5):
        columns.catch_up(MAIN, DATE, day.part(clicks, 0))

    columns.catch_up(MAIN, DATE, day, over=True)

    with columns.reading(MAIN, [DATE]) as folders:
        assert [len(folders[DATE].files(kind)) for kind in KINDS] == [1, 1, 1]


def test_many_small_batches_become_few_files(columns: Columns) -> None:
    day = any_day(5)

    for clicks in range(1, 61):
        columns.catch_up(MAIN, DATE, day.part(clicks, 0))

    with columns.reading(MAIN, [DATE]) as folders:
        assert len(folders[DATE].files("clicks")) <= 9
    assert everything(columns)["clicks"] == rebuilt(columns, day.part(60, 0))["clicks"]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=400))
def test_merging_keeps_files_few_and_copies_each_row_a_few_times(portions: list[int]) -> None:
    files: list[int] = []
    copied = 0
    for rows_ in portions:
        files.append(rows_)
        count = files_to_merge(files, most=8)
        if count:
            copied += sum(files[-count:])
            files[-count:] = [sum(files[-count:])]

    assert sum(files) == sum(portions)
    assert len(files) <= 8
    assert copied <= 8 * sum(portions)


def test_columns_are_rebuilt_when_the_day_file_is_replaced_by_an_older_copy(columns: Columns) -> None:
    day = any_day(6)
    columns.catch_up(MAIN, DATE, day)

    report = columns.catch_up(MAIN, DATE, day.part(20, 0))

    assert report.rebuilt
    assert len(rows(columns, "clicks")) == sum(not each.test for _, each in day.numbered_clicks[:20])


def test_only_the_first_lander_click_of_a_visit_counts(columns: Columns) -> None:
    day = Day()
    seq = day.add(click(lander=LanderId("quiz")))
    for at_ms in (5, 6, 7):
        day.happen(seq, LanderClick(at_ms=at_ms))
        columns.catch_up(MAIN, DATE, day)

    assert rows(columns, "landers", "counts", order="event_seq") == [(True,), (False,), (False,)]


def test_values_are_removed_when_they_become_identifiers_and_return_when_they_repeat(columns: Columns) -> None:
    day = Day()
    for number in range(19):
        day.add(click(subs={"sub1": f"zone-{number}"}))
    columns.catch_up(MAIN, DATE, day)
    assert len(rows(columns, "clicks", "distinct sub1", order="sub1")) == 19

    day.add(click(subs={"sub1": "zone-19"}))
    assert columns.catch_up(MAIN, DATE, day).rebuilt
    assert rows(columns, "clicks", "distinct sub1", order="sub1") == [(None,)]

    for number in range(20):
        day.add(click(subs={"sub1": f"zone-{number}"}))
    assert columns.catch_up(MAIN, DATE, day).rebuilt
    assert len(rows(columns, "clicks", "distinct sub1", order="sub1")) == 20


def test_the_offer_of_a_conversion_is_that_of_the_last_lander_click(columns: Columns) -> None:
    day = Day()
    seq = day.add(click(offer=OfferId("shoes"), network=NetworkId("good")))
    day.happen(seq, LanderClick(at_ms=5, offer=OfferId("boots"), network=NetworkId("better")))
    day.happen(seq, conversion("a", 9))
    columns.catch_up(MAIN, DATE, day)
    assert rows(columns, "conversions", "offer, network") == [("boots", "better")]

    day.happen(seq, LanderClick(at_ms=7, offer=OfferId("sandals")))
    columns.catch_up(MAIN, DATE, day)

    assert rows(columns, "conversions", "offer, network") == [("sandals", "good")]


@pytest.mark.parametrize("damage", ["state", "missing", "short", "noise", "schema"])
def test_a_damaged_day_is_made_again(
    columns: Columns, damage: Literal["state", "missing", "short", "noise", "schema"]
) -> None:
    day = any_day(7)
    expected = rebuilt(columns, day)
    folder = columns.folder / MAIN / DATE.isoformat()
    file = next(folder.glob("conversions-*.parquet"))
    match damage:
        case "state":
            (folder / "state.json").write_bytes(b'{"schema":1,"cli')
        case "missing":
            file.unlink()
        case "short":
            file.write_bytes(file.read_bytes()[:-50])
        case "noise":
            file.write_bytes(b"\x07" * file.stat().st_size)
        case "schema":
            text = (folder / "state.json").read_bytes()
            (folder / "state.json").write_bytes(text.replace(b'"schema":1', b'"schema":99'))

    if damage == "noise":  # of the right size: only reading it shows the damage
        columns.remove_unreadable(MAIN, [DATE])
    caught_up = columns.catch_up(MAIN, DATE, day)

    assert caught_up.clicks >= len(day.numbered_clicks)
    assert everything(columns) == expected


def test_the_next_run_completes_what_a_killed_process_left(tmp_path: Path) -> None:
    day = whole_day()
    with Columns(tmp_path / "whole") as columns:
        columns.catch_up(MAIN, DATE, day)
        expected = everything(columns)
    with Columns(tmp_path / "begun") as columns:
        columns.catch_up(MAIN, DATE, day.part(30, 10))

    subprocess.run([sys.executable, "-m", "tests.reports.columns.killed_feed", tmp_path], check=True)

    steps = [each for each in tmp_path.iterdir() if each.name.isdigit()]
    assert len(steps) > 10
    for folder in steps:
        with Columns(folder) as columns:
            columns.catch_up(MAIN, DATE, day)
            assert everything(columns) == expected
        assert not [*folder.rglob("*.new"), *folder.rglob("spool*")]


def test_a_writer_waits_for_readers(columns: Columns) -> None:
    folder = columns.folder / MAIN / DATE.isoformat()
    with Columns(columns.folder) as other, ThreadPoolExecutor() as pool:
        with columns.reading(MAIN, [DATE]):
            writing = pool.submit(other.catch_up, MAIN, DATE, any_day(9))
            with pytest.raises(TimeoutError):
                writing.result(timeout=0.2)
            assert not folder.exists()
        writing.result()
    assert (folder / "state.json").exists()
