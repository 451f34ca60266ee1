"""What reports can group by and what they can count.

The dimensions of a click come from its registry (`tnc.core.fields`); the ones made from time are defined here.
The dashboard's pickers, filters, CSV, JSON and `docs/reports.md` all follow these two tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from tnc.core.fields import DIMENSION_FIELDS, Field
from tnc.core.models import SUBS, Click, Visit

UNKNOWN: Final = "unknown"  # text for what is null in JSON
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DimensionKind = Literal["text", "number", "boolean", "version", "list", "time"]
MetricKind = Literal["count", "money", "price", "ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """`sql` computes the value, a text, from the dimension's column, or with `is_time` from `local`, the time of the
    click in the report's time zone.
    """

    name: str
    text: str
    kind: DimensionKind
    sql: str
    allowed: tuple[str, ...] = ()  # all possible values, where the model lists them
    is_time: bool = False

    @property
    def ignores_case(self) -> bool:
        """Whether `=` finds a value in any case. The values of link parameters are compared exactly."""
        return self.kind == "text" and not self.allowed and self.name not in SUBS

    @property
    def is_ordered(self) -> bool:
        """Whether `>` and `<` can be used."""
        return self.kind in ("number", "version", "time")

    def ordered(self, value: str) -> str:
        """SQL that turns `value`, SQL of a text, into something that sorts and compares in the dimension's order."""
        match self.kind:
            case "number":
                return f"try_cast({value} as bigint)"
            case "version":
                return f"list_transform(string_split({value}, '.'), lambda part: try_cast(part as bigint))"
            case "time" if self.allowed:
                return f"list_position({list(self.allowed)}, {value})"
            case _:
                return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`sql` is computed from the sums in `SUMS`. `price` is money per one of something, not rounded."""

    name: str
    formula: str
    sql: str
    kind: MetricKind


# What is added up over clicks, lander clicks and conversions. Money is in micros of the report's currency.
SUMS: Final = (
    "visits", "invalid", "unique_visits", "lander_views", "lander_clicks",
    "conversions", "leads", "sales", "rejected", "unmapped", "opted_out",
    "revenue", "pending_revenue", "cost", "opted_out_cost",
)  # fmt: skip
MONEY_SUMS: Final = ("revenue", "pending_revenue", "cost", "opted_out_cost")
# How many amounts other than 0 are in each of `MONEY_SUMS`.
AMOUNT_COUNTS: Final = {name: f"{name}_amounts" for name in MONEY_SUMS}


def _allowed(name: str) -> tuple[str, ...]:
    """The values of a field whose type is a Literal."""
    hints = get_type_hints(Visit, include_extras=True) | get_type_hints(Click, include_extras=True)
    return _literals(hints.get(name))


def _literals(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for each in get_args(annotation) for value in _literals(each))


def _of_field(field: Field) -> Dimension:
    allowed = ("true", "false") if field.kind == "boolean" else _allowed(field.name)
    kinds: Mapping[str, DimensionKind] = {
        "number": "number",
        "boolean": "boolean",
        "version": "version",
        "list": "list",
    }
    return Dimension(
        name=field.name,
        text=field.about.text,
        kind=kinds.get(field.kind, "text"),
        sql=f'"{field.name}"',
        allowed=allowed,
    )


def _of_time(
    name: str, text: str, sql: str, *, kind: DimensionKind = "time", allowed: tuple[str, ...] = ()
) -> Dimension:
    return Dimension(name=name, text=text, kind=kind, sql=sql, allowed=allowed, is_time=True)


_TIMES: Final = (
    _of_time("hour", "like 2026-11-23T14:00", "strftime(local, '%Y-%m-%dT%H:00')"),
    _of_time("day", "like 2026-11-23", "strftime(local, '%Y-%m-%d')"),
    _of_time("week", "like 2026-W48; it begins on Monday", "strftime(local, '%G-W%V')"),
    _of_time("month", "like 2026-11", "strftime(local, '%Y-%m')"),
    _of_time("weekday", "mon to sun", "lower(strftime(local, '%a'))", allowed=WEEKDAYS),
    _of_time(
        "hour_of_day", "0 to 23", "hour(local)::varchar", kind="number", allowed=tuple(str(hour) for hour in range(24))
    ),
)

DIMENSIONS: Final[Mapping[str, Dimension]] = {
    each.name: each for each in (*_TIMES, *(_of_field(field) for field in DIMENSION_FIELDS))
}


def _count(name: str, formula: str, sql: str | None = None) -> Metric:
    return Metric(name=name, formula=formula, sql=sql or name, kind="count")


def _money(name: str, formula: str, sql: str | None = None) -> Metric:
    return Metric(name=name, formula=formula, sql=sql or name, kind="money")


def _ratio(name: str, formula: str, above: str, below: str) -> Metric:
    return Metric(name=name, formula=formula, sql=f"({above}) / nullif({below}, 0)", kind="ratio")


def _price(name: str, formula: str, above: str, below: str) -> Metric:
    return Metric(name=name, formula=formula, sql=f"({above}) / 1e6 / nullif({below}, 0)", kind="price")


METRICS: Final[Mapping[str, Metric]] = {
    each.name: each
    for each in (
        _count("visits", "recorded clicks on the campaign link, without prefetches, invalid traffic included"),
        _count("invalid", "visits whose traffic is not human, or that a filter stopped"),
        _count("valid", "visits - invalid", "visits - invalid"),
        _count("unique_visits", "visits with unique_campaign"),
        _count("lander_views", "valid visits sent to a lander"),
        _count("lander_clicks", "lander views that went on to an offer, each once"),
        _ratio("lander_ctr", "lander_clicks / lander_views", "lander_clicks", "lander_views"),
        _count("conversions", "leads + sales"),
        _count("leads", "conversions that are a lead now"),
        _count("sales", "conversions that are a sale now"),
        _count("rejected", "conversions that are rejected now"),
        _money("revenue", "payouts of sales"),
        _money("pending_revenue", "payouts of leads"),
        _money("cost", "cost of the visits, and of the conversions where they are what is paid for"),
        _money("profit", "revenue - cost", "revenue - cost"),
        _ratio("roi", "profit / cost", "revenue - cost", "cost"),
        _ratio("cr", "conversions / valid", "conversions", "(visits - invalid)"),
        _price("epv", "revenue / valid", "revenue", "(visits - invalid)"),
        _price("epc", "revenue / lander_clicks", "revenue", "lander_clicks"),
        _price("cpv", "cost / visits", "cost", "visits"),
        _price("cpa", "cost / conversions", "cost", "conversions"),
        _price("payout", "revenue / sales", "revenue", "sales"),
        _count("unmapped", "conversions whose status no mapping knows; they count nowhere else"),
        _count("opted_out", "visits after an opt-out or objection: only their number is stored; not in visits"),
        _money("opted_out_cost", "cost of the opted-out visits; not in cost"),
    )
}
