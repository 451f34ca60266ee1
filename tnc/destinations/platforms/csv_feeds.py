"""Files that Google Ads and Microsoft Advertising fetch by themselves: for owners without any API access.

Served at a secret address, with the conversions of the last 90 days as they are now and the same rows on every
read: the platforms drop what they know. A conversion that was taken back is simply not there any more.
Facts: support.google.com/google-ads/answer/7014069, Microsoft's offline conversions of 2026.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tnc.campaigns.destination_schema import with_defaults
from tnc.core.clock import DAY_MS
from tnc.core.fields import money
from tnc.core.models import Destination
from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.http import MASK, Answer, HttpRequest
from tnc.destinations.platforms.base import Platform
from tnc.destinations.platforms.click_ids import click_ids
from tnc.destinations.verdict import Verdict, done
from tnc.rules.macros import is_unexpanded

_COLUMNS: Final = {
    "google-csv": ("gclid", "Google Click ID"),
    "microsoft-csv": ("msclkid", "Microsoft Click ID"),
}

# Anything else is no id of theirs, and might be a formula where a person opens the file in a spreadsheet.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def feed(destination: Destination, deliveries: Iterable[Delivery]) -> str:
    """The whole file. Times are in the zone that its first line names."""
    parameter, heading = _COLUMNS[destination.type]
    settings = with_defaults(destination.type, destination.settings)
    zone = settings["timezone"]
    text = io.StringIO()
    text.write(f"Parameters:TimeZone={'+0000' if zone == 'UTC' else zone}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([heading, "Conversion Name", "Conversion Time", "Conversion Value", "Conversion Currency"])
    for each in deliveries:
        if each.conversion.status != "rejected":
            value, currency = money(each.value_micros), each.conversion.currency
            priced = (value, currency) if value is not None and currency else ("", "")
            time = datetime.fromtimestamp(each.first_word_ms // 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
            rows.writerow([each.click.visit.params[parameter], settings["conversion_name"], time, *priced])
    return text.getvalue()


def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
    """What a reader of the file gets to see of these deliveries."""
    return HttpRequest(
        method="GET",
        url=f"/-/feed/{MASK}.csv",
        headers={"Content-Type": "text/csv; charset=utf-8"},
        body=feed(batch[0].destination, batch).encode(),
    )


def _lacks(parameter: str) -> Callable[[Delivery], Why | None]:
    def lacks(delivery: Delivery) -> Why | None:
        value = click_ids(delivery.click, parameter).get(parameter, "")
        if is_unexpanded(value):
            return "macro-unexpanded"
        return None if _ID.fullmatch(value) else "no-click-id"

    return lacks


def judge(_answer: Answer, _destination: Destination) -> Verdict:
    """Nothing is sent, so nothing can fail: what stands in the file is done."""
    return done()


GOOGLE_CSV: Final = Platform(
    type="google-csv",
    build=build,
    judge=judge,
    lacks=_lacks("gclid"),
    max_age_ms=90 * DAY_MS,
    served=True,
)
MICROSOFT_CSV: Final = Platform(
    type="microsoft-csv",
    build=build,
    judge=judge,
    lacks=_lacks("msclkid"),
    max_age_ms=90 * DAY_MS,
    served=True,
)
