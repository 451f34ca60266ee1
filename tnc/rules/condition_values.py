"""The value that a condition gives, read as its fact needs it, or refused in a sentence."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, NoReturn, TypeVar

from tnc.core.errors import InvalidError
from tnc.core.models import Condition
from tnc.core.zones import find_zone, zone_names
from tnc.rules import operators
from tnc.rules.describe import quoted
from tnc.rules.operators import UNKNOWN, Predicate
from tnc.rules.vocabulary import WEEKDAYS, Fact, FactReader

T = TypeVar("T")
ValueReader = Callable[[Condition, Any], T]
"""Reads one value of a condition, or raises InvalidError that names its fact and operator."""

KINDS_WITH_TIMEZONE: Final = frozenset({"hour", "weekday", "time"})

_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?", re.ASCII)
_MINUTES_OF_DAY: Final = 1440


def refuse(condition: Condition, why: str) -> NoReturn:
    raise InvalidError(f"{condition.fact} {condition.operator}: {why}")


# ------------------------------------------------------------------------------------- how many values


def read_each(condition: Condition, read: ValueReader[T]) -> list[T]:
    """All values of `is = ["a", "b"]`, or the one of `is = "a"`."""
    values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
    if not values:
        refuse(condition, "the list is empty; name at least one value")
    return [read(condition, value) for value in values]


def read_one(condition: Condition, read: ValueReader[T]) -> T:
    if isinstance(condition.value, list | tuple):
        refuse(condition, "takes one value, not a list")
    return read(condition, condition.value)


def read_pair(condition: Condition, read: ValueReader[T]) -> tuple[T, T]:
    if not isinstance(condition.value, list | tuple) or len(condition.value) != 2:
        refuse(condition, "takes a list of two values, the first and the last")
    first, last = condition.value
    return read(condition, first), read(condition, last)


def compare(condition: Condition, read: ValueReader[Any]) -> Predicate:
    """`above`, `below` and `between` (both ends included)."""
    match condition.operator:
        case "between":
            low, high = read_pair(condition, read)
            if low > high:
                refuse(condition, "the first value is above the last; write the smaller one first")
            return lambda value: low <= value <= high
        case "above":
            bound = read_one(condition, read)
            return lambda value: bool(value > bound)
        case _:
            bound = read_one(condition, read)
            return lambda value: bool(value < bound)


# ------------------------------------------------------------------------------------- kinds of values


def read_text(condition: Condition, value: Any) -> str:
    if not isinstance(value, str):
        refuse(condition, f'takes text; write "{quoted(value)}" in quotes')
    if not value and condition.operator not in {"is", "not"}:
        refuse(condition, "an empty text is in every text; write what to look for")
    return value


def option_reader(options: tuple[str, ...]) -> ValueReader[str]:
    """One of the options, in any case."""

    def read(condition: Condition, value: Any) -> str:
        found = value.lower() if isinstance(value, str) else None
        if found is None or found not in options:
            refuse(condition, f"{quoted(value)} is none of {', '.join(options)}")
        return found

    return read


def code_reader(read_code: Callable[[str], str]) -> ValueReader[str]:
    """A country or language, or `unknown`."""

    def read(condition: Condition, value: Any) -> str:
        text = read_text(condition, value)
        return UNKNOWN if text.lower() == UNKNOWN else read_code(text)

    return read


def read_boolean(condition: Condition, value: Any) -> bool | str:
    if isinstance(value, bool) or value == UNKNOWN:
        return value  # type: ignore[no-any-return]  # narrowed just above
    refuse(condition, f"{quoted(value)} is none of true, false, unknown")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_number(condition: Condition, value: Any) -> float:
    if not _is_number(value):
        refuse(condition, f"takes numbers, not {quoted(value)}")
    return value  # type: ignore[no-any-return]  # narrowed just above


def read_number_or_unknown(condition: Condition, value: Any) -> float | str:
    return UNKNOWN if value == UNKNOWN else read_number(condition, value)


def read_number_in_text(condition: Condition, value: Any) -> float:
    """A parameter is text, so its bounds may be given as text too."""
    found = operators.number(value) if isinstance(value, str) else None
    return read_number(condition, value) if found is None else found


def read_text_or_number(condition: Condition, value: Any) -> str | float:
    return read_number(condition, value) if _is_number(value) else read_text(condition, value)


def read_version(condition: Condition, value: Any) -> tuple[int, ...]:
    found = operators.version(read_version_text(condition, value))
    if found is None:
        refuse(condition, f'takes versions like "17.2", not {quoted(value)}')
    return found


def read_version_text(condition: Condition, value: Any) -> str:
    return str(value) if _is_number(value) else read_text(condition, value)


def read_address(condition: Condition, value: Any) -> str:
    """An IP address in its canonical spelling, or `unknown`."""
    text = read_text(condition, value)
    if text == UNKNOWN:
        return text
    try:
        return str(ip_address(text))
    except ValueError:
        hint = "for a range use the operator in" if "/" in text else "write one like 203.0.113.7 or 2001:db8::7"
        refuse(condition, f"{quoted(value)} is no address; {hint}")


def read_network(condition: Condition, value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(read_text(condition, value), strict=False)
    except ValueError:
        refuse(condition, f"{quoted(value)} is no network; write one like 203.0.113.0/24 or 2001:db8::/32")


def moment_reader(zone: tzinfo) -> ValueReader[int]:
    """Milliseconds of a time in RFC 3339; a time that names no zone is in `zone`."""

    def read(condition: Condition, value: Any) -> int:
        try:
            moment = datetime.fromisoformat(read_text(condition, value))
        except ValueError:
            refuse(condition, f"{quoted(value)} is no time; write one like 2026-11-23T18:00")
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        return round(moment.timestamp() * 1000)

    return read


# ------------------------------------------------------------------------------- hours, weekdays, time zones


def read_zone(condition: Condition) -> tzinfo:
    """The time zone of a condition, UTC when it names none. Raises InvalidError with the nearest name."""
    if condition.timezone in {None, "UTC"}:
        return UTC
    try:
        return find_zone(str(condition.timezone))
    except KeyError as error:
        near = difflib.get_close_matches(str(condition.timezone), zone_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "write one like Europe/Berlin"
        raise InvalidError(f"{condition.fact}: there is no time zone {condition.timezone!r}; {hint}") from error


def fact_reader(fact: Fact, condition: Condition, zone: tzinfo) -> FactReader:
    """Reads the fact in the zone of the condition; the hour as `"22:30"` where the condition names times of day."""
    match fact.kind:
        case "hour" if _names_times(condition):
            return lambda visit: datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).strftime("%H:%M")
        case "hour" if zone is not UTC:
            return lambda visit: datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).hour
        case "weekday" if zone is not UTC:
            return lambda visit: WEEKDAYS[datetime.fromtimestamp(visit.visited_at_ms / 1000, zone).weekday()]
        case _:
            return fact.read


def hour_predicate(condition: Condition) -> Predicate:
    """Whole hours compare as hours, so `[22, 6]` lasts until 6:59; times like `"06:30"` compare to the minute."""
    if condition.operator in {"is", "not"}:
        return operators.one_of(read_each(condition, _read_whole_hour))
    if not _names_times(condition):
        return operators.one_of([minute // 60 for minute in _minutes(condition, 60)])
    return operators.one_of([f"{minute // 60:02}:{minute % 60:02}" for minute in _minutes(condition, 1)])


def weekday_predicate(condition: Condition) -> Predicate:
    if condition.operator != "between":
        return operators.one_of(read_each(condition, option_reader((*WEEKDAYS, UNKNOWN))))
    first, last = read_pair(condition, option_reader(WEEKDAYS))
    days = _around(WEEKDAYS.index(first), WEEKDAYS.index(last), 7)
    return operators.one_of([WEEKDAYS[day] for day in days])


def _names_times(condition: Condition) -> bool:
    return ":" in str(condition.value)


def _read_minute(condition: Condition, value: Any) -> int:
    """Minutes since midnight of an hour from 0 to 23 or of a time like `"22:30"`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 23:
        return value * 60
    clock = _TIME_OF_DAY.fullmatch(value) if isinstance(value, str) else None
    if clock is None:
        refuse(condition, f'takes hours from 0 to 23 or times like "22:30", not {quoted(value)}')
    return int(clock[1]) * 60 + int(clock[2])


def _read_whole_hour(condition: Condition, value: Any) -> int | str:
    if value == UNKNOWN:
        return UNKNOWN
    if isinstance(value, str):
        refuse(condition, "takes hours from 0 to 23; for a time of day use between, above or below")
    return _read_minute(condition, value) // 60


def _minutes(condition: Condition, unit: int) -> Iterable[int]:
    """The minutes of the day that `between`, `above` and `below` allow, in steps of `unit` minutes."""
    match condition.operator:
        case "between":
            first, last = read_pair(condition, _read_minute)
            return (unit * step for step in _around(first // unit, last // unit, _MINUTES_OF_DAY // unit))
        case "above":
            return range(read_one(condition, _read_minute) + unit, _MINUTES_OF_DAY, unit)
        case _:
            return range(0, read_one(condition, _read_minute), unit)


def _around(low: int, high: int, size: int) -> frozenset[int]:
    """The numbers from `low` to `high`, both included, on a clock face of `size`: 22 to 6 goes over midnight."""
    return frozenset((low + step) % size for step in range((high - low) % size + 1))
