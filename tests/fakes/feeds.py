"""A strict reader of the conversion files that Google Ads and Microsoft Advertising fetch."""

import csv
import io
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.strict import need

COLUMNS = {
    "google": ["Google Click ID", "Conversion Name", "Conversion Time", "Conversion Value", "Conversion Currency"],
    "microsoft": [
        "Microsoft Click ID",
        "Conversion Name",
        "Conversion Time",
        "Conversion Value",
        "Conversion Currency",
    ],
}


def read_feed(text: str, *, of: str, now: float) -> list[dict[str, Any]]:
    """The rows, with `Conversion Time` as a datetime. Raises BadError."""
    first, _, rest = text.partition("\n")
    zone = re.fullmatch(r"Parameters:TimeZone=(\+0000|[A-Za-z]+(?:/[A-Za-z_]+)+)", first)
    need(zone is not None, "line 1", "no time zone")
    reader = csv.DictReader(io.StringIO(rest), strict=True)
    need(reader.fieldnames == COLUMNS[of], "line 2", f"columns {reader.fieldnames}")
    return [_row(f"line {number}", row, zone[1] if zone else "", now) for number, row in enumerate(reader, 3)]


def _row(where: str, row: dict[str, Any], zone: str, now: float) -> dict[str, Any]:
    need(None not in row and None not in row.values(), where, "too many or too few values")
    need(re.fullmatch(r"[A-Za-z0-9_.-]{10,}", next(iter(row.values()))) is not None, where, "no click id")
    need(bool(row["Conversion Name"]), where, "no name")
    need(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["Conversion Time"]) is not None, where, "no time")
    moment = datetime.fromisoformat(row["Conversion Time"]).replace(tzinfo=ZoneInfo("UTC" if zone == "+0000" else zone))
    need(now - 90 * 24 * 3600 <= moment.timestamp() <= now, where, "too old or in the future")
    priced = re.fullmatch(r"[0-9]+(\.[0-9]+)?", row["Conversion Value"]) is not None
    need(priced == (re.fullmatch(r"[A-Z]{3}", row["Conversion Currency"]) is not None), where, "value and currency")
    return row | {"Conversion Time": moment}
