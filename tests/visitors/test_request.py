"""Queries as people and ad platforms write them, and text in any encoding."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.visitors.request import MAX_PARAMETERS, read_query, split_target


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1?gclid=x", {"a": "1", "gclid": "x"}),
        ("?a=1", {"a": "1"}),
        ("a=1&a=2", {"a": "1"}),
        ("a=&b", {"a": "", "b": ""}),
        ("=1&&=&a=b=c", {"a": "b=c"}),
        ("name=J%C3%BCrgen+M", {"name": "Jürgen M"}),
        ("twice=%2541", {"twice": "%41"}),
        ("half=%C3", {"half": "\ufffd"}),
        ("wrong=%zz", {"wrong": "%zz"}),
        ("line=a%0d%0ab%00", {"line": "ab"}),
        ("raw=caf\udce9", {"raw": "caf\ufffd"}),
        ("a%5B0%5D=x", {"a[0]": "x"}),
    ],
)
def test_queries_are_decoded_once_and_repaired(raw: str, read: dict[str, str]) -> None:
    assert read_query(raw) == read


def test_the_query_begins_at_the_first_question_mark() -> None:
    assert split_target("/summer?a=1?b=2") == ("/summer", "a=1?b=2")
    assert split_target("/summer") == ("/summer", "")


@given(st.text(st.characters(categories=("Lu", "Ll", "Nd"), include_characters="-_"), min_size=1, max_size=1100))
def test_a_long_click_id_is_kept_unchanged(click_id: str) -> None:
    assert read_query(f"fbclid={quote(click_id)}")["fbclid"] == click_id


def test_parameters_beyond_the_limit_are_dropped() -> None:
    read = read_query("&".join(f"p{n}={n}" for n in range(1000)))

    assert len(read) == MAX_PARAMETERS
    assert read["p199"] == "199"


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=20))
def test_encoded_parameters_are_read_back(sent: dict[str, str]) -> None:
    printable = {name: value for name, value in sent.items() if name.isprintable() and value.isprintable()}

    assert read_query(urlencode(printable)) == printable


@given(st.binary(max_size=300))
def test_any_bytes_become_text_that_can_be_encoded(raw: bytes) -> None:
    for name, value in read_query(raw.decode("utf-8", "surrogateescape")).items():
        assert name
        (name + value).encode("utf-8")
