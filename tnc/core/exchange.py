"""Exchange rates by day: a CSV file of the owner, or that of the European Central Bank."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date as Date
from functools import cache
from pathlib import Path
from typing import Final

from tnc.core.csv_text import csv_records, decode_csv
from tnc.core.errors import InvalidError
from tnc.core.money import CURRENCIES

DatedRates = Mapping[str, Sequence[tuple[int, float]]]
"""By currency, oldest day first: the day (since 1970) and what one unit is worth in the home currency from then."""

_EPOCH: Final = Date(1970, 1, 1).toordinal()
_EURO: Final = "EUR"
_SHIPPED: Final = Path(__file__).parent / "data" / "eurofxref.csv"
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_NOTHING: Final = ("", "N/A")


def read_dated_rates(path: Path, home: str) -> DatedRates:
    """Reads a CSV file with the columns `day`, `currency` and `rate` (what one unit is worth in `home`).

    Or one with a column of days and one for each currency (what one euro is worth in it), as the European Central Bank
    publishes it. Raises InvalidError that names the file and the line.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidError(f"the rates in {path} cannot be read: {error}.") from error
    text = decode_csv(data, f"the file of rates {path}")
    return parse_dated_rates(text, home, where=str(path))


def parse_dated_rates(text: str, home: str, *, where: str) -> DatedRates:
    """The rates in the text of such a file; errors call it `where`. Raises InvalidError."""
    found: dict[str, dict[int, float]] = {}
    for line, day, currency, worth in _rates(where, text, home):
        if currency not in CURRENCIES or not 0 < worth < math.inf:
            raise _invalid(where, line, "a currency of ISO 4217 and a rate above 0 are needed")
        found.setdefault(currency, {})[day] = worth
    return {currency: sorted(days.items()) for currency, days in found.items() if currency != home}


@cache
def shipped_rates(home: str = _EURO) -> DatedRates:
    """The European Central Bank's file that is shipped with the program. Empty when the bank does not quote `home`."""
    return read_dated_rates(_SHIPPED, home)


def newest_rates(home: str, downloaded: Path) -> Mapping[str, float]:
    """What one unit of each currency was worth in `home` on the newest day of the bank's rates that are here.

    `downloaded` need not exist; a damaged file counts as missing.
    """
    try:
        rates = read_dated_rates(downloaded, home) if downloaded.exists() else shipped_rates(home)
    except InvalidError:
        rates = shipped_rates(home)
    return {currency: days[-1][1] for currency, days in rates.items()}


def _rates(where: str, text: str, home: str) -> Iterator[tuple[int, int, str, float]]:
    """Line, day, currency, and what one unit is worth in `home`."""
    records = csv_records(text)
    _, header = next(((line, _cells(where, line, cells)) for line, cells in records), (1, [""]))
    columns = [name.lower() for name in header]
    is_long = {"day", "currency", "rate"} <= set(columns)
    if not is_long and (len(header) < 2 or columns[0] not in ("day", "date")):
        raise _invalid(where, 1, "the columns day, currency and rate are needed, or date and one for each currency")
    for line, raw in records:
        cells = _cells(where, line, raw)
        try:
            if is_long:
                row = dict(zip(columns, cells, strict=False))
                yield line, _day(row["day"]), row["currency"].upper(), float(row["rate"])
            else:
                yield from _of_euro(line, header, cells, home)
        except (ValueError, KeyError, ZeroDivisionError) as error:
            raise _invalid(where, line, "a day like 2026-11-23 and plain decimal numbers are needed") from error


def _cells(where: str, line: int, cells: Sequence[str] | str) -> list[str]:
    if isinstance(cells, str):
        raise _invalid(where, line, cells)
    return [cell.strip() for cell in cells]


def _of_euro(
    line: int, header: Sequence[str], cells: Sequence[str], home: str
) -> Iterator[tuple[int, int, str, float]]:
    day, pairs = _day(cells[0]), zip(header[1:], cells[1:], strict=False)
    worth = {_EURO: 1.0} | {name.upper(): 1 / float(cell) for name, cell in pairs if name and cell not in _NOTHING}
    if home in worth:
        yield from ((line, day, currency, each / worth[home]) for currency, each in worth.items())


def _day(text: str) -> int:
    """`2026-11-23`, or `23 November 2026` as in the bank's daily file."""
    with suppress(ValueError):
        return Date.fromisoformat(text).toordinal() - _EPOCH
    day, month, year = text.split(" ")
    return Date(int(year), _MONTHS.index(month) + 1, int(day)).toordinal() - _EPOCH


def _invalid(where: str, line: int, why: str) -> InvalidError:
    return InvalidError(f"the rates in {where}, line {line}: {why}.")
