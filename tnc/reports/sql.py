"""The SQL that groups and adds up the columns for a report, in one statement.

The text contains only names from the registries; every value is bound. The result has the dimensions under
their names, `money` (the currency of the amounts in that row, or null) and one column for each of `SUMS` and of
`AMOUNT_COUNTS`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from datetime import date as Date
from itertools import chain
from typing import Final

from tnc.core.clock import DAY_MS, QUARTER_MS
from tnc.core.fields import DIMENSION_FIELDS
from tnc.core.zones import find_zone, offsets
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
            bound = [f"{values.bind(each)}::varchar" for each in filter_.values]
            if dimension.kind == "list":
                is_one = f"list_has_any(string_split({value}, ','), [{', '.join(bound)}])"
            elif dimension.ignores_case:
                is_one = f"lower({value}) in ({', '.join(f'lower({each})' for each in bound)})"
            else:
                is_one = f"{value} in ({', '.join(bound)})"
            return is_one if filter_.comparison == "=" else f"not {is_one}"
        case "~":
            return f"contains(lower({value}), lower({values.bind(filter_.values[0])}::varchar))"
        case ">" | "<":
            limit = dimension.ordered(f"{values.bind(filter_.values[0])}::varchar")
            return f"coalesce({dimension.ordered(dimension.sql)} {filter_.comparison} {limit}, false)"


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
        kinds = [self._visits(), self._lander_clicks(), self._payouts(), self._costs(), self._opted_out()]
        facts = " union all ".join(kinds)
        local = ""
        if self._needs_time:
            local = f", make_timestamp_ms(quarter::bigint * {QUARTER_MS} + {self._offset_ms()}) as local"
        kept = " and ".join(condition(each, self._values) for each in self._of_time) or "true"
        return f"""
            select {labels}, {added}
            from (select *{local} from ({facts}))
            where {kept}
            group by all
        """

    def _offset_ms(self) -> str:
        """The offset of the report's time zone at `quarter`. DuckDB's own table of zones is not used."""
        query = self._query
        # The sums of an archived day are at its noon, which can lie beyond the window.
        changes = list(offsets(find_zone(query.timezone), query.start_ms - DAY_MS, query.end_ms + DAY_MS))
        (_, first), *later = changes
        cases = " ".join(f"when quarter >= {quarter} then {offset * 1000}" for quarter, offset in reversed(later))
        return f"(case {cases} else {first * 1000} end)" if cases else str(first * 1000)

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

    def _opted_out(self) -> str:
        """Visits that left only a count: they have a campaign, a source and a quarter, and no other dimension."""
        start, end = self._query.start_ms // QUARTER_MS, self._query.end_ms // QUARTER_MS
        live = (folder.state.opted_out for folder in self._live.values())
        archived = (day.opted_out() for day in self._archived.values())
        found = [each for each in chain(*live, *archived) if start <= each.quarter < end]
        cells = {
            "campaign": ("varchar", [each.campaign for each in found]),
            "source": ("varchar", [each.source for each in found]),
            "quarter": ("uinteger", [each.quarter for each in found]),
            "currency": ("varchar", [each.currency for each in found]),
            "cost_micros": ("hugeint", [each.cost_micros for each in found]),
            "visits": ("bigint", [each.visits for each in found]),
        }
        known = ", ".join(
            f"unnest({self._values.bind(values)}::{type_}[]) as {name}" for name, (type_, values) in cells.items()
        )
        others = "".join(f', null::varchar as "{each.name}"' for each in DIMENSION_FIELDS if each.name not in cells)
        return self._fact(
            f"""
            select {self._grouped("quarter", "currency as money")}, sum(visits) as n, sum(cost_micros) as spent,
                   coalesce(sum(visits) filter (cost_micros <> 0), 0) as amounts
            from (select *{others} from (select {known}))
            where {self._conditions()}
            group by all
            """,
            {"opted_out": "n", "opted_out_cost": "spent", "opted_out_cost_amounts": "amounts"},
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
