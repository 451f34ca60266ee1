"""What a report is about: the query as it was asked, in texts, and the same query checked and resolved."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as Date
from typing import Final, Literal, get_args

import msgspec

from tnc.core.clock import DAY_MS, HOUR_MS, QUARTER_MS
from tnc.core.errors import InvalidError
from tnc.core.fields import FIELDS
from tnc.core.mistakes import did_you_mean
from tnc.core.models import WorkspaceId
from tnc.core.money import read_currency
from tnc.core.zones import find_zone, zone_names
from tnc.reports.columns.schema import ERASED
from tnc.reports.dimensions import DIMENSIONS, METRICS, UNKNOWN, Dimension
from tnc.rules.vocabulary import read_country

Comparison = Literal["=", "!=", "~", ">", "<"]
EventTime = Literal["click", "conversion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`country=US,CA`: the dimension's text is one of the values; `~` contains, `>` and `<` have one value."""

    dimension: str
    comparison: Comparison
    values: tuple[str, ...]


class ReportQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A report as `tnc report` and the dashboard ask for it. The texts are checked by `resolve`, not before."""

    by: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()  # empty: all
    start: str | None = None  # included; None: 7 days ago
    end: str | None = None  # not included; None: now
    where: tuple[str, ...] = ()
    timezone: str = "UTC"
    time: str = "click"
    sort: str | None = None  # `-cost`: the other way round
    limit: int | None = None
    offset: int = 0
    currency: str | None = None

    def resolve(self, workspace: WorkspaceId, now_ms: int) -> "ResolvedQuery":
        """Check every text and turn times into milliseconds. Raises InvalidError naming what can be used instead."""
        zone = _zone(self.timezone)
        start_ms = moment_ms(self.start or "7d", now_ms=now_ms, zone=zone, name="from")
        end_ms = moment_ms(self.end or "now", now_ms=now_ms, zone=zone, name="to")
        if start_ms >= end_ms:
            raise InvalidError("the report ends before it begins: choose a `from` that is earlier than its `to`.")
        resolved = ResolvedQuery(
            workspace=workspace,
            by=tuple(dict.fromkeys(find_dimension(name).name for name in _names(self.by))),
            metrics=tuple(dict.fromkeys(_metric(name) for name in _names(self.metrics))) or tuple(METRICS),
            start_ms=start_ms // QUARTER_MS * QUARTER_MS,
            end_ms=-(-end_ms // QUARTER_MS) * QUARTER_MS,
            where=tuple(parse_filter(text) for text in self.where),
            timezone=self.timezone,
            time=_event_time(self.time),
            sort=self.sort,
            limit=self.limit,
            offset=self.offset,
            currency=None if self.currency is None else read_currency(self.currency, "currency"),
        )
        _check(resolved)
        return resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedQuery:
    """A query whose names exist and whose times are known: from `start_ms` up to, not including, `end_ms`.

    Both are quarters of an hour in UTC, `from` rounded down and `to` up. What stays of an erased visit is the quarter
    of its time, so an erasure moves no visit into a window or out of it.
    """

    workspace: WorkspaceId
    by: tuple[str, ...]
    metrics: tuple[str, ...]
    start_ms: int
    end_ms: int
    where: tuple[Filter, ...] = ()
    timezone: str = "UTC"
    time: EventTime = "click"
    sort: str | None = None
    limit: int | None = None
    offset: int = 0
    currency: str | None = None

    @property
    def sort_name(self) -> str | None:
        """The metric or dimension to sort by."""
        return None if self.sort is None else self.sort.removeprefix("-")

    def dates_of_visits(self, known: Iterable[Date]) -> list[Date]:
        """The UTC days among `known` that can hold visits of this query, oldest first."""
        first, last = _utc_date(self.start_ms), _utc_date(self.end_ms - 1)
        return sorted(date for date in known if first <= date <= last)

    def dates_of_conversions(self, known: Iterable[Date]) -> list[Date]:
        """The UTC days among `known` whose clicks can have conversions of this query, oldest first."""
        if self.time == "click":
            return self.dates_of_visits(known)
        return sorted(date for date in known if date <= _utc_date(self.end_ms - 1))


def _utc_date(time_ms: int) -> Date:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()


def _names(texts: Sequence[str]) -> list[str]:
    """`["a,b", "c"]` -> a, b, c"""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _check(query: ResolvedQuery) -> None:
    if query.limit is not None and query.limit < 0:
        raise InvalidError(f"limit is {query.limit}: choose 0 for the totals alone, or leave it away for all rows.")
    if query.offset < 0:
        raise InvalidError(f"offset is {query.offset}: it is how many rows to leave out at the beginning.")
    if query.sort is not None and query.sort_name not in (*query.by, *METRICS):
        possible = ", ".join((*query.by, *METRICS))
        raise InvalidError(
            f"a report cannot be sorted by {query.sort_name!r}; it can be by {possible}, each also with - in front "
            "for the other direction."
        )


def _zone(name: str) -> tzinfo:
    try:
        return find_zone(name)
    except KeyError:
        hint = did_you_mean(name, zone_names()) or "; write one like UTC, Europe/Berlin or Asia/Kolkata."
        raise InvalidError(f"there is no time zone {name!r}{hint}") from None


def _event_time(text: str) -> EventTime:
    for known in get_args(EventTime):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise InvalidError(f"time is {text!r}: choose `click` or `conversion`.")


def find_dimension(name: str) -> Dimension:
    """The dimension of that name. Raises InvalidError that lists all."""
    found = DIMENSIONS.get(name)
    if found is not None:
        return found
    if name in FIELDS and FIELDS[name].personal:
        raise InvalidError(
            f"{name} is personal data, which is in no report: look at single clicks with `tnc clicks`, "
            f"or group by one of {', '.join(DIMENSIONS)}."
        )
    raise InvalidError(f"there is no dimension {name!r}; choose from {', '.join(DIMENSIONS)}.")


def _metric(name: str) -> str:
    if name not in METRICS:
        raise InvalidError(f"there is no metric {name!r}; choose from {', '.join(METRICS)}.")
    return name


# ------------------------------------------------------------------------------------------------- times

_AGO: Final = re.compile(r"(\d{1,4})([hd])")


def _this_month(today: datetime) -> datetime:
    return today.replace(day=1)


def _last_month(today: datetime) -> datetime:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


# Each takes the local midnight at which today began, without its zone, and returns another local midnight.
_MIDNIGHTS: Final[dict[str, Callable[[datetime], datetime]]] = {
    "today": lambda today: today,
    "yesterday": lambda today: today - timedelta(days=1),
    "this-month": _this_month,
    "last-month": _last_month,
}


def moment_ms(text: str, *, now_ms: int, zone: tzinfo, name: str) -> int:
    """A date (its midnight), a time, or a word like `today`, in `zone` unless the text itself names an offset.

    Raises InvalidError, which calls the text `name` and shows examples.
    """
    if text == "now":
        return now_ms
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_ms - int(ago[1]) * (HOUR_MS if ago[2] == "h" else DAY_MS)
    if text in _MIDNIGHTS:
        local = datetime.fromtimestamp(now_ms / 1000, zone)
        midnight = _MIDNIGHTS[text](datetime(local.year, local.month, local.day))  # noqa: DTZ001 - zone follows
        return _ms(midnight.replace(tzinfo=zone))
    try:
        moment = datetime.fromisoformat(text)
        time_ms = _ms(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
        _utc_date(time_ms)
    except (ValueError, OverflowError):
        words = ", ".join((*_MIDNIGHTS, "now", "24h", "7d", "30d"))
        raise InvalidError(
            f"{name} is {text!r}, which is no time: write a date like 2026-11-23, a time like 2026-11-23T14:00, "
            f"or one of {words}."
        ) from None
    return max(time_ms, 0)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# ----------------------------------------------------------------------------------------------- filters

_FILTER: Final = re.compile(r"\s*([a-z0-9_]+)\s*(!=|=|~|>|<)(.*)", re.DOTALL)


def parse_filter(text: str) -> Filter:
    """`country=US,CA`, `os!=iOS`, `isp~cloud`, `asn>64000`. Raises InvalidError naming what is allowed."""
    found = _FILTER.fullmatch(text)
    if found is None:
        raise InvalidError(
            f"{text!r} is no condition: write NAME=VALUE[,VALUE...], NAME!=VALUE, NAME~TEXT, NAME>N or NAME<N."
        )
    name, comparison, rest = found.groups()
    dimension = find_dimension(name)
    match comparison:
        case "=" | "!=":
            values = tuple(dict.fromkeys(_as_written(dimension, value) for value in split_values(rest)))
            for value in values:
                _check_value(dimension, value)
            return Filter(dimension=name, comparison=comparison, values=values)
        case "~":
            return Filter(dimension=name, comparison="~", values=(rest,))
        case _:
            return _parse_order(dimension, ">" if comparison == ">" else "<", rest.strip())


_VALUE: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"\s*|((?:[^,\\]|\\.)*))(,|$)', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\([\\",])')


def split_values(text: str) -> list[str]:
    r"""`US, CA` -> US and CA; `"a,b",c` or `a\,b,c` -> `a,b` and c. A backslash before anything else is itself."""
    values, position, more = list[str](), 0, True
    while more:
        found = _VALUE.match(text, position)
        if found is None:  # a backslash at the end
            return [*values, text[position:].strip()]
        quoted, plain, comma = found.groups()
        values.append(_ESCAPED.sub(r"\1", plain.strip() if quoted is None else quoted))
        position, more = found.end(), comma == ","
    return values


def _as_written(dimension: Dimension, value: str) -> str:
    """The value in the spelling of the dimension, where it is unmistakable: `us` -> `US`, `MOBILE` -> `mobile`."""
    if value.casefold() in (UNKNOWN, ERASED, "null"):
        return UNKNOWN if value.casefold() == "null" else value.casefold()
    if dimension.allowed:
        return {each.casefold(): each for each in dimension.allowed}.get(value.casefold(), value)
    if dimension.name == "country":
        return read_country(value)
    if dimension.name == "currency":
        return value.upper()
    return value


def _check_value(dimension: Dimension, value: str) -> None:
    if value in (UNKNOWN, ERASED):
        return
    if dimension.allowed and value not in dimension.allowed:
        allowed = ", ".join(dict.fromkeys((*dimension.allowed, UNKNOWN, ERASED)))
        raise InvalidError(f"{dimension.name} is never {value!r}; it is one of {allowed}.")
    if dimension.kind == "number" and not value.isdecimal():
        raise InvalidError(f"{dimension.name} is a whole number or {UNKNOWN}, not {value!r}.")


def _parse_order(dimension: Dimension, comparison: Comparison, value: str) -> Filter:
    if not dimension.is_ordered:
        possible = ", ".join(each.name for each in DIMENSIONS.values() if each.is_ordered)
        raise InvalidError(f"{dimension.name} has no order; > and < work with {possible}.")
    if dimension.kind == "number" and not value.isdecimal():
        raise InvalidError(f"{dimension.name} is compared with a whole number, not with {value!r}.")
    if dimension.kind == "version" and not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", value):
        raise InvalidError(f"{dimension.name} is compared with a version like 17 or 10.2, not with {value!r}.")
    if dimension.kind == "time" and dimension.allowed and value not in dimension.allowed:
        raise InvalidError(f"{dimension.name} is one of {', '.join(dimension.allowed)}, not {value!r}.")
    return Filter(dimension=dimension.name, comparison=comparison, values=(value,))
