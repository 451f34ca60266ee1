"""Files that Google Ads and Microsoft Advertising fetch: for owners without access to an API.

Served at a secret URL, with the conversions of the last 90 days as they are now. The rows are the same on every read,
because the platforms drop rows that they have; a conversion that was taken back is not in the file any more.
Facts: support.google.com/google-ads/answer/7014069, Microsoft's offline conversions of 2026.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from tnc.campaigns.platforms.base import (
    WRITE_TO_RECEIVER,
    Delivery,
    Forms,
    Platform,
    PlatformKey,
    Receiver,
    SkipReason,
    advertising_sentence,
    click_ids,
    has_unexpanded,
)
from tnc.campaigns.platforms.google import FORMS as GOOGLE_FORMS
from tnc.campaigns.platforms.messages import MASK, Answer, HttpRequest
from tnc.campaigns.platforms.outcome import Outcome, done
from tnc.core.clock import DAY_MS
from tnc.core.fields import money
from tnc.core.formats import TIMEZONE
from tnc.core.models import Destination
from tnc.core.shapes import Text
from tnc.core.zones import find_zone

# Microsoft publishes no form of `msclkid`; those seen have 32 hexadecimal digits. A real id that is left out costs a
# conversion, so the form is wide. No value of these forms runs as a formula where the file is opened as a spreadsheet.
_FORMS: Final[Forms] = {"gclid": GOOGLE_FORMS["gclid"], "msclkid": re.compile(r"[0-9A-Za-z-]{8,64}")}

_KEYS: Final = {
    "conversion_name": PlatformKey(
        shape=Text(),
        text="name of the conversion as the platform knows it",
        where="the name of the conversion action or goal in your ad account, exactly as it is written there",
        needed=True,
    ),
    "timezone": PlatformKey(
        shape=TIMEZONE,
        text="of the times in the file",
        where="the zone of the times in the file; any will do",
        default="UTC",
    ),
}


def _file_platform(platform_type: str, receiver: str, parameter: str, heading: str) -> Platform:
    """A platform that fetches a file of the clicks that have `parameter`, in a column called `heading`."""

    def file(destination: Destination, deliveries: Iterable[Delivery]) -> str:
        """The whole file. Its first line names the zone of its times."""
        settings = platform.with_defaults(destination.settings)
        zone = settings["timezone"]
        text = io.StringIO()
        text.write(f"Parameters:TimeZone={'+0000' if zone == 'UTC' else zone}\n")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([heading, "Conversion Name", "Conversion Time", "Conversion Value", "Conversion Currency"])
        for each in deliveries:
            if each.conversion.status != "rejected":
                value, currency = money(each.value_micros), each.conversion.currency
                priced = (value, currency) if value is not None and currency else ("", "")
                time = datetime.fromtimestamp(each.first_event_ms // 1000, find_zone(zone)).strftime(
                    "%Y-%m-%d %H:%M:%S"
                )
                rows.writerow([each.click.visit.params[parameter], settings["conversion_name"], time, *priced])
        return text.getvalue()

    def build(batch: Sequence[Delivery], _now_ms: int) -> HttpRequest:
        """The part of the file about these deliveries, for a preview."""
        return HttpRequest(
            method="GET",
            url=f"/-/feed/{MASK}.csv",
            headers={"Content-Type": "text/csv; charset=utf-8"},
            body=file(batch[0].destination, batch).encode(),
        )

    platform = Platform(
        type=platform_type,
        keys=_KEYS,
        base_url=None,
        event_names={},
        click_ids=(parameter,),
        receiver=Receiver(
            name=receiver,
            countries="IE, US",
            gets="click id of the platform, time, value",
            visitor_sentence=advertising_sentence(receiver),
            after_erasure=f"the file has it no more, but what was fetched stays there; {WRITE_TO_RECEIVER}",
        ),
        test_events="none",
        build=build,
        read_answer=read_answer,
        check_click=_needs(parameter),
        max_age_ms=90 * DAY_MS,
        file=file,
    )
    return platform


def _needs(parameter: str) -> Callable[[Delivery], SkipReason | None]:
    def check_click(delivery: Delivery) -> SkipReason | None:
        if click_ids(delivery.click, parameter, forms=_FORMS):
            return None
        return "macro-unexpanded" if has_unexpanded(delivery.click, parameter) else "no-click-id"

    return check_click


def read_answer(_answer: Answer, _destination: Destination) -> Outcome:
    """Nothing is sent: a conversion is done once it is in the file."""
    return done()


GOOGLE_CSV: Final = _file_platform("google-csv", "Google", "gclid", "Google Click ID")
MICROSOFT_CSV: Final = _file_platform("microsoft-csv", "Microsoft", "msclkid", "Microsoft Click ID")
