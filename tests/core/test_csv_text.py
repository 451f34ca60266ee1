"""CSV files are read line by line, in the encodings and with the separators of spreadsheets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.csv_text import csv_records, decode_csv
from tnc.core.errors import InvalidError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sep_line", [True, False])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_spelling_of_a_table_is_read(separator: str, sep_line: bool, end: str, encoding: str) -> None:
    lines = [*([f"sep={separator}"] if sep_line else []), f"cid{separator}txid", f"a{separator}straße", ""]

    records = list(csv_records(decode_csv(end.join(lines).encode(encoding), "f.csv")))

    first = 2 if sep_line else 1
    assert records == [(first, ["cid", "txid"]), (first + 1, ["a", "straße"])]


def test_the_separator_of_the_first_line_wins_over_the_header() -> None:
    assert list(csv_records('"sep=|"\na,b|c,d\n')) == [(2, ["a,b", "c,d"])]


def test_utf_16_of_either_byte_order_is_read() -> None:
    assert decode_csv(b"\xfe\xff" + "ä".encode("utf-16-be"), "f.csv") == "ä"
    assert decode_csv(b"\xff\xfe" + "ä".encode("utf-16-le"), "f.csv") == "ä"


@pytest.mark.parametrize("data", [b"\xe4\n", b"\xff\xfea"])
def test_another_encoding_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(InvalidError, match=r"f\.csv is not text in UTF-8 or UTF-16: save it as CSV UTF-8"):
        decode_csv(data, "f.csv")


def test_two_stray_quotes_cost_two_lines() -> None:
    records = dict(csv_records('a,b\n1,"x\n2,y\n3,z\n4,w"\n"5,v\n6,u\n'))

    assert {line: isinstance(cells, list) for line, cells in records.items()} == {
        1: True, 2: False, 3: True, 4: True, 5: True, 6: False, 7: True,
    }  # fmt: skip
    assert "a quote without its partner" in records[2]


@given(
    st.lists(st.text(st.sampled_from('ab,;"\t \u2028\x00'), max_size=8).map(lambda line: "x" + line), max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_every_line_has_one_record(lines: list[str], end: str) -> None:
    numbers = [number for number, _ in csv_records(end.join(["cid,payout", *lines]))]

    assert numbers == list(range(1, len(lines) + 2))


@given(st.lists(st.sampled_from(["a,1", 'b,"2"', '"c",3', 'd,"', '"e,5', 'f","6', 'g,7"', 'h"h,8']), max_size=12))
def test_a_line_is_read_the_same_whatever_the_other_lines_are(lines: list[str]) -> None:
    together = [record for _, record in csv_records("\n".join(["cid,payout", *lines]))][1:]

    assert together == [list(csv_records(f"cid,payout\n{line}"))[1][1] for line in lines]
