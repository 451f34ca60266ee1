"""Time zones by one table: the package `tzdata`, which is installed with tnc in one version.

The machine's own table may be years old and DuckDB has another one. Rules, caps, reports and files for platforms must
not disagree about when a day begins, so none of them uses those. Governments change their zones with little notice;
`tzdata` follows the IANA Time Zone Database.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from tnc.core.clock import DAY_MS, QUARTER_MS


@cache
def zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split())


@cache
def find_zone(name: str) -> ZoneInfo:
    """The zone of a name like `Europe/Berlin`. Raises KeyError for a name that the table does not have."""
    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def offsets(zone: ZoneInfo, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """The offsets to UTC between two times, oldest first: (quarter of an hour since 1970 from which it holds, seconds).

    The first holds at `start_ms`. Zones change on quarters of an hour.
    """
    known = _offset_s(zone, start_ms)
    yield start_ms // QUARTER_MS, known
    for day_ms in range(start_ms, end_ms, DAY_MS):
        later = _offset_s(zone, day_ms + DAY_MS)
        if later == known:
            continue
        before, after = day_ms // QUARTER_MS, (day_ms + DAY_MS) // QUARTER_MS
        while after - before > 1:
            middle = (before + after) // 2
            if _offset_s(zone, middle * QUARTER_MS) == known:
                before = middle
            else:
                after = middle
        known = later
        yield after, known


def _offset_s(zone: ZoneInfo, time_ms: int) -> int:
    offset = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0
