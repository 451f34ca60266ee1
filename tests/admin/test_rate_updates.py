"""The daily exchange rates: what is installed, and what is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

from tests.fakes.publisher import RATES, rates_archive
from tnc.admin.rate_updates import is_due, renew
from tnc.core.clock import DAY_MS
from tnc.core.errors import FailedError
from tnc.core.exchange import newest_rates
from tnc.visitors.geo.update import FetchResponse

NOW_MS = 1_795_521_600_000  # 2026-11-24T12:00Z


async def installed(path: Path, content: bytes, *, status: int = 200, now_ms: int = NOW_MS) -> bool:
    async def fetch(url: str, *, headers: Mapping[str, str], target: IO[bytes], max_bytes: int) -> FetchResponse:
        assert url == "https://www.ecb.europa.eu/stats/eurofxref/eurofxref.zip"
        assert (headers, max_bytes) == ({}, 65_536)
        target.write(content)
        return FetchResponse(status=status)

    return await renew(path, fetch, base_url=None, now_ms=now_ms)


async def test_new_rates_are_used_and_the_same_ones_only_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    dearer = RATES.replace("1.1172", "1.2500")

    assert is_due(path, NOW_MS)
    assert await installed(path, rates_archive(dearer))

    assert newest_rates("USD", path)["EUR"] == pytest.approx(1.25)
    assert newest_rates("EUR", path)["USD"] == pytest.approx(0.8)
    assert not is_due(path, NOW_MS + DAY_MS - 1)
    assert is_due(path, NOW_MS + DAY_MS)
    assert not await installed(path, rates_archive(dearer), now_ms=NOW_MS + DAY_MS)
    assert not is_due(path, NOW_MS + DAY_MS)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no ZIP archive"),
        (b"<html>maintenance</html>", "no ZIP archive"),
        (rates_archive(RATES)[:-30], "no ZIP archive"),
        (rates_archive("x" * 70_000), "larger than the limit"),
        (rates_archive("Date, USD\n20 November 2026, 1.1"), "1 currencies only"),
        (rates_archive(RATES.replace("20 November 2026", "26 November 2026")), "2026-11-26, which is in the future"),
        (rates_archive(RATES.replace("20 November 2026", "20 October 2026")), "older than the rates in use"),
        (rates_archive(RATES.replace("1.1172", "2.3000")), "USD changed by more than the factor 2"),
        (rates_archive(RATES.replace("1.1172", "-1")), "a rate above 0"),
        (rates_archive(RATES.replace("1.1172", "nan")), "a rate above 0"),
        (rates_archive(RATES.replace("20 November 2026", "yesterday")), "a day like"),
    ],
)
async def test_rates_that_cannot_be_right_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "rates.csv"

    with pytest.raises(FailedError, match=why) as refused:
        await installed(path, content)

    assert "what was there stays in use" in str(refused.value)
    assert [*tmp_path.iterdir()] == []


async def test_an_answer_other_than_200_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="answered 503"):
        await installed(tmp_path / "rates.csv", rates_archive(RATES), status=503)


@pytest.mark.parametrize("content", [b"\xff\xfe garbage", b"\x80\x81", b"", b"Date,USD\n20 Nov"])
async def test_a_damaged_file_counts_as_missing_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rates.csv"
    path.write_bytes(content)

    assert newest_rates("USD", path) == newest_rates("USD", tmp_path / "nothing")
    assert await installed(path, rates_archive(RATES.replace("1.1172", "1.2500")))
    assert newest_rates("USD", path)["EUR"] == pytest.approx(1.25)
