"""Each platform hashes its own form of a value: the vectors of the facts, and what the forms have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.destinations.platforms import normalize as normalise
from tnc.destinations.platforms.normalize import Normaliser, state_code

VECTORS: list[tuple[Normaliser, str, str | None, str | None]] = [
    (normalise.email, "  John.Smith+tag@Gmail.com ", None, "john.smith+tag@gmail.com"),
    (normalise.google_email, "  John.Smith+tag@Gmail.com ", None, "johnsmith+tag@gmail.com"),
    (normalise.google_email, "Jane.Doe@googlemail.com", None, "janedoe@googlemail.com"),
    (normalise.google_email, "Jane.Doe@example.com", None, "jane.doe@example.com"),
    (normalise.email, "not an address", None, None),
    (normalise.phone, "202.555.0100", "US", None),
    (normalise.phone, "+1 (202) 555-0100", "US", "12025550100"),
    (normalise.phone, "0044 20 7946 0018", "GB", "442079460018"),
    (normalise.e164, "0044 20 7946 0018", "GB", "+442079460018"),
    (normalise.e164, "+123456789012345", None, "+123456789012345"),
    (normalise.e164, "+1234567890123456", None, None),
    (normalise.name, "O'Brien", None, "obrien"),
    (normalise.name, "Mary Ann", None, "maryann"),
    (normalise.name, "São Paulo", "BR", "sãopaulo"),
    (normalise.name, "New York", "US", "newyork"),
    (normalise.name, "--", None, None),
    (normalise.state, "California", "US", "ca"),
    (normalise.state, "CA", "US", "ca"),
    (normalise.state, "Quebec", "CA", "qc"),
    (normalise.state, "Île-de-France", "FR", "îledefrance"),
    (normalise.postcode, "SW1A 1AA", "GB", "sw1a1aa"),
    (normalise.postcode, "94025-1234", "US", "94025"),
    (normalise.postcode, "M1 1AE", "GB", "m11ae"),
    (normalise.gender, " Female ", None, "f"),
    (normalise.gender, "unknown", None, None),
    (normalise.birthday, "1990-02-28", None, "19900228"),
    (normalise.birthday, "28.02.1990", None, None),
    (normalise.plain_name, " O'Brien ", None, "o'brien"),
]


@pytest.mark.parametrize(("form", "given_text", "country", "wanted"), VECTORS)
def test_a_value_has_one_form(form: Normaliser, given_text: str, country: str | None, wanted: str | None) -> None:
    assert form(given_text, country) == wanted


def test_a_country_hashes_to_metas_own_example() -> None:
    code = normalise.country_code(" US ")

    assert code is not None
    assert normalise.hashed(code) == "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"


@pytest.mark.parametrize("text", ["USA", "India", "", "U1"])
def test_a_country_that_is_no_code_is_not_sent(text: str) -> None:
    assert normalise.country_code(text) is None


FORMS: list[Normaliser] = [
    normalise.email, normalise.google_email, normalise.name, normalise.plain_name, normalise.postcode,
    normalise.gender, normalise.birthday,
]  # fmt: skip


@given(st.sampled_from(FORMS), st.text(max_size=40), st.sampled_from([None, "US", "GB"]))
def test_a_form_is_its_own_form(form: Normaliser, text: str, country: str | None) -> None:
    once = form(text, country)

    assert once is None or form(once, country) == once


@given(st.text(max_size=30))
def test_a_number_is_digits_with_a_country_code_or_nothing(text: str) -> None:
    digits = normalise.phone(text)

    assert digits is None or (digits.isascii() and digits.isdigit() and not digits.startswith("0"))
    assert normalise.e164(text) == (None if digits is None else f"+{digits}")


def test_states_are_known_by_code_and_by_name_in_their_own_country_only() -> None:
    assert [state_code("US", each) for each in ("CA", "california", "US-CA", " District of Columbia ")] == [
        "CA", "CA", "CA", "DC",
    ]  # fmt: skip
    assert state_code("CA", "California") is None
    assert state_code("BR", "CA") is None
