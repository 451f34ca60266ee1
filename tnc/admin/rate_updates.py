"""The reference rates of the European Central Bank, downloaded once a day with the geo data.

A release is shipped with the rates of one day (`tnc/core/data/eurofxref.csv`). Rates that are downloaded later replace
them; the owner's own rates in `config.toml` always go first.
"""

import asyncio
import io
import os
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tnc.core.clock import DAY_MS
from tnc.core.errors import FailedError, InvalidError, TncError
from tnc.core.exchange import DatedRates, parse_dated_rates, read_dated_rates, shipped_rates
from tnc.visitors.geo.update import Fetch

NAME: Final = "exchange-rates"
URL: Final = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref.zip"
_LARGEST: Final = 1 << 16
_FEWEST: Final = 20  # currencies; the bank publishes about 30
_MOST_CHANGE: Final = 2.0  # of one rate against the one in use


def is_due(path: Path, now_ms: int) -> bool:
    """Whether the rates were downloaded or confirmed longer ago than a day."""
    try:
        return abs(now_ms - path.stat().st_mtime_ns // 1_000_000) >= DAY_MS
    except OSError:
        return True


async def renew(path: Path, fetch: Fetch, *, base_url: str | None, now_ms: int) -> bool:
    """Download the rates of the newest day into `path`. True when they are new.

    Raises FailedError; the rates that were there stay in use.
    """
    url = URL if base_url is None else f"{base_url.rstrip('/')}{urlsplit(URL).path}"
    target = io.BytesIO()
    try:
        response = await fetch(url, headers={}, target=target, max_bytes=_LARGEST)
        if response.status != 200:
            raise FailedError(f"the server answered {response.status}")
        return await asyncio.to_thread(_install, path, _unpacked(target.getvalue()), now_ms)
    except (TncError, OSError) as error:
        raise FailedError(f"{NAME} from {url}: {error}; what was there stays in use") from error


def _unpacked(content: bytes) -> str:
    """The text of the one CSV file in the archive. Raises InvalidError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith(".csv")]
            with archive.open(name) as file:
                text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise InvalidError(f"the file is larger than the limit of {_LARGEST} bytes")
        return text.decode("ascii")
    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidError("it is no ZIP archive with one CSV file") from error


def _install(path: Path, text: str, now_ms: int) -> bool:
    """Raises InvalidError when the rates cannot be right."""
    found = parse_dated_rates(text, "EUR", where=NAME)
    known = shipped_rates()
    with suppress(InvalidError):  # missing or damaged
        known = read_dated_rates(path, "EUR")
    _check(found, known, now_ms)
    if found == known:
        os.utime(path, ns=(now_ms * 1_000_000, now_ms * 1_000_000))
        return False
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.utime(new, ns=(now_ms * 1_000_000, now_ms * 1_000_000))
    new.replace(path)
    return True


def _check(found: DatedRates, known: DatedRates, now_ms: int) -> None:
    today = now_ms // DAY_MS
    if len(found) < _FEWEST:
        raise InvalidError(f"it has rates for {len(found)} currencies only")
    newest = max(day for rates in found.values() for day, _ in rates)
    if newest > today + 1:
        raise InvalidError(f"it is of {_date(newest)}, which is in the future")
    if newest < max(day for rates in known.values() for day, _ in rates):
        raise InvalidError(f"it is of {_date(newest)}, older than the rates in use")
    for currency, rates in found.items():
        before = known.get(currency)
        if before and not 1 / _MOST_CHANGE <= rates[-1][1] / before[-1][1] <= _MOST_CHANGE:
            raise InvalidError(f"{currency} changed by more than the factor {_MOST_CHANGE:.0f}")


def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * DAY_MS / 1000, UTC):%Y-%m-%d}"
