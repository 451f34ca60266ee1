"""Run a report: bring the columns up to date, add them up, then convert the currencies of the few sums and sort.

The columns of a day that turn out to be damaged are made again, once.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tnc.core.errors import FailedError, InvalidError, NotFoundError
from tnc.core.exchange import read_dated_rates
from tnc.core.fields import money
from tnc.core.models import SUBS, WorkspaceId
from tnc.reports.columns.archive import GROUP, OTHER, ArchivedDay, archived_dates
from tnc.reports.columns.columns import Columns, DaySource
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Duck, UnreadableError, Values
from tnc.reports.dimensions import DIMENSIONS, METRICS, MONEY_SUMS, SUMS, UNKNOWN, Dimension, Metric
from tnc.reports.query import ReportQuery, ResolvedQuery
from tnc.reports.result import Cell, ReportResult, Row
from tnc.reports.sql import DAILY, cold_reading, sums_select
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace

OpenDay = Callable[[WorkspaceId, Date], AbstractContextManager[DaySource]]
Dates = Callable[[WorkspaceId], Sequence[Date]]


def run_report(workspace: Workspace, columns: Columns, query: ReportQuery) -> ReportResult:
    """Raises InvalidError with what can be asked instead, FailedError when the columns cannot be read."""
    resolved = query.resolve(workspace.id, workspace.world.now_ms())
    reports = Reports(
        columns,
        open_day=lambda _workspace, date: workspace.histories.day(date),
        dates=lambda _workspace: _dates_until_today(workspace),
    )
    return reports.run(resolved, exchange_of(workspace))


def _dates_until_today(workspace: Workspace) -> list[Date]:
    today = utc_date(workspace.world.now_ms())  # the file of tomorrow may be there already, empty
    return [date for date in workspace.histories.dates() if date <= today]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """`rates`: what one unit of a currency is worth, in one common unit. `home`: the workspace's currency.

    `dated`: the same from a day on (days since 1970), oldest first; before the first of them `rates` hold.
    """

    home: str | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    dated: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    def worth(self, currency: str | None, day: int | None) -> float | None:
        if currency is None:
            return None
        known = self.dated.get(currency, ())
        place = 0 if day is None else bisect_right(known, day, key=lambda each: each[0])
        return known[place - 1][1] if place else self.rates.get(currency)


def exchange_of(workspace: Workspace) -> Exchange:
    """The workspace's currency and exchange rates. Raises what `read_dated_rates` raises."""
    home, file = workspace.settings.currency, workspace.settings.rates_file
    dated = read_dated_rates(Path(file), home) if file else {}
    return Exchange(home=home, rates={**dict(workspace.settings.rates), home: 1.0}, dated=dated)


class Reports:
    """`dates` are the UTC days with clicks of a workspace; `open_day` gives one of them or raises NotFoundError."""

    def __init__(self, columns: Columns, *, open_day: OpenDay, dates: Dates) -> None:
        self._columns = columns
        self._open_day = open_day
        self._dates = dates

    def run(self, query: ResolvedQuery, exchange: Exchange | None = None) -> ReportResult:
        """Raises InvalidError when currencies cannot be added up, FailedError when it cannot be computed."""
        try:
            return self._try(query, exchange or Exchange())
        except UnreadableError:
            self._columns.forget_unreadable(query.workspace, self._needed(query))
        try:
            return self._try(query, exchange or Exchange())
        except UnreadableError as error:
            raise FailedError(
                f"this report cannot be computed: {error}. Its columns were made again, which did not help; "
                "`tnc doctor` looks for what is wrong with the disk."
            ) from error

    def _needed(self, query: ResolvedQuery) -> list[Date]:
        return query.dates_of_conversions(self._dates(query.workspace))

    def _try(self, query: ResolvedQuery, exchange: Exchange) -> ReportResult:
        dates = self._catch_up(query)
        cold = self._cold(query)
        with self._columns.reading(query.workspace, dates) as shelves:
            return compute(self._columns.duck, query, shelves, exchange, cold)

    def _cold(self, query: ResolvedQuery) -> dict[Date, ArchivedDay]:
        """The days that the query needs and of which only sums are left."""
        folder = self._columns.folder / query.workspace
        hot = {*self._dates(query.workspace)}
        dates = query.dates_of_conversions(archived_dates(folder))
        return {date: ArchivedDay(folder, date) for date in dates if date not in hot}

    def _catch_up(self, query: ResolvedQuery) -> list[Date]:
        """Bring the days up to date that the query needs; which of them there are."""
        newest = max(self._dates(query.workspace), default=None)
        there = []
        for date in self._needed(query):
            try:
                with self._open_day(query.workspace, date) as source:
                    self._columns.catch_up(query.workspace, date, source, over=date != newest)
            except NotFoundError:
                continue  # its term ended just now
            there.append(date)
        return there


def compute(
    duck: Duck,
    query: ResolvedQuery,
    shelves: Mapping[Date, DayFolder],
    exchange: Exchange,
    cold: Mapping[Date, ArchivedDay] = MappingProxyType({}),
) -> ReportResult:
    """The answer from columns as they are. `shelves` and `cold` are the days that the query needs."""
    values = Values()
    added = sums_select(query, shelves, cold, values, daily=bool(exchange.dated))
    duck.rows(f"create or replace temp table sums as {added}", values)
    currency, factors = _currency(duck, query, exchange)
    (totals,) = _table(duck, (), query.metrics, factors)
    return ReportResult(
        query=query,
        currency=currency,
        rows=_table(duck, query.by, query.metrics, factors, order=_order(query), limit=query.limit) if query.by else [],
        totals=totals,
        notes=[*_cold_notes(query, cold), *_notes(query, shelves)],
    )


def _currency(duck: Duck, query: ResolvedQuery, exchange: Exchange) -> tuple[str | None, dict[str, float]]:
    """The currency of the answer, and what to multiply the amounts of every other one with, of each day if need be."""
    added = " + ".join(f"sum(abs({name}))" for name in MONEY_SUMS)
    seen = dict(duck.rows(f"select money, {added} from sums where money is not null group by money", Values()))
    found = {each: _money_of(each) for each in sorted(seen, key=_money_of) if seen[each] or not any(seen.values())}
    needed = list(dict.fromkeys(currency for currency, _ in found.values()))
    target = query.currency or (needed[0] if len(needed) == 1 else exchange.home)
    others = {each: of for each, of in found.items() if of[0] != target}
    if not _asks_for_money(query):
        return target, {}
    if target is None and others:
        raise InvalidError(f"the money of this report is in {', '.join(needed)}: choose one with `--currency`.")
    factors, missing = dict[str, float](), list[str]()
    for each, (currency, day) in others.items():
        worth, wanted = exchange.worth(currency, day), exchange.worth(target, day)
        if worth is not None and wanted is not None:
            factors[each] = worth / wanted
        missing += [_named(str(name), day) for name, it in ((target, wanted), (currency, worth)) if it is None]
    if missing:
        raise InvalidError(
            f"this report cannot be in {target}: there is no rate for {', '.join(dict.fromkeys(missing))}. "
            "Add it to the rates of the workspace, or ask for less at a time, for example one offer."
        )
    return target, factors


def _asks_for_money(query: ResolvedQuery) -> bool:
    wanted = {*query.metrics, query.sort}
    return any(money_sum in METRICS[each].sql for each in METRICS if each in wanted for money_sum in MONEY_SUMS)


def _money_of(money: str) -> tuple[str, int | None]:
    """`EUR`, or `EUR@20781`: the currency, and the day of the amounts where rates have days."""
    currency, _, day = money.partition(DAILY)
    return currency, int(day) if day else None


def _named(currency: str, day: int | None) -> str:
    return currency if day is None else f"{currency} on {Date(1970, 1, 1) + timedelta(days=day)}"


def _table(
    duck: Duck,
    by: Sequence[str],
    metrics: Sequence[str],
    factors: Mapping[str, float],
    *,
    order: str = "1",
    limit: int | None = None,
) -> list[Row]:
    """One row for each combination of the dimensions; without dimensions, the one row of the totals."""
    values = Values()
    exchanged = ", ".join(f"coalesce(sum({_exchanged(name, factors)}), 0) as {name}" for name in SUMS)
    rates = f"left join {_rates(factors, values)} using (money)" if factors else ""
    names = [f'"{name}"' for name in by]
    added = ", ".join(f"sum({name}) as {name}" for name in SUMS)  # a currency is exchanged once, then rounded
    found = duck.rows(
        f"""
        select {", ".join([*names, *(METRICS[name].sql for name in metrics)])}
        from (
          select {", ".join([*names, exchanged])}
          from (select {", ".join([*names, "money", added])} from sums group by all)
          {rates}
          {f"group by {', '.join(names)}" if by else ""}
        )
        order by {order}
        limit {values.bind(limit)}::bigint
        """,
        values,
    )
    return [
        {
            **{name: _value(DIMENSIONS[name], cell) for name, cell in zip(by, row, strict=False)},
            **{name: _number(METRICS[name], cell) for name, cell in zip(metrics, row[len(by) :], strict=True)},
        }
        for row in found
    ]


def _rates(factors: Mapping[str, float], values: Values) -> str:
    known, factor = values.bind(list(factors)), values.bind(list(factors.values()))
    return f"(select unnest({known}::varchar[]) as money, unnest({factor}::double[]) as factor)"


def _exchanged(name: str, factors: Mapping[str, float]) -> str:
    if name not in MONEY_SUMS or not factors:
        return name
    return f"case when factor is null then {name} else round({name} * factor)::hugeint end"


def _order(query: ResolvedQuery) -> str:
    """By a metric the largest first, by a dimension upwards; unasked in order of time, else by visits."""
    upwards = {name: _upwards(name) for name in query.by}
    sort = query.sort
    if sort is None and query.by and not DIMENSIONS[query.by[0]].is_time:
        sort = "visits"
    if sort in upwards:
        return ", ".join((upwards[sort], *upwards.values()))
    first = () if sort is None else (f"{METRICS[sort].sql} desc nulls last",)
    return ", ".join((*first, *upwards.values()))


def _upwards(name: str) -> str:
    value = f'"{name}"'
    return f"{DIMENSIONS[name].ordered(value)} nulls last, {value} nulls last"


def _cold_notes(query: ResolvedQuery, cold: Mapping[Date, ArchivedDay]) -> list[str]:
    """What days can no longer tell whose clicks are gone."""
    if not cold:
        return []
    reading = cold_reading(query)
    days = f"{min(cold)} to {max(cold)}" if len(cold) > 1 else str(min(cold))
    notes = [f"Clicks of {days} are gone by their term; their numbers come from sums."]
    if reading.missing:
        notes.append(
            f"Of these days {', '.join(reading.missing)} is known only by itself or with the campaign and the day, and "
            f"reads `{UNKNOWN}` here."
        )
    elif reading.of is not None:
        notes.append(f"Of these days, groups of fewer than {GROUP} visitors are added up under `{OTHER}`.")
    return notes


def _notes(query: ResolvedQuery, shelves: Mapping[Date, DayFolder]) -> list[str]:
    """What the guard kept out of the free parameters that are asked for."""
    asked = {*query.by, *(each.dimension for each in query.where)} & set(SUBS)
    clicks: Counter[tuple[str, str]] = Counter()
    for shelf in shelves.values():
        for record in shelf.state.guard:
            if record.sub in asked and record.withheld:
                clicks[record.sub, record.source] += record.withheld
    return [
        f"{sub}{f' of the source {source}' if source else ''}: the values of {count} clicks are left out and read "
        f"`{UNKNOWN}`, because they look like identifiers of clicks or people."
        for (sub, source), count in sorted(clicks.items())
    ]


def _value(dimension: Dimension, text: str | None) -> Cell:
    if text is None or dimension.kind not in ("number", "boolean"):
        return text
    return {"true": True, "false": False}.get(text, int(text) if text.isdecimal() else text)


def _number(metric: Metric, value: Any) -> Cell:
    return money(value) if metric.kind == "money" else value
