"""Making the sums of a day that outlive its clicks, from its columns and from who came, by number only."""

from collections.abc import Iterable
from typing import Final

from tnc.reports.columns.archive import (
    GROUP,
    MEASURES,
    MONEY,
    OTHER,
    OWNER_SIDE,
    SUMMED,
    VISITOR_SIDE,
    ArchivedDay,
    noon_quarter,
)
from tnc.reports.columns.day_folder import DayFolder
from tnc.reports.columns.duck import Duck, Values
from tnc.reports.columns.schema import COLUMNS, KINDS, Kind

_UNKNOWN: Final = "\x01"  # stands for null among the values of a dimension


class Rollup:
    """`people` tells of each click, by its number, which of the day's visitors made it: a number too, or None."""

    def __init__(self, duck: Duck, shelf: DayFolder, day: ArchivedDay) -> None:
        self._duck = duck
        self._shelf = shelf
        self._day = day

    def make(self, people: Iterable[tuple[int, int | None]]) -> None:
        """The files of the day, each whole or not at all."""
        self._day.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load_people(people)
        for kind in KINDS:
            values = Values()
            self._duck.write(self._owner_side(kind, values), values, self._day.path(kind, grouped=False))
            self._begin_groups(kind)
        for name in VISITOR_SIDE:  # one at a time: all at once would not fit into the memory there is
            self._choose(name)
            for kind in KINDS:
                self._add_groups(kind, name)
        for kind in KINDS:
            self._duck.write(f"select * from groups_of_{kind}", Values(), self._day.path(kind, grouped=True))
        self._run("drop table people")

    def _files(self, kind: Kind, values: Values) -> str:
        return values.parquet(self._shelf.files(kind), COLUMNS[kind])

    def _run(self, sql: str, values: Values | None = None) -> None:
        self._duck.rows(sql, values or Values())

    def _load_people(self, people: Iterable[tuple[int, int | None]]) -> None:
        spool = self._day.place / "people.csv"
        with spool.open("w") as file:
            file.writelines(f"{seq},{'' if person is None else person}\n" for seq, person in people)
        values = Values()
        csv = f"read_csv({values.bind(str(spool))}, header = false, columns = {{'seq': 'bigint', 'person': 'bigint'}})"
        self._run(f"create or replace temp table people as select * from {csv}", values)
        spool.unlink()

    # -------------------------------------------------------------------------------------- the owner's side

    def _owner_side(self, kind: Kind, values: Values) -> str:
        grouped, summed = _measures(kind)
        by = ", ".join(f'"{name}"' for name in (*OWNER_SIDE, *grouped))
        added = "".join(f", sum({name}) as {name}" for name in summed)
        files = self._files(kind, values)
        return f"select {by}{added}, count(*) as n from {files} {_counted(kind)} group by {by} order by {by}"

    # ------------------------------------------------------------------------------------- the visitors' side

    def _choose(self, name: str) -> None:
        """Table `shown`: of each campaign the values of a dimension whose groups are large enough.

        When those that are too small are together still too small, the smallest of the others goes with them.
        """
        values = Values()
        its = f"coalesce(click.\"{name}\", '{_UNKNOWN}')"
        clicks = f"{self._files('clicks', values)} click join people using (seq)"
        self._run(
            f"""
            create or replace temp table cells as
            select click.campaign, {its} as value, count(distinct person) as people from {clicks} group by all
            """,
            values,
        )
        self._run(
            f"""
            create or replace temp table shown as
            with small as (
              select click.campaign, count(distinct person) as people
              from {clicks} join cells on cells.campaign = click.campaign and cells.value = {its}
              where cells.people < {GROUP}
              group by all
            )
            select cells.campaign, cells.value
            from cells left join small using (campaign)
            where cells.people >= {GROUP}
            qualify small.people is null or small.people >= {GROUP}
              or row_number() over (partition by campaign order by cells.people, cells.value) > 1
            """,
            values,
        )

    def _begin_groups(self, kind: Kind) -> None:
        money = "" if MONEY in MEASURES[kind] else f", {MONEY} varchar"
        measured = "".join(f", {name} {type_}" for name, type_ in MEASURES[kind].items())
        columns = f"of varchar, value varchar, campaign varchar{money}{measured}, n bigint"
        self._run(f"create or replace temp table groups_of_{kind} ({columns})")

    def _add_groups(self, kind: Kind, name: str) -> None:
        """With the campaign and for the whole day; values that are not shown are added up under `other`."""
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
                   its.campaign, its.{MONEY}{measured}, count(*) as n
            from {self._files(kind, values)} its
            left join shown on shown.campaign = its.campaign and shown.value = coalesce(its."{name}", '{_UNKNOWN}')
            {_counted(kind)}
            group by all
            """,
            values,
        )


def _measures(kind: Kind) -> tuple[list[str], list[str]]:
    """Those to group by, and those to add up."""
    return [name for name in MEASURES[kind] if name not in SUMMED], [name for name in MEASURES[kind] if name in SUMMED]


def _counted(kind: Kind) -> str:
    """Lander clicks that a report does not count are not kept."""
    return "where counts" if kind == "landers" else ""
