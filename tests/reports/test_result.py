"""Results show the same numbers as JSON, CSV and text; CSV has no formulas and text no control characters."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.models import MAIN
from tnc.reports.query import ReportQuery
from tnc.reports.result import ReportResult, Row, spreadsheet_safe, terminal_safe

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\tx",
    "\rx",
    "\nx",
    "a\x1b[31mred",
    "a\u202eb",
    'q"u,o\r\nte',
    "\x00",
]


def result(
    rows: list[Row], by: tuple[str, ...] = ("sub1",), metrics: tuple[str, ...] = ("visits", "cost")
) -> ReportResult:
    return ReportResult(
        query=ReportQuery(by=by, metrics=metrics).resolve(MAIN, 1_774_000_000_000),
        currency="USD",
        rows=rows,
        totals=dict.fromkeys(metrics, 7),
        notes=["One\x1bnote."],
    )


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_json_has_the_documented_keys() -> None:
    found = result([{"sub1": None, "visits": 7, "cost": 0.02}]).to_json()

    assert found == {
        "from": "2026-03-13T09:45:00.000Z",
        "to": "2026-03-20T10:00:00.000Z",
        "timezone": "UTC",
        "currency": "USD",
        "time": "click",
        "by": ["sub1"],
        "rows": [{"sub1": None, "visits": 7, "cost": 0.02}],
        "totals": {"visits": 7, "cost": 7},
        "notes": ["One\x1bnote."],
    }
    assert json.loads(json.dumps(found)) == found


def test_csv_has_a_header_and_the_values_that_filters_use() -> None:
    rows: list[Row] = [
        {"vpn": None, "visits": 7, "cost": None},
        {"vpn": True, "visits": 1, "cost": -0.5},
        {"vpn": False, "visits": 0, "cost": 0.000001},
    ]

    text = result(rows, by=("vpn",)).to_csv()

    assert text == "vpn,visits,cost\r\nunknown,7,\r\ntrue,1,-0.5\r\nfalse,0,0.000001\r\n"


@pytest.mark.parametrize("value", HOSTILE)
def test_csv_cells_are_never_formulas_and_keep_their_text(value: str) -> None:
    text = result([{"sub1": value, "visits": 1, "cost": 1}, {"sub1": "next", "visits": 2, "cost": 1}]).to_csv()

    _, first, second = cells(text)
    assert not first[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert first[0].removeprefix("'") == value
    assert second == ["next", "2", "1"]


@pytest.mark.parametrize("number", ["-5", "+1", "-0.25", "12"])
def test_plain_numbers_stay_numbers(number: str) -> None:
    assert spreadsheet_safe(number) == number


@given(st.text())
def test_text_for_a_terminal_has_no_control_characters(value: str) -> None:
    assert terminal_safe(value).isprintable()


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Mn", "Me"]), max_size=20), min_size=1, max_size=5))
def test_text_has_one_line_for_each_row_and_totals_first(values: list[str]) -> None:
    rows: list[Row] = [{"sub1": value, "visits": 3, "cost": 1.5} for value in values]

    lines = result(rows).to_text().split("\n")

    assert lines[0] == "2026-03-13T09:45:00.000Z to 2026-03-20T10:00:00.000Z, UTC, by click time, money in USD"
    assert lines[2].split() == ["sub1", "visits", "cost"]
    assert lines[3].split() == ["all", "7", "7.00"]
    assert len(lines) == 4 + len(values) + 2
    assert lines[-1] == "One\\x1bnote."


def test_text_columns_are_aligned_also_with_wide_letters() -> None:
    rows: list[Row] = [{"sub1": "日本", "visits": 100, "cost": 1}, {"sub1": "abcd", "visits": 7, "cost": None}]

    lines = result(rows).to_text().split("\n")

    assert lines[2:6] == [
        "sub1  visits  cost",
        "all        7  7.00",
        "日本     100  1.00",
        "abcd       7     -",
    ]


def test_text_shows_ratios_in_per_cent_and_prices_with_four_decimals() -> None:
    rows: list[Row] = [{"sub1": "a", "cr": 0.12345, "epv": 0.012345}]
    shown = ReportResult(
        query=ReportQuery(by=("sub1",), metrics=("cr", "epv"), start="1h", end="now").resolve(MAIN, 1),
        currency=None,
        rows=rows,
        totals={"cr": None, "epv": None},
        notes=[],
    ).to_text()

    assert shown.split("\n")[-1].split() == ["a", "12.35%", "0.0123"]
