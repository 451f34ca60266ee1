"""Run a report: bring the columns up to date, add them up, then convert the currencies of the few sums and sort.

The columns of a day that turn out to be damaged are made again, once.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date as Date
from functools import partial
from pathlib import Path
from typing import Any

from tnc.core.errors import FailedError, InvalidError, NotFoundError
from tnc.core.exchange import newest_rates, read_dated_rates
from tnc.core.fields import money
from tnc.core.models import SUBS, Click, WorkspaceId
from tnc.reports.columns.archive import MIN_GROUP, OTHER, ArchivedDay, archived_dates
from tnc.reports.columns.cardinality import NOTHING_KNOWN, Known, ParameterKey, Verdict
from tnc.reports.columns.columns import Columns, DaySource
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Duck, UnreadableError, Values
from tnc.reports.columns.repeating import RepeatingFile, examine
from tnc.reports.dimensions import AMOUNT_COUNTS, DIMENSIONS, METRICS, MONEY_SUMS, SUMS, UNKNOWN, Dimension, Metric
from tnc.reports.query import ReportQuery, ResolvedQuery
from tnc.reports.result import UNCONVERTED, Cell, ReportResult, Row, unconverted_text
from tnc.reports.sql import DAY_SEPARATOR, archive_reading, sums_select
from tnc.store.days.writer import utc_date
from tnc.store.terms import last_ended
from tnc.store.workspace import Workspace

_VALUES_SHOWN = 12

OpenDay = Callable[[WorkspaceId, Date], AbstractContextManager[DaySource]]
Dates = Callable[[WorkspaceId], Sequence[Date]]


def run_report(workspace: Workspace, columns: Columns, query: ReportQuery) -> ReportResult:
    """Raises InvalidError with what to ask for instead, FailedError when the columns cannot be read."""
    resolved = query.resolve(workspace.id, workspace.world.now_ms())
    reports = Reports(
        columns,
        open_day=lambda _workspace, date: workspace.histories.day(date),
        dates=lambda _workspace: _dates_until_today(workspace),
        known=known_parameters(workspace),
        sums_ended=last_ended("rollups", workspace.settings, workspace.world.now_ms()),
    )
    return reports.run(resolved, exchange_of(workspace))


def known_parameters(workspace: Workspace) -> dict[ParameterKey, Verdict]:
    """The parameters whose values repeat over days, and those that the present configuration keeps."""
    repeating = dict.fromkeys(RepeatingFile(workspace.paths.columns / workspace.id).repeating(), Verdict.PLAIN_ONLY)
    _, configuration = workspace.configuration()
    kept = {(str(source.id), sub): Verdict.LABEL for source in configuration.sources.values() for sub in source.keep}
    return repeating | kept


def _dates_until_today(workspace: Workspace) -> list[Date]:
    today = utc_date(workspace.world.now_ms())  # the file of tomorrow may be there already, empty
    return [date for date in workspace.histories.dates() if date <= today]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """`rates`: what one unit of each currency is worth, in one common unit. `home`: the workspace's currency.

    `dated`: for each currency the day (since 1970) from which a rate holds, and the rate, oldest first. `rates` hold
    before the first of them.
    """

    home: str | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    dated: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    def worth(self, currency: str | None, day: int | None) -> float | None:
        if currency is None:
            return None
        known = self.dated.get(currency, ())
        position = 0 if day is None else bisect_right(known, day, key=lambda each: each[0])
        return known[position - 1][1] if position else self.rates.get(currency)


def exchange_of(workspace: Workspace) -> Exchange:
    """The workspace's currency and exchange rates: the owner's, else those downloaded or shipped with the program.

    Raises what `read_dated_rates` raises.
    """
    home, file = workspace.settings.currency, workspace.settings.rates_file
    dated = read_dated_rates(Path(file), home) if file else {}
    return Exchange(
        home=home,
        rates={**newest_rates(home, workspace.paths.rates), **dict(workspace.settings.rates), home: 1.0},
        dated=dated,
    )


class Reports:
    """Runs queries. `dates` lists the UTC days of a workspace that have clicks; `open_day` opens one of them, or
    raises NotFoundError. `sums_ended`: the newest day whose archived sums are past their retention time.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        open_day: OpenDay,
        dates: Dates,
        known: Known = NOTHING_KNOWN,
        sums_ended: Date = Date.min,
    ) -> None:
        self._known = dict(known)
        self._columns = columns
        self._open_day = open_day
        self._dates = dates
        self._sums_ended = sums_ended

    def run(self, query: ResolvedQuery, exchange: Exchange | None = None) -> ReportResult:
        """Raises InvalidError when currencies cannot be converted, FailedError when the columns cannot be read."""
        try:
            return self._compute(query, exchange or Exchange())
        except UnreadableError:
            self._columns.remove_unreadable(query.workspace, self._needed(query))
        try:
            return self._compute(query, exchange or Exchange())
        except UnreadableError as error:
            raise FailedError(
                f"this report cannot be computed: {error}. Its columns were made again, which did not help; "
                "`tnc doctor` looks for what is wrong with the disk."
            ) from error

    def _needed(self, query: ResolvedQuery) -> list[Date]:
        return query.dates_of_conversions(self._dates(query.workspace))

    def _compute(self, query: ResolvedQuery, exchange: Exchange) -> ReportResult:
        dates = self._catch_up(query)
        if self._examine_parameters(query):
            dates = self._catch_up(query)
        archived = self._archived(query)
        with self._columns.reading(query.workspace, dates) as live:
            return _query_columns(self._columns.duck, query, live, exchange, archived)

    def _archived(self, query: ResolvedQuery) -> dict[Date, ArchivedDay]:
        """The archived days that the query needs."""
        folder = self._columns.folder / query.workspace
        live = {*self._dates(query.workspace)}
        dates = query.dates_of_conversions([each for each in archived_dates(folder) if each > self._sums_ended])
        return {date: ArchivedDay(folder, date) for date in dates if date not in live}

    def _catch_up(self, query: ResolvedQuery) -> list[Date]:
        """Bring the live days that the query needs up to date. Returns them."""
        newest = max(self._dates(query.workspace), default=None)
        live = []
        for date in self._needed(query):
            try:
                with self._open_day(query.workspace, date) as source:
                    self._columns.catch_up(query.workspace, date, source, over=date != newest, known=self._known)
            except NotFoundError:
                continue  # deleted just now: its retention period ended
            live.append(date)
        return live

    def _examine_parameters(self, query: ResolvedQuery) -> bool:
        """Look at free parameters of the query over several days. True when more is known now than before."""
        if not {*query.by, *(each.dimension for each in query.where)} & {*SUBS}:
            return False
        file = RepeatingFile(self._columns.folder / query.workspace)
        before = file.examined()
        days = self._columns.parameters(query.workspace, self._dates(query.workspace))
        after = examine(days, before, partial(self._read_clicks, query.workspace))
        if after == before:
            return False
        file.save(after)
        repeating = {(each.source, each.sub) for each in after if each.repeats}
        kept = {key: verdict for key, verdict in self._known.items() if verdict is Verdict.LABEL}
        known = dict.fromkeys(repeating, Verdict.PLAIN_ONLY) | kept
        changed, self._known = known != self._known, known
        return changed

    def _read_clicks(self, workspace: WorkspaceId, date: Date, seqs: Sequence[int]) -> list[Click]:
        try:
            with self._open_day(workspace, date) as source:
                found = [next(source.clicks(seq - 1), None) for seq in seqs]
        except NotFoundError:
            return []
        return [each[1] for seq, each in zip(seqs, found, strict=True) if each is not None and each[0] == seq]


def _query_columns(
    duck: Duck,
    query: ResolvedQuery,
    live: Mapping[Date, DayFolder],
    exchange: Exchange,
    archived: Mapping[Date, ArchivedDay],
) -> ReportResult:
    """Run a query on columns as they are. `live` and `archived` are the days that it needs."""
    values = Values()
    added = sums_select(query, live, archived, values, daily=bool(exchange.dated))
    duck.rows(f"create or replace temp table sums as {added}", values)
    currency, factors, missing = _currency(duck, query, exchange)
    (totals,) = _table(duck, (), query.metrics, factors, missing=missing)
    counted = " or ".join(f"{name} <> 0" for name in SUMS)
    is_empty = query.where and not duck.rows(f"select 1 from sums where {counted} limit 1", Values())
    return ReportResult(
        query=query,
        currency=currency,
        rows=_table(duck, query.by, query.metrics, factors, missing=missing, order=_order(query), page=query)
        if query.by
        else [],
        totals=totals,
        notes=[
            *_unconverted_notes(totals),
            *_opted_out_notes(totals, currency),
            *_archive_notes(query, archived),
            *_withheld_notes(query, live),
            *(_values_there(duck, query, live, archived) if is_empty else ()),
        ],
    )


def _values_there(
    duck: Duck, query: ResolvedQuery, live: Mapping[Date, DayFolder], archived: Mapping[Date, ArchivedDay]
) -> list[str]:
    """For a report that its conditions leave empty: which values each of them could have found."""
    notes = []
    for name in dict.fromkeys(each.dimension for each in query.where):
        values = Values()
        alone = replace(query, by=(name,), where=())
        found = duck.rows(
            f"""
            select "{name}", sum(visits) as visits from ({sums_select(alone, live, archived, values)})
            where visits > 0 group by all order by visits desc, "{name}" limit {_VALUES_SHOWN + 1}
            """,
            values,
        )
        listed = [f"{UNKNOWN if value is None else value} ({visits})" for value, visits in found[:_VALUES_SHOWN]]
        shown = ", ".join(listed)
        more = " and others" if len(found) > _VALUES_SHOWN else ""
        notes.append(
            f"Nothing matches. In this time {name} is {shown}{more} (visits in brackets)."
            if found
            else "Nothing matches: there are no visits in this time."
        )
    return list(dict.fromkeys(notes))


def _currency(
    duck: Duck, query: ResolvedQuery, exchange: Exchange
) -> tuple[str | None, dict[str, float], dict[str, str]]:
    """The currency of the result, for each other value of `money` the factor that converts it, and the values of
    `money` that have none, each with its currency.
    """
    added = " + ".join(f"sum(abs({name}))" for name in MONEY_SUMS)
    seen = dict(duck.rows(f"select money, {added} from sums where money is not null group by money", Values()))
    in_use = [each for each in seen if seen[each] or not any(seen.values())]
    found = {each: _split_money(each) for each in sorted(in_use, key=_split_money)}
    needed = list(dict.fromkeys(currency for currency, _ in found.values()))
    target = query.currency or (needed[0] if len(needed) == 1 else exchange.home)
    if not _asks_for_money(query):
        return target, {}, {}
    if target is None and needed:
        raise InvalidError(f"the money of this report is in {', '.join(needed)}: choose one with `--currency`.")
    factors, missing = dict[str, float](), dict[str, str]()
    for each, (currency, day) in found.items():
        if currency == target:
            continue
        worth, wanted = exchange.worth(currency, day), exchange.worth(target, day)
        if worth is None or wanted is None:
            missing[each] = currency
        else:
            factors[each] = worth / wanted
    return target, factors, missing


def _asks_for_money(query: ResolvedQuery) -> bool:
    wanted = {*query.metrics, query.sort}
    return any(money_sum in METRICS[each].sql for each in METRICS if each in wanted for money_sum in MONEY_SUMS)


def _split_money(money: str) -> tuple[str, int | None]:
    """`EUR` -> EUR, None; `EUR@20781` -> EUR, 20781"""
    currency, _, day = money.partition(DAY_SEPARATOR)
    return currency, int(day) if day else None


def _table(
    duck: Duck,
    by: Sequence[str],
    metrics: Sequence[str],
    factors: Mapping[str, float],
    *,
    missing: Mapping[str, str],
    order: str = "1",
    page: ResolvedQuery | None = None,
) -> list[Row]:
    """One row for each combination of the dimensions; without dimensions, the one row of the totals.

    Amounts whose `money` is in `missing` are not in the metrics; they are listed in the row as `unconverted`.
    """
    values = Values()
    left_out = f"money in ({', '.join(values.bind(each) for each in missing)})" if missing else ""
    exchanged = ", ".join(f"coalesce(sum({_exchanged(name, factors, left_out)}), 0) as {name}" for name in SUMS)
    rates = f"left join {_rates(factors, values)} using (money)" if factors else ""
    names = [f'"{name}"' for name in by]
    added = ", ".join(f"sum({name}) as {name}" for name in SUMS)
    # The innermost select adds up each currency before it is converted, so that it is rounded once.
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
        limit {values.bind(None if page is None else page.limit)}::bigint
        offset {0 if page is None else page.offset}
        """,
        values,
    )
    beside = _unconverted(duck, by, missing) if missing else {}
    return [
        {
            **{name: _dimension_value(DIMENSIONS[name], cell) for name, cell in zip(by, row, strict=False)},
            **{name: _metric_value(METRICS[name], cell) for name, cell in zip(metrics, row[len(by) :], strict=True)},
            **({UNCONVERTED: beside[key]} if (key := tuple(row[: len(by)])) in beside else {}),
        }
        for row in found
    ]


def _unconverted(
    duck: Duck, by: Sequence[str], missing: Mapping[str, str]
) -> dict[tuple[str | None, ...], list[dict[str, Any]]]:
    """For each combination of the dimensions the amounts without a rate, by metric and currency."""
    values = Values()
    names = [f'"{name}"' for name in by]
    listed = ", ".join(values.bind(each) for each in missing)
    added = ", ".join(f"sum({name}), sum({AMOUNT_COUNTS[name]})" for name in MONEY_SUMS)
    currency = f"string_split(money, '{DAY_SEPARATOR}')[1]"
    rows = duck.rows(
        f"select {', '.join([*names, currency])}, {added} from sums where money in ({listed}) group by all", values
    )
    found: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: str(row[len(by)])):
        sums = row[len(by) + 1 :]
        amounts = [
            {"metric": name, "currency": row[len(by)], "amount": money(int(amount)), "count": int(count)}
            for name, amount, count in zip(MONEY_SUMS, sums[::2], sums[1::2], strict=True)
            if count
        ]
        if amounts:
            found.setdefault(tuple(row[: len(by)]), []).extend(amounts)
    return found


def _unconverted_notes(totals: Row) -> list[str]:
    return [
        f"{unconverted_text(each)} is not in {each['metric']}: there is no rate for {each['currency']}; add it to "
        "`rates` in config.toml."
        for each in totals.get(UNCONVERTED, ())
    ]


def _opted_out_notes(totals: Row, currency: str | None) -> list[str]:
    count, cost = totals.get("opted_out"), totals.get("opted_out_cost")
    if not count:
        return []
    visits, are = ("1 visit", "is") if count == 1 else (f"{count} visits", "are")
    spent = f" What they cost, {cost:.2f} {currency}, is in opted_out_cost and not in cost." if cost else ""
    return [f"{visits} after an opt-out or objection {are} only counted, as opted_out, and not in visits.{spent}"]


def _rates(factors: Mapping[str, float], values: Values) -> str:
    known, factor = values.bind(list(factors)), values.bind(list(factors.values()))
    return f"(select unnest({known}::varchar[]) as money, unnest({factor}::double[]) as factor)"


def _exchanged(name: str, factors: Mapping[str, float], left_out: str) -> str:
    if name not in MONEY_SUMS or not (factors or left_out):
        return name
    nothing = f"when {left_out} then 0" if left_out else ""
    rest = f"when factor is not null then round({name} * factor)::hugeint" if factors else ""
    return f"case {nothing} {rest} else {name} end"


def _order(query: ResolvedQuery) -> str:
    """Metrics sort from the largest, dimensions from the smallest; with - in front the other way round. What has no
    value comes last in both directions. Default: by time if the first dimension is one, else by visits.
    """
    ascending = {name: _by_value(name, "asc") for name in query.by}
    sort, is_reversed = query.sort_name, query.sort is not None and query.sort.startswith("-")
    if sort is None and query.by and not DIMENSIONS[query.by[0]].is_time:
        sort = "visits"
    if sort in ascending:
        return ", ".join((_by_value(sort, "desc" if is_reversed else "asc"), *ascending.values()))
    first = () if sort is None else (f"{METRICS[sort].sql} {'asc' if is_reversed else 'desc'} nulls last",)
    return ", ".join((*first, *ascending.values()))


def _by_value(name: str, direction: str) -> str:
    value = f'"{name}"'
    return f"{DIMENSIONS[name].ordered(value)} {direction} nulls last, {value} {direction} nulls last"


def _archive_notes(query: ResolvedQuery, archived: Mapping[Date, ArchivedDay]) -> list[str]:
    """What archived days cannot show any more."""
    if not archived:
        return []
    reading = archive_reading(query)
    days = f"{min(archived)} to {max(archived)}" if len(archived) > 1 else str(min(archived))
    notes = [
        f"Clicks of {days} were deleted at the end of their retention period; their numbers come from archived sums."
    ]
    if reading.missing:
        notes.append(
            f"For these days {', '.join(reading.missing)} can be reported only alone or with the campaign and the day; "
            f"here it reads `{UNKNOWN}`."
        )
    elif reading.of is not None:
        notes.append(f"For these days, groups of fewer than {MIN_GROUP} visitors are added up under `{OTHER}`.")
    return notes


def _withheld_notes(query: ResolvedQuery, live: Mapping[Date, DayFolder]) -> list[str]:
    """How many values of the free parameters in the query the cardinality check kept out."""
    names = {*query.by, *(each.dimension for each in query.where)} & set(SUBS)
    clicks: Counter[tuple[str, str]] = Counter()
    for folder in live.values():
        for record in folder.state.parameters:
            if record.sub in names and record.withheld:
                clicks[record.sub, record.source] += record.withheld
    return [_withheld_note(sub, source, count) for (sub, source), count in sorted(clicks.items())]


def _withheld_note(sub: str, source: str, count: int) -> str:
    of, where = (f" of the source {source}", f"the source {source}") if source else ("", "a source of the campaign")
    return (
        f"{sub}{of}: the values of {count} clicks are left out and read `{UNKNOWN}`: they look like identifiers "
        f'of clicks or people. If they are placements, ads or creatives, write keep = ["{sub}"] in {where}.'
    )


def _dimension_value(dimension: Dimension, text: str | None) -> Cell:
    if text is None or dimension.kind not in ("number", "boolean"):
        return text
    return {"true": True, "false": False}.get(text, int(text) if text.isdecimal() else text)


def _metric_value(metric: Metric, value: Any) -> Cell:
    return money(value) if metric.kind == "money" else value
