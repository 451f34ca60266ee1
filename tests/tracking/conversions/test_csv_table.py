"""A CSV file of conversions is read line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.errors import InvalidError
from tnc.tracking.conversions.csv_import import Table, read_table

NOW = 1_795_000_000_000


def read(text: str) -> Table:
    return read_table(text, now_ms=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "cid,payout,status,txid\nabc,12.5,lead,t1\n",
        "\ufeffCID;Payout;Status;TXID\r\nabc;12,50;lead;t1\r\n",
        "subid\trevenue\tcnv_status\ttid\nabc\t12.5\tlead\tt1",
        "sep=;\ncid;payout;status;txid\nabc;12,5;lead;t1\n",
        '"clickid","sum","status","transaction_id"\n\n"abc","12,50","lead","t1"\n,,,\n',
    ],
)
def test_separators_byte_order_marks_and_column_names_of_other_trackers_are_read(text: str) -> None:
    (row,) = read(text).rows

    assert row.incoming is not None
    said = row.incoming
    assert (said.click_id, said.payout_micros, said.status_words, said.txid) == ("abc", 12_500_000, ("lead",), "t1")


def test_a_bad_line_is_reported_and_the_others_are_read() -> None:
    """A line end always ends a line: the value of lines 8 and 9 is cut in two."""
    text = 'cid,payout\na,1\n,2\nb,x\n\n"c"d,3\ne,1,2,3\n"two\nquotes",4\nf,5\n'

    rows = read(text).rows

    assert [(row.line, row.incoming is not None) for row in rows] == [
        (2, True), (3, False), (4, False), (6, False), (7, False), (8, False), (9, True), (10, True),
    ]  # fmt: skip
    assert "missing click id" in str(rows[1].problem)
    assert "payout is not an amount" in str(rows[2].problem)
    assert "not readable as CSV" in str(rows[3].problem)
    assert "more cells than columns" in str(rows[4].problem)


def test_a_file_cut_off_within_quotes_is_reported() -> None:
    first, last = read('cid,txid\na,1\nb,"2\n').rows

    assert (first.problem, last.line) == (None, 3)
    assert "a quote without its partner" in str(last.problem)


def test_quotes_against_formulas_are_removed() -> None:
    rows = read('cid,txid\na,"=""0012"""\nb,\'=1+1\nc,\'plain\nd,\'-7\n').rows

    assert [row.incoming and row.incoming.txid for row in rows] == ["0012", "=1+1", "'plain", "-7"]


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-18T11:06:39.5Z", 1_794_999_999_500),
        ("2026-11-18", 1_794_960_000_000),
        ("2026-11-18T10:06:39.500-01:00", 1_794_999_999_500),
        ("", None),
    ],
)
def test_a_line_may_have_a_time(text: str, at_ms: int | None) -> None:
    (row,) = read(f"cid,converted_at\na,{text}\n").rows

    assert row.incoming is not None
    assert row.incoming.converted_at_ms == at_ms


@pytest.mark.parametrize("text", ["yesterday", "2026-11-31", "2126-01-01", "1969-12-31", "0001-01-01T00:00:00+14:00"])
def test_an_impossible_time_is_refused(text: str) -> None:
    (row,) = read(f"cid,converted_at\na,{text}\n").rows

    assert "converted_at" in str(row.problem)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "\ufeff", "payout,status\n1,sale\n", "sep=;\n", "abc,12\n", "<html>\n", '"cid\n']
)
def test_a_file_without_a_column_for_the_click_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="no column for the click id"):
        read(text)


def test_unused_columns_are_listed() -> None:
    assert read("cid,Campaign,payout,\na,x,1,\n").unused_columns == ("campaign",)


@given(st.text(st.sampled_from("cida,;\t\"'=\n\r\x00\u2028 1-"), max_size=60))
def test_any_file_is_read_line_by_line_or_refused(body: str) -> None:
    rows = read("cid,payout\n" + body).rows

    assert all((row.incoming is None) != (row.problem is None) for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})


_CELL = st.text(st.sampled_from("ab1 \"'=."), max_size=5)


@given(st.lists(st.tuples(_CELL, _CELL).map(lambda cells: f"x{cells[0]},{cells[1]}"), max_size=12))
def test_a_file_with_quotes_anywhere_has_a_result_for_each_of_its_lines(lines: list[str]) -> None:
    rows = read("\n".join(["cid,txid", *lines])).rows

    assert [row.line for row in rows] == list(range(2, len(lines) + 2))
