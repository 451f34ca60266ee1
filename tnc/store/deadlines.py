"""Until when a request of a person must be answered."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Final

_MOST_EXTENDED_MONTHS: Final = 2


def due_ms(received_at_ms: int) -> int:
    """30 days or one calendar month, whichever is first: GDPR 12(3), and the shorter month of February."""
    received = datetime.fromtimestamp(received_at_ms / 1000, UTC)
    return _ms(min(received + timedelta(days=30), months_later(received, 1)))


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or its last one."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def latest_due_ms(received_at_ms: int) -> int:
    """With all the time that can be added where there is a reason."""
    due = datetime.fromtimestamp(due_ms(received_at_ms) / 1000, UTC)
    return _ms(months_later(due, _MOST_EXTENDED_MONTHS))
