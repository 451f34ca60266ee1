"""Conditions on the time of a visit: hour, weekday and moment, in the zone that the condition names."""

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from tnc.errors import InvalidError
from tnc.model import Condition
from tnc.rules import operators, written
from tnc.rules.operators import UNKNOWN, Holds
from tnc.rules.vocabulary import Fact, Read
from tnc.rules.words import WEEKDAYS

KINDS: Final = frozenset({"hour", "weekday", "time"})
_DAY: Final = 1440  # minutes


def read_zone(condition: Condition) -> tzinfo:
    """The time zone of a condition, UTC when it names none. Raises InvalidError with the nearest name."""
    if condition.timezone in {None, "UTC"}:
        return UTC
    try:
        return ZoneInfo(str(condition.timezone))
    except (ValueError, OSError, KeyError) as error:
        near = difflib.get_close_matches(str(condition.timezone), available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "write one like Europe/Berlin"
        raise InvalidError(f"{condition.fact}: there is no time zone {condition.timezone!r}; {hint}") from error


def reader(fact: Fact, condition: Condition, zone: tzinfo) -> Read:
    """How the fact is read for this condition: in its zone, and as `"22:30"` where it names times of the day."""
    match fact.kind:
        case "hour" if _names_times(condition):
            return lambda visit: datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).strftime("%H:%M")
        case "hour" if zone is not UTC:
            return lambda visit: datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).hour
        case "weekday" if zone is not UTC:
            return lambda visit: WEEKDAYS[datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).weekday()]
        case _:
            return fact.read


def _names_times(condition: Condition) -> bool:
    return ":" in str(condition.value)


def hour_test(condition: Condition) -> Holds:
    """Whole hours compare as hours, so `[22, 6]` lasts until 6:59; times like `"06:30"` compare to the minute."""
    if condition.operator in {"is", "not"}:
        return operators.one_of(written.each(condition, _whole_hour))
    if not _names_times(condition):
        return operators.one_of([minute // 60 for minute in _span(condition, 60)])
    return operators.one_of([f"{minute // 60:02}:{minute % 60:02}" for minute in _span(condition, 1)])


def _whole_hour(condition: Condition, value: Any) -> int | str:
    if value == UNKNOWN:
        return UNKNOWN
    if isinstance(value, str):
        written.refuse(condition, "takes hours from 0 to 23; for a time of day use between, above or below")
    return written.minute(condition, value) // 60


def _span(condition: Condition, unit: int) -> Iterable[int]:
    """The minutes of the day that `between`, `above` and `below` allow, in steps of a unit."""
    match condition.operator:
        case "between":
            first, last = written.pair(condition, written.minute)
            return (unit * step for step in operators.around(first // unit, last // unit, _DAY // unit))
        case "above":
            return range(written.one(condition, written.minute) + unit, _DAY, unit)
        case _:
            return range(0, written.one(condition, written.minute), unit)


def weekday_test(condition: Condition) -> Holds:
    if condition.operator != "between":
        return operators.one_of(written.each(condition, written.word((*WEEKDAYS, UNKNOWN))))
    first, last = written.pair(condition, written.word(WEEKDAYS))
    days = operators.around(WEEKDAYS.index(first), WEEKDAYS.index(last), 7)
    return operators.one_of([WEEKDAYS[day] for day in days])
