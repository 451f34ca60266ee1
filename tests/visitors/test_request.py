"""Queries as people and ad platforms write them, and text in any encoding."""

import re
from urllib.parse import quote, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.rules.templates import UrlTemplate, encoded
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
        ("half=%C3", {"half": "\uefc3"}),
        ("first=&first=2&first=3", {"first": "2"}),
        ("a=1&amp;b=2&amp%3Bc=3", {"a": "1", "b": "2", "c": "3"}),
        ("wrong=%zz", {"wrong": "%zz"}),
        ("line=a%0d%0ab%00", {"line": "ab"}),
        ("raw=caf\udce9", {"raw": "caf\uefe9"}),
        ("a%5B0%5D=x", {"a[0]": "x"}),
    ],
)
def test_queries_are_decoded_once_and_repaired(raw: str, read: dict[str, str]) -> None:
    assert read_query(raw) == read


def test_keywords_in_windows_1251_stay_different_and_go_out_byte_for_byte() -> None:
    shoes, boots = "%EE%E1%F3%E2%FC", "%F1%E0%EF%EE%E3%E8"
    template = UrlTemplate.parse("https://shop.example/?q={sub1}&r={raw:sub1}")

    read = [read_query(f"q={value}")["q"] for value in (shoes, boots)]

    assert read[0] != read[1]
    assert [template.fill(lambda _: value) for value in read] == [  # noqa: B023 - called at once
        f"https://shop.example/?q={value}&r={value}" for value in (shoes, boots)
    ]


@given(st.binary(max_size=40).filter(lambda value: b"\xee" not in value))  # the private use area begins with it
def test_any_bytes_are_passed_on_as_they_came(value: bytes) -> None:
    sent = "".join(f"%{byte:02X}" for byte in value if byte >= 32 and byte != 127)

    read = read_query(f"q={sent}").get("q", "")

    assert unquote_to_bytes(encoded(read)) == without_c1(unquote_to_bytes(sent))


def without_c1(value: bytes) -> bytes:
    """C1 controls (U+0080 to U+009F) are taken out of every text."""
    return re.sub(rb"\xc2[\x80-\x9f]", b"", value)


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
