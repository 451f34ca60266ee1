"""The SQL that groups and adds up the columns for a report, in one statement.

The text contains only names from the registries; every value is bound. The result has the dimensions under
their names, `money` (the currency of the amounts in that row, or null) and one column for each of `SUMS` and of
`AMOUNT_COUNTS`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from datetime import date as Date
from typing import Final

from tnc.core.clock import DAY_MS, QUARTER_MS
from tnc.reports.columns.archive import ArchivedDay, ArchiveReading
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Values
from tnc.reports.columns.schema import COLUMNS, INVALID, LANDER_VIEW, UNIQUE, VISIT, Kind
from tnc.reports.dimensions import AMOUNT_COUNTS, DIMENSIONS, SUMS, UNKNOWN
from tnc.reports.query import Filter, ResolvedQuery

_QUARTERS: Final = DAY_MS // QUARTER_MS
_ADDED: Final = (*SUMS, *AMOUNT_COUNTS.values())
DAY_SEPARATOR: Final = "@"  # between the currency and the day in `money`, where amounts are kept apart by day


def sums_select(
    query: ResolvedQuery,
    live: Mapping[Date, DayFolder],
    archived: Mapping[Date, ArchivedDay],
    values: Values,
    *,
    daily: bool = False,
) -> str:
    """The select that adds up a query. `live` and `archived` are the days it needs, each in one of them.

    `daily` keeps the amounts of each UTC day apart: `money` is then like `EUR@20781`, with the day since 1970.
    """
    return _Composer(query, live, archived, values, daily=daily).sums()


def archive_reading(query: ResolvedQuery) -> ArchiveReading:
    """How the query reads archived days."""
    return ArchiveReading.of_dimensions([*query.by, *(each.dimension for each in query.where)])


def condition(filter_: Filter, values: Values) -> str:
    """SQL that is true or false and never null: a null value counts as the text `unknown`."""
    dimension = DIMENSIONS[filter_.dimension]
    value = f"coalesce({dimension.sql}, '{UNKNOWN}')"
    match filter_.comparison:
        case "=" | "!=":
            listed = ", ".join(values.bind(each) for each in filter_.values)
            is_one = f"{value} in ({listed})"
            if dimension.kind == "list":
                is_one = f"list_has_any(string_split({value}, ','), [{listed}])"
            return is_one if filter_.comparison == "=" else f"not {is_one}"
        case "~":
            return f"contains(lower({value}), lower({values.bind(filter_.values[0])}::varchar))"
        case ">" | "<":
            bound = dimension.ordered(f"{values.bind(filter_.values[0])}::varchar")
            return f"coalesce({dimension.ordered(dimension.sql)} {filter_.comparison} {bound}, false)"


class _Composer:
    def __init__(
        self,
        query: ResolvedQuery,
        live: Mapping[Date, DayFolder],
        archived: Mapping[Date, ArchivedDay],
        values: Values,
        *,
        daily: bool,
    ) -> None:
        self._query = query
        self._daily = daily
        self._live = live
        self._archived = archived
        self._reading = archive_reading(query)
        self._count = "sum(weight)" if archived else "count(*)"
        self._values = values
        self._of_time = [each for each in query.where if DIMENSIONS[each.dimension].is_time]
        self._of_click = [each for each in query.where if not DIMENSIONS[each.dimension].is_time]
        used = [DIMENSIONS[name] for name in query.by]
        self._needs_time = bool(self._of_time) or any(each.is_time for each in used)
        self._keys = [each.sql for each in used if not each.is_time]

    def sums(self) -> str:
        money = f"money || '{DAY_SEPARATOR}' || (quarter // {_QUARTERS}) as money" if self._daily else "money"
        labels = ", ".join([*(f'{DIMENSIONS[name].sql} as "{name}"' for name in self._query.by), money])
        added = ", ".join(f"sum({name}) as {name}" for name in _ADDED)
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
            select {self._grouped("quarter", "currency as money")}, flags, {self._count} as n,
                   sum(cost_micros) as spent, {self._amounts("cost_micros")} as amounts
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
                "cost_amounts": "amounts",
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
                   conversion_status as status, {self._count} as n, coalesce(sum(payout_micros), 0) as paid,
                   {self._amounts("payout_micros")} as amounts
            from {self._scan("conversions")}
            where {self._conditions()}
            group by all
            """,
            {
                "conversions": "case when status in ('lead', 'sale') then n else 0 end",
                "leads": _where_status("lead", "n"),
                "sales": _where_status("sale", "n"),
                "rejected": _where_status("rejected", "n"),
                "unmapped": "case when status is null then n else 0 end",
                "revenue": _where_status("sale", "paid"),
                "pending_revenue": _where_status("lead", "paid"),
                "revenue_amounts": _where_status("sale", "amounts"),
                "pending_revenue_amounts": _where_status("lead", "amounts"),
            },
        )

    def _costs(self) -> str:
        """What conversions cost, paid to the traffic source; apart from payouts because its currency may differ."""
        return self._fact(
            f"""
            select {self._grouped(self._conversion_quarter, "conversion_cost_currency as money")},
                   sum(conversion_cost_micros) as spent, {self._amounts("conversion_cost_micros")} as amounts
            from {self._scan("conversions")}
            where conversion_cost_micros is not null
              and conversion_status in ('lead', 'sale')
              and {self._conditions()}
            group by all
            """,
            {"cost": "spent", "cost_amounts": "amounts"},
        )

    @property
    def _conversion_quarter(self) -> str:
        return "converted_quarter" if self._query.time == "conversion" else "quarter"

    def _amounts(self, column: str) -> str:
        """How many amounts other than 0 there are; a row of archived days counts as often as its clicks."""
        weight = "weight" if self._archived else "1"
        return f"coalesce(sum({weight}) filter ({column} <> 0), 0)"

    @property
    def _in_time(self) -> bool:
        return self._needs_time or self._daily

    def _grouped(self, quarter: str, money: str) -> str:
        if not self._needs_time:
            quarter = f"{quarter} // {_QUARTERS} * {_QUARTERS}"  # the day is enough
        return ", ".join([*self._keys, *([f"{quarter} as quarter"] if self._in_time else []), money])

    def _fact(self, grouped: str, sums: Mapping[str, str], *, where: str = "true") -> str:
        keys = [*self._keys, *(["quarter"] if self._in_time else []), "money"]
        added = [f"({sums.get(name, '0')})::hugeint as {name}" for name in _ADDED]
        return f"select {', '.join([*keys, *added])} from ({grouped}) where {where}"

    def _conditions(self) -> str:
        return " and ".join(condition(each, self._values) for each in self._of_click) or "true"

    # --------------------------------------------------------------------------------------------- files

    def _scan(self, kind: Kind) -> str:
        """The rows of a kind within the time of the query."""
        if kind == "conversions" and self._query.time == "conversion":
            return self._within(kind, [*self._archived, *self._live], at="converted_at")
        dates = self._query.dates_of_visits([*self._archived, *self._live])
        whole = [date for date in dates if self._is_whole(date)]
        cut = [date for date in dates if not self._is_whole(date)]
        if not cut:
            return self._files(kind, whole)
        # Days that lie wholly within the query are read without the column of times.
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
        files = [file for date in dates if date in self._live for file in self._live[date].files(kind)]
        rows = self._values.parquet(files, COLUMNS[kind])
        if not self._archived:
            return rows
        grouped = self._reading.of is not None
        sums = [str(self._archived[date].path(kind, grouped=grouped)) for date in dates if date in self._archived]
        weighed = f"select *, 1::hugeint as weight from {rows}"
        if sums:
            weighed += f" union all by name {self._reading.select(kind, self._values.parquet(sums, {}))}"
        return f"({weighed})"


def _where_flags(mask: int, wanted: int) -> str:
    return f"case when flags & {mask} = {wanted} then n else 0 end"


def _where_status(status: str, what: str) -> str:
    return f"case when status = '{status}' then {what} else 0 end"
