"""The heavy step of a report: raw columns grouped and added up, in one statement.

Only names from the registries stand in the text; every value is bound. What comes out has the dimensions
under their names, `money` (the currency of the amounts in that row, or null) and one column for each of `SUMS`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from datetime import date as Date
from typing import Final

from tnc.core.clock import DAY_MS, QUARTER_MS
from tnc.reports.columns.archive import ArchivedDay, Reading
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Values
from tnc.reports.columns.schema import COLUMNS, INVALID, LANDER_VIEW, UNIQUE, VISIT, Kind
from tnc.reports.dimensions import DIMENSIONS, SUMS, UNKNOWN
from tnc.reports.query import Filter, ResolvedQuery

_QUARTERS: Final = DAY_MS // QUARTER_MS


DAILY: Final = "@"
"""Between a currency and the day of its amounts, where `sums_select` keeps them apart."""


def sums_select(
    query: ResolvedQuery,
    shelves: Mapping[Date, DayFolder],
    cold: Mapping[Date, ArchivedDay],
    values: Values,
    *,
    daily: bool = False,
) -> str:
    """The select that adds up what the query is about. `shelves` are the days it needs, `cold` those of them
    of which only sums are left. `daily`: the amounts of each UTC day apart, as `EUR@20781`.
    """
    return _Composer(query, shelves, cold, values, daily=daily).sums()


def cold_reading(query: ResolvedQuery) -> Reading:
    """How days of which only sums are left answer a query."""
    return Reading.by([*query.by, *(each.dimension for each in query.where)])


def condition(asked: Filter, values: Values) -> str:
    """SQL that is true or false, never null: an unknown value is the word `unknown`."""
    its_dimension = DIMENSIONS[asked.dimension]
    value = f"coalesce({its_dimension.sql}, '{UNKNOWN}')"
    match asked.comparison:
        case "=" | "!=":
            listed = ", ".join(values.bind(each) for each in asked.values)
            is_one = f"{value} in ({listed})"
            if its_dimension.kind == "list":
                is_one = f"list_has_any(string_split({value}, ','), [{listed}])"
            return is_one if asked.comparison == "=" else f"not {is_one}"
        case "~":
            return f"contains(lower({value}), lower({values.bind(asked.values[0])}::varchar))"
        case ">" | "<":
            bound = its_dimension.ordered(f"{values.bind(asked.values[0])}::varchar")
            return f"coalesce({its_dimension.ordered(its_dimension.sql)} {asked.comparison} {bound}, false)"


class _Composer:
    def __init__(
        self,
        query: ResolvedQuery,
        shelves: Mapping[Date, DayFolder],
        cold: Mapping[Date, ArchivedDay],
        values: Values,
        *,
        daily: bool,
    ) -> None:
        self._query = query
        self._daily = daily
        self._shelves = shelves
        self._cold = cold
        self._reading = cold_reading(query)
        self._count = "sum(weight)" if cold else "count(*)"
        self._values = values
        self._of_time = [each for each in query.where if DIMENSIONS[each.dimension].is_time]
        self._of_click = [each for each in query.where if not DIMENSIONS[each.dimension].is_time]
        used = [DIMENSIONS[name] for name in query.by]
        self._needs_time = bool(self._of_time) or any(each.is_time for each in used)
        self._keys = [each.sql for each in used if not each.is_time]

    def sums(self) -> str:
        money = f"money || '{DAILY}' || (quarter // {_QUARTERS}) as money" if self._daily else "money"
        labels = ", ".join([*(f'{DIMENSIONS[name].sql} as "{name}"' for name in self._query.by), money])
        added = ", ".join(f"sum({name}) as {name}" for name in SUMS)
        kinds = [self._visits(), self._lander_clicks(), self._payouts(), self._costs()]
        facts = " union all ".join(kinds)
        local = ""
        if self._needs_time:
            zone = self._values.bind(self._query.timezone)
            local = f", timezone({zone}, to_timestamp(quarter::bigint * {QUARTER_MS // 1000})) as local"
        kept = " and ".join(condition(each, self._values) for each in self._of_time) or "true"
        return f"""
            select {labels}, {added}
            from (select *{local} from ({facts}))
            where {kept}
            group by all
        """

    # ------------------------------------------------------------------------------------ kinds of facts

    def _visits(self) -> str:
        return self._fact(
            f"""
            select {self._grouped("quarter", "currency as money")}, flags, {self._count} as n, sum(cost_micros) as spent
            from {self._scan("clicks")}
            where {self._conditions()}
            group by all
            """,
            {
                "visits": "n",
                "invalid": _where_flags(INVALID, INVALID),
                "unique_visits": _where_flags(UNIQUE, UNIQUE),
                "lander_views": _where_flags(INVALID | LANDER_VIEW, LANDER_VIEW),
                "cost": "coalesce(spent, 0)",
            },
            where=f"flags & {VISIT} = {VISIT}",
        )

    def _lander_clicks(self) -> str:
        return self._fact(
            f"""
            select {self._grouped("quarter", "null::varchar as money")}, {self._count} as n
            from {self._scan("landers")}
            where counts and {self._conditions()}
            group by all
            """,
            {"lander_clicks": "n"},
        )

    def _payouts(self) -> str:
        return self._fact(
            f"""
            select {self._grouped(self._conversion_quarter, "payout_currency as money")},
                   conversion_status as status, {self._count} as n, coalesce(sum(payout_micros), 0) as paid
            from {self._scan("conversions")}
            where {self._conditions()}
            group by all
            """,
            {
                "conversions": "case when status is distinct from 'rejected' then n else 0 end",
                "leads": _where_status("lead", "n"),
                "sales": _where_status("sale", "n"),
                "rejected": _where_status("rejected", "n"),
                "revenue": _where_status("sale", "paid"),
                "pending_revenue": _where_status("lead", "paid"),
            },
        )

    def _costs(self) -> str:
        """What is paid to the source for conversions: it has a currency of its own."""
        return self._fact(
            f"""
            select {self._grouped(self._conversion_quarter, "conversion_cost_currency as money")},
                   sum(conversion_cost_micros) as spent
            from {self._scan("conversions")}
            where conversion_cost_micros is not null
              and conversion_status is distinct from 'rejected'
              and {self._conditions()}
            group by all
            """,
            {"cost": "spent"},
        )

    @property
    def _conversion_quarter(self) -> str:
        return "converted_quarter" if self._query.time == "conversion" else "quarter"

    @property
    def _in_time(self) -> bool:
        return self._needs_time or self._daily

    def _grouped(self, quarter: str, money: str) -> str:
        if not self._needs_time:
            quarter = f"{quarter} // {_QUARTERS} * {_QUARTERS}"  # the day is enough
        return ", ".join([*self._keys, *([f"{quarter} as quarter"] if self._in_time else []), money])

    def _fact(self, grouped: str, sums: Mapping[str, str], *, where: str = "true") -> str:
        keys = [*self._keys, *(["quarter"] if self._in_time else []), "money"]
        added = [f"({sums.get(name, '0')})::hugeint as {name}" for name in SUMS]
        return f"select {', '.join([*keys, *added])} from ({grouped}) where {where}"

    def _conditions(self) -> str:
        return " and ".join(condition(each, self._values) for each in self._of_click) or "true"

    # --------------------------------------------------------------------------------------------- files

    def _scan(self, kind: Kind) -> str:
        """The rows of a kind that lie in the time of the query."""
        if kind == "conversions" and self._query.time == "conversion":
            return self._within(kind, [*self._cold, *self._shelves], at="converted_at")
        dates = self._query.dates_of_visits([*self._cold, *self._shelves])
        whole = [date for date in dates if self._is_whole(date)]
        cut = [date for date in dates if not self._is_whole(date)]
        if not cut:
            return self._files(kind, whole)
        # Days that lie within the query as a whole are read without the column of times.
        return f"""(
            select * from {self._files(kind, whole)}
            union all
            select * from {self._within(kind, cut, at="clicked_at")}
        )"""

    def _is_whole(self, date: Date) -> bool:
        start_ms = int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * 1000
        return self._query.start_ms <= start_ms and start_ms + DAY_MS <= self._query.end_ms

    def _within(self, kind: Kind, dates: Sequence[Date], *, at: str) -> str:
        start, end = self._values.bind(self._query.start_ms), self._values.bind(self._query.end_ms)
        return f"""(
            select * from {self._files(kind, dates)}
            where {at} >= make_timestamp_ms({start}) and {at} < make_timestamp_ms({end})
        )"""

    def _files(self, kind: Kind, dates: Sequence[Date]) -> str:
        files = [file for date in dates if date in self._shelves for file in self._shelves[date].files(kind)]
        rows = self._values.parquet(files, COLUMNS[kind])
        if not self._cold:
            return rows
        grouped = self._reading.of is not None
        sums = [str(self._cold[date].path(kind, grouped=grouped)) for date in dates if date in self._cold]
        weighed = f"select *, 1::hugeint as weight from {rows}"
        if sums:
            weighed += f" union all by name {self._reading.select(kind, self._values.parquet(sums, {}))}"
        return f"({weighed})"


def _where_flags(mask: int, wanted: int) -> str:
    return f"case when flags & {mask} = {wanted} then n else 0 end"


def _where_status(status: str, what: str) -> str:
    return f"case when status = '{status}' then {what} else 0 end"
