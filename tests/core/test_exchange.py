"""Exchange rates by day: the owner's table, and the file of the European Central Bank."""

from datetime import date as Date
from pathlib import Path

import pytest

from tnc.core.errors import InvalidError
from tnc.core.exchange import newest_rates, read_dated_rates

DAY = (Date(2026, 11, 23) - Date(1970, 1, 1)).days


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rates.csv"


def test_an_own_table_is_read_in_any_order(file: Path) -> None:
    file.write_text("currency,day,rate,note\neur,2026-11-24,1.1,x\nEUR,2026-11-23,1.2\n\nUSD,2026-11-23,1\n")

    assert read_dated_rates(file, "USD") == {"EUR": [(DAY, 1.2), (DAY + 1, 1.1)]}


def test_the_file_of_the_central_bank_is_read(file: Path) -> None:
    file.write_text("Date,USD,JPY,CYP,\n2026-11-24,1.25,200,N/A,\n2026-11-23,1.2,150,N/A,\n")

    found = read_dated_rates(file, "USD")

    assert found["EUR"] == [(DAY, 1.2), (DAY + 1, 1.25)]
    assert [worth for _, worth in found["JPY"]] == pytest.approx([1.2 / 150, 1.25 / 200])
    assert read_dated_rates(file, "EUR")["USD"] == [(DAY, 1 / 1.2), (DAY + 1, 1 / 1.25)]
    assert read_dated_rates(file, "INR") == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("a,b\n", 1),
        ("day,currency,rate\nyesterday,EUR,1.1\n", 2),
        ("day,currency,rate\n2026-11-23,EUR,1.1\n2026-11-24,EUR,a lot\n", 3),
        ("day,currency,rate\n2026-11-23,EURO,1.1\n", 2),
        ("day,currency,rate\n2026-11-23,EUR,0\n", 2),
        ("day,currency,rate\n2026-11-23,EUR\n", 2),
        ("Date,USD\n2026-11-23,0\n", 2),
    ],
)
def test_a_wrong_line_is_named_by_number(file: Path, text: str, line: int) -> None:
    file.write_text(text)

    with pytest.raises(InvalidError, match=f"rates.csv, line {line}: .* needed"):
        read_dated_rates(file, "USD")


def test_a_missing_rates_file_is_named(file: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be read"):
        read_dated_rates(file, "USD")


def test_reference_rates_are_built_in() -> None:
    in_dollars = newest_rates("USD", Path("/nowhere"))

    assert 0.5 < in_dollars["EUR"] < 2
    assert in_dollars["INR"] < 0.1
    assert newest_rates("EUR", Path("/nowhere"))["USD"] == pytest.approx(1 / in_dollars["EUR"])
    assert not newest_rates("XOF", Path("/nowhere"))
