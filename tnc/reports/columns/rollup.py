"""Make the archive of a day from its columns, before its clicks are deleted."""

from collections.abc import Iterable
from typing import Final

import msgspec

from tnc.reports.columns.archive import (
    COST_CURRENCY,
    MEASURES,
    MIN_GROUP,
    OTHER,
    OWNER_DIMENSIONS,
    SUMMED,
    VISITOR_DIMENSIONS,
    ArchivedDay,
    noon_quarter,
)
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Duck, Values
from tnc.reports.columns.schema import COLUMNS, KINDS, Kind

_UNKNOWN: Final = "\x01"  # stands for null among the values of a dimension


class DayRollup:
    """Writes the files of an `ArchivedDay`.

    `visitors` are pairs: the number of a click, and a number that stands for its visitor on that day, or None.
    """

    def __init__(self, duck: Duck, folder: DayFolder, day: ArchivedDay) -> None:
        self._duck = duck
        self._folder = folder
        self._day = day

    def make(self, visitors: Iterable[tuple[int, int | None]]) -> None:
        """Write each file of the day, in full or not at all."""
        self._day.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load_visitors(visitors)
        for kind in KINDS:
            values = Values()
            self._duck.write(self._exact(kind, values), values, self._day.path(kind, grouped=False))
            self._begin_groups(kind)
        for name in VISITOR_DIMENSIONS:  # one at a time: all at once would need too much memory
            self._choose(name)
            for kind in KINDS:
                self._add_groups(kind, name)
        for kind in KINDS:
            self._duck.write(f"select * from groups_of_{kind}", Values(), self._day.path(kind, grouped=True))
        self._day.opted_out_file.write_bytes(msgspec.json.encode(self._folder.state.opted_out))
        self._run("drop table visitors")

    def _files(self, kind: Kind, values: Values) -> str:
        return values.parquet(self._folder.files(kind), COLUMNS[kind])

    def _run(self, sql: str, values: Values | None = None) -> None:
        self._duck.rows(sql, values or Values())

    def _load_visitors(self, visitors: Iterable[tuple[int, int | None]]) -> None:
        spool = self._day.directory / "visitors.csv"
        with spool.open("w") as file:
            file.writelines(f"{seq},{'' if visitor is None else visitor}\n" for seq, visitor in visitors)
        values = Values()
        csv = f"read_csv({values.bind(str(spool))}, header = false, columns = {{'seq': 'bigint', 'visitor': 'bigint'}})"
        self._run(f"create or replace temp table visitors as select * from {csv}", values)
        spool.unlink()

    # ------------------------------------------------------------------------------------ by owner dimensions

    def _exact(self, kind: Kind, values: Values) -> str:
        grouped, summed = _measures(kind)
        by = ", ".join(f'"{name}"' for name in (*OWNER_DIMENSIONS, *grouped))
        added = "".join(f", sum({name}) as {name}" for name in summed)
        files = self._files(kind, values)
        return f"select {by}{added}, count(*) as n from {files} {_counted(kind)} group by {by} order by {by}"

    # ------------------------------------------------------------------------------- by one visitor dimension

    def _choose(self, name: str) -> None:
        """Make the table `shown`: for each campaign, the values of a dimension that enough visitors have.

        When all small groups of a campaign together have too few visitors, the smallest large group is hidden too:
        `other` must not stand for fewer than `MIN_GROUP` visitors.
        """
        values = Values()
        its = f"coalesce(click.\"{name}\", '{_UNKNOWN}')"
        clicks = f"{self._files('clicks', values)} click join visitors using (seq)"
        self._run(
            f"""
            create or replace temp table cells as
            select click.campaign, {its} as value, count(distinct visitor) as visitors from {clicks} group by all
            """,
            values,
        )
        self._run(
            f"""
            create or replace temp table shown as
            with small as (
              select click.campaign, count(distinct visitor) as visitors
              from {clicks} join cells on cells.campaign = click.campaign and cells.value = {its}
              where cells.visitors < {MIN_GROUP}
              group by all
            )
            select cells.campaign, cells.value
            from cells left join small using (campaign)
            where cells.visitors >= {MIN_GROUP}
            qualify small.visitors is null or small.visitors >= {MIN_GROUP}
              or row_number() over (partition by campaign order by cells.visitors, cells.value) > 1
            """,
            values,
        )

    def _begin_groups(self, kind: Kind) -> None:
        money = "" if COST_CURRENCY in MEASURES[kind] else f", {COST_CURRENCY} varchar"
        measured = "".join(f", {name} {type_}" for name, type_ in MEASURES[kind].items())
        columns = f"of varchar, value varchar, campaign varchar{money}{measured}, n bigint"
        self._run(f"create or replace temp table groups_of_{kind} ({columns})")

    def _add_groups(self, kind: Kind, name: str) -> None:
        """Add up by campaign and value for the whole day; values that are not shown are added up under `other`."""
        values = Values()
        noon = f"{noon_quarter(self._day.date)}::uinteger"
        whole_days = {"quarter": noon, "converted_quarter": "(its.converted_quarter // 96 * 96 + 48)::uinteger"}
        cells = {each: whole_days.get(each, f"its.{each}") for each in MEASURES[kind]}
        measured = "".join(f", {f'sum({cell})' if each in SUMMED else cell} as {each}" for each, cell in cells.items())
        self._run(
            f"""
            insert into groups_of_{kind} by name
            select '{name}' as of,
                   case when shown.value is null then '{OTHER}' else nullif(shown.value, '{_UNKNOWN}') end as value,
                   its.campaign, its.{COST_CURRENCY}{measured}, count(*) as n
            from {self._files(kind, values)} its
            left join shown on shown.campaign = its.campaign and shown.value = coalesce(its."{name}", '{_UNKNOWN}')
            {_counted(kind)}
            group by all
            """,
            values,
        )


def _measures(kind: Kind) -> tuple[list[str], list[str]]:
    """The measures to group by, and those to add up."""
    return [name for name in MEASURES[kind] if name not in SUMMED], [name for name in MEASURES[kind] if name in SUMMED]


def _counted(kind: Kind) -> str:
    """SQL condition: lander clicks that reports do not count are not archived."""
    return "where counts" if kind == "landers" else ""
