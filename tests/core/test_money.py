"""Amounts are read exactly or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.errors import InvalidError
from tnc.core.money import CURRENCIES, LARGEST, MICROS, micros, read_amount, read_cost, read_currency


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", 12_500_000),
        ("12,50", 12_500_000),
        ("12,5", 12_500_000),
        ("0", 0),
        ("0.000001", 1),
        ("0.0000004", 0),
        (".5", 500_000),
        ("12.", 12_000_000),
        ("007", 7_000_000),
        ("1000000000", 10**15),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, expected: int) -> None:
    assert read_amount(text, "payout") == expected


@pytest.mark.parametrize(
    "text",
    [
        "$12.50", "12.50 USD", "1,250", "1,250.00", "1.250,00", "1 250", "nan", "NaN", "inf", "1e3", "1e400", "--5",
        "+5", "0x10", "\u0661\u0662", "1_000", ".", ",", ",5", "12.5\n", "1000000000.01", "9" * 100, "-", "-nan",
    ],
)  # fmt: skip
def test_other_amounts_are_refused_by_parameter_name(text: str) -> None:
    with pytest.raises(InvalidError, match=r"^payout is"):
        read_amount(text, "payout")


def test_a_negative_amount_is_refused_with_advice() -> None:
    with pytest.raises(InvalidError, match="status=rejected"):
        read_amount("-12.5", "payout")


@given(st.decimals(min_value=0, max_value=LARGEST, places=6))
def test_six_decimal_places_are_read_exactly(amount: Decimal) -> None:
    assert read_amount(f"{amount:f}", "payout") == amount * MICROS


@given(st.text(max_size=80))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        amount = read_amount(text, "payout")
    except InvalidError:
        return
    assert 0 <= amount <= LARGEST * MICROS


def test_currencies_are_read_in_any_case() -> None:
    assert read_currency("eur", "currency") == "EUR"
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize("text", ["", "US", "USDT", "XXX", "$", "u\u017fd", "EURO"])
def test_an_unknown_currency_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="ISO 4217"):
        read_currency(text, "currency")


def test_a_configured_amount_has_no_rounding_error() -> None:
    assert [micros(12.5), micros(0.1), micros(0.00012), micros(3)] == [12_500_000, 100_000, 120, 3_000_000]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.0E-4", (500, "EUR")),
        ("1e-3", (1_000, "EUR")),
        ("$0.0005", (500, "USD")),
        ("0.0005USD", (500, "USD")),
        ("usd 0.0005", (500, "USD")),
        ("0,0005", (500, "EUR")),
        ("0,125 €", (125_000, "EUR")),
        ("1,5", (1_500_000, "EUR")),
        ("12", (12_000_000, "EUR")),
    ],
)
def test_a_cost_is_read_in_every_unmistakable_spelling(text: str, expected: tuple[int, str]) -> None:
    assert read_cost(text, "EUR") == expected


@pytest.mark.parametrize("text", ["-1", "abc", "{cpc}", "1,250", "", "nan", "1e99", "$", "1.2.3", "$1 EUR", "9e9"])
def test_a_cost_that_can_be_mistaken_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="cost is not an amount"):
        read_cost(text, "EUR")


def test_a_dollar_sign_is_a_dollar_of_the_campaign() -> None:
    assert read_cost("$1", "CAD") == (1_000_000, "CAD")
