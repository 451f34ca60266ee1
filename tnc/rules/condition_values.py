"""The value written in a condition, read as what its fact needs, or refused in a sentence."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, NoReturn, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from tnc.core.errors import InvalidError
from tnc.core.models import Condition
from tnc.rules import operators
from tnc.rules.describe import quoted
from tnc.rules.operators import UNKNOWN, Holds
from tnc.rules.vocabulary import WEEKDAYS, Fact, Read

T = TypeVar("T")
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?", re.ASCII)


def refuse(condition: Condition, what: str) -> NoReturn:
    raise InvalidError(f"{condition.fact} {condition.operator}: {what}")


def each(condition: Condition, read: Callable[[Condition, Any], T]) -> list[T]:
    """Every value of `is = ["a", "b"]`, or the one of `is = "a"`."""
    values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
    if not values:
        refuse(condition, "the list is empty; name at least one value")
    return [read(condition, value) for value in values]


def one(condition: Condition, read: Callable[[Condition, Any], T]) -> T:
    if isinstance(condition.value, list | tuple):
        refuse(condition, "takes one value, not a list")
    return read(condition, condition.value)


def pair(condition: Condition, read: Callable[[Condition, Any], T]) -> tuple[T, T]:
    if not isinstance(condition.value, list | tuple) or len(condition.value) != 2:
        refuse(condition, "takes a list of two values, the first and the last")
    first, last = condition.value
    return read(condition, first), read(condition, last)


def order(condition: Condition, read: Callable[[Condition, Any], Any]) -> Callable[[Any], bool]:
    """What `above`, `below` and `between` (both ends included) ask of a measured value."""
    match condition.operator:
        case "between":
            low, high = pair(condition, read)
            if low > high:
                refuse(condition, "the first value is above the last; write the smaller one first")
            return lambda value: low <= value <= high
        case "above":
            bound = one(condition, read)
            return lambda value: bool(value > bound)
        case _:
            bound = one(condition, read)
            return lambda value: bool(value < bound)


# ------------------------------------------------------------------------------------- kinds of values


def text(condition: Condition, value: Any) -> str:
    if not isinstance(value, str):
        refuse(condition, f'takes text; write "{quoted(value)}" in quotes')
    if not value and condition.operator not in {"is", "not"}:
        refuse(condition, "an empty text is in every text; write what to look for")
    return value


def word(allowed: tuple[str, ...]) -> Callable[[Condition, Any], str]:
    def read(condition: Condition, value: Any) -> str:
        found = value.lower() if isinstance(value, str) else None
        if found is None or found not in allowed:
            refuse(condition, f"{quoted(value)} is none of {', '.join(allowed)}")
        return found

    return read


def code(read_code: Callable[[str], str]) -> Callable[[Condition, Any], str]:
    def read(condition: Condition, value: Any) -> str:
        written = text(condition, value)
        return UNKNOWN if written.lower() == UNKNOWN else read_code(written)

    return read


def boolean(condition: Condition, value: Any) -> bool | str:
    if isinstance(value, bool) or value == UNKNOWN:
        return value  # type: ignore[no-any-return]  # narrowed just above
    refuse(condition, f"{quoted(value)} is none of true, false, unknown")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(condition: Condition, value: Any) -> float:
    if not _is_number(value):
        refuse(condition, f"takes numbers, not {quoted(value)}")
    return value  # type: ignore[no-any-return]  # narrowed just above


def number_or_unknown(condition: Condition, value: Any) -> float | str:
    return UNKNOWN if value == UNKNOWN else number(condition, value)


def number_in_text(condition: Condition, value: Any) -> float:
    """A parameter is text, so its bounds may be written as text too."""
    found = operators.number(value) if isinstance(value, str) else None
    return number(condition, value) if found is None else found


def text_or_number(condition: Condition, value: Any) -> str | float:
    return number(condition, value) if _is_number(value) else text(condition, value)


def version(condition: Condition, value: Any) -> tuple[int, ...]:
    found = operators.version(version_text(condition, value))
    if found is None:
        refuse(condition, f'takes versions like "17.2", not {quoted(value)}')
    return found


def version_text(condition: Condition, value: Any) -> str:
    return str(value) if _is_number(value) else text(condition, value)


def address(condition: Condition, value: Any) -> str:
    written = text(condition, value)
    if written == UNKNOWN:
        return written
    try:
        return str(ip_address(written))
    except ValueError:
        hint = "for a range use the operator in" if "/" in written else "write one like 203.0.113.7 or 2001:db8::7"
        refuse(condition, f"{quoted(value)} is no address; {hint}")


def network(condition: Condition, value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text(condition, value), strict=False)
    except ValueError:
        refuse(condition, f"{quoted(value)} is no network; write one like 203.0.113.0/24 or 2001:db8::/32")


def minute(condition: Condition, value: Any) -> int:
    """Minutes since midnight of an hour from 0 to 23 or of a time like `"22:30"`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 23:
        return value * 60
    clock = _TIME_OF_DAY.fullmatch(value) if isinstance(value, str) else None
    if clock is None:
        refuse(condition, f'takes hours from 0 to 23 or times like "22:30", not {quoted(value)}')
    return int(clock[1]) * 60 + int(clock[2])


def moment_ms(zone: tzinfo) -> Callable[[Condition, Any], int]:
    """RFC 3339; a time without a zone is in `zone`."""

    def read(condition: Condition, value: Any) -> int:
        try:
            moment = datetime.fromisoformat(text(condition, value))
        except ValueError:
            refuse(condition, f"{quoted(value)} is no time; write one like 2026-11-23T18:00")
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        return round(moment.timestamp() * 1000)

    return read


KINDS_WITH_TIMEZONE: Final = frozenset({"hour", "weekday", "time"})
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
        return operators.one_of(each(condition, _whole_hour))
    if not _names_times(condition):
        return operators.one_of([minute // 60 for minute in _span(condition, 60)])
    return operators.one_of([f"{minute // 60:02}:{minute % 60:02}" for minute in _span(condition, 1)])


def _whole_hour(condition: Condition, value: Any) -> int | str:
    if value == UNKNOWN:
        return UNKNOWN
    if isinstance(value, str):
        refuse(condition, "takes hours from 0 to 23; for a time of day use between, above or below")
    return minute(condition, value) // 60


def _span(condition: Condition, unit: int) -> Iterable[int]:
    """The minutes of the day that `between`, `above` and `below` allow, in steps of a unit."""
    match condition.operator:
        case "between":
            first, last = pair(condition, minute)
            return (unit * step for step in operators.around(first // unit, last // unit, _DAY // unit))
        case "above":
            return range(one(condition, minute) + unit, _DAY, unit)
        case _:
            return range(0, one(condition, minute), unit)


def weekday_test(condition: Condition) -> Holds:
    if condition.operator != "between":
        return operators.one_of(each(condition, word((*WEEKDAYS, UNKNOWN))))
    first, last = pair(condition, word(WEEKDAYS))
    days = operators.around(WEEKDAYS.index(first), WEEKDAYS.index(last), 7)
    return operators.one_of([WEEKDAYS[day] for day in days])
