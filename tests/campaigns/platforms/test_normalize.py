"""Values are normalised before hashing as each platform documents it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.campaigns.platforms import normalize
from tnc.campaigns.platforms.normalize import Normalizer, state_code

VECTORS: list[tuple[Normalizer, str, str | None, str | None]] = [
    (normalize.email, "  John.Smith+tag@Gmail.com ", None, "john.smith+tag@gmail.com"),
    (normalize.google_email, "  John.Smith+tag@Gmail.com ", None, "johnsmith+tag@gmail.com"),
    (normalize.google_email, "Jane.Doe@googlemail.com", None, "janedoe@googlemail.com"),
    (normalize.google_email, "Jane.Doe@example.com", None, "jane.doe@example.com"),
    (normalize.email, "not an address", None, None),
    (normalize.phone, "202.555.0100", "US", None),
    (normalize.phone, "+1 (202) 555-0100", "US", "12025550100"),
    (normalize.phone, "0044 20 7946 0018", "GB", "442079460018"),
    (normalize.e164, "0044 20 7946 0018", "GB", "+442079460018"),
    (normalize.e164, "+123456789012345", None, "+123456789012345"),
    (normalize.e164, "+1234567890123456", None, None),
    (normalize.name, "O'Brien", None, "obrien"),
    (normalize.name, "Mary Ann", None, "maryann"),
    (normalize.name, "São Paulo", "BR", "sãopaulo"),
    (normalize.name, "New York", "US", "newyork"),
    (normalize.name, "--", None, None),
    (normalize.state, "California", "US", "ca"),
    (normalize.state, "CA", "US", "ca"),
    (normalize.state, "Quebec", "CA", "qc"),
    (normalize.state, "Île-de-France", "FR", "îledefrance"),
    (normalize.postcode, "SW1A 1AA", "GB", "sw1a1aa"),
    (normalize.postcode, "94025-1234", "US", "94025"),
    (normalize.postcode, "M1 1AE", "GB", "m11ae"),
    (normalize.gender, " Female ", None, "f"),
    (normalize.gender, "unknown", None, None),
    (normalize.birthday, "1990-02-28", None, "19900228"),
    (normalize.birthday, "28.02.1990", None, None),
    (normalize.plain_name, " O'Brien ", None, "o'brien"),
]


@pytest.mark.parametrize(("form", "given_text", "country", "wanted"), VECTORS)
def test_a_value_is_normalised_as_the_platform_documents(
    form: Normalizer, given_text: str, country: str | None, wanted: str | None
) -> None:
    assert form(given_text, country) == wanted


def test_a_country_hashes_to_the_example_in_metas_documentation() -> None:
    code = normalize.country_code(" US ")

    assert code is not None
    assert normalize.hashed(code) == "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"


@pytest.mark.parametrize("text", ["USA", "India", "", "U1"])
def test_a_country_name_is_not_sent(text: str) -> None:
    assert normalize.country_code(text) is None


FORMS: list[Normalizer] = [
    normalize.email, normalize.google_email, normalize.name, normalize.plain_name, normalize.postcode,
    normalize.gender, normalize.birthday,
]  # fmt: skip


@given(st.sampled_from(FORMS), st.text(max_size=40), st.sampled_from([None, "US", "GB"]))
def test_normalising_twice_changes_nothing(form: Normalizer, text: str, country: str | None) -> None:
    once = form(text, country)

    assert once is None or form(once, country) == once


@given(st.text(max_size=30))
def test_a_phone_number_is_digits_with_a_country_code_or_none(text: str) -> None:
    digits = normalize.phone(text)

    assert digits is None or (digits.isascii() and digits.isdigit() and not digits.startswith("0"))
    assert normalize.e164(text) == (None if digits is None else f"+{digits}")


def test_states_are_recognised_in_their_own_country_only() -> None:
    assert [state_code("US", each) for each in ("CA", "california", "US-CA", " District of Columbia ")] == [
        "CA", "CA", "CA", "DC",
    ]  # fmt: skip
    assert state_code("CA", "California") is None
    assert state_code("BR", "CA") is None
