"""Making the sums of a day that outlive its clicks, from its columns and from who came, by number only."""

from collections.abc import Callable, Iterable
from typing import Final

from tnc.store.cold import GROUP, MEASURES, MONEY, OTHER, OWNER_SIDE, SUMMED, VISITOR_SIDE, ColdDay, noon_quarter
from tnc.store.columnset import COLUMNS, KINDS, Kind
from tnc.store.dayshelf import DayShelf
from tnc.store.duck import Duck, Values

_UNKNOWN: Final = "\x01"  # stands for null among the values of a dimension


class Rollup:
    """`people` tells of each click, by its number, which of the day's visitors made it: a number too, or None."""

    def __init__(self, duck: Duck, shelf: DayShelf, day: ColdDay) -> None:
        self._duck = duck
        self._shelf = shelf
        self._day = day

    def make(self, people: Iterable[tuple[int, int | None]]) -> None:
        """The files of the day, each whole or not at all."""
        self._day.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load_people(people)
        self._fold()
        for kind in KINDS:
            self._write(kind, self._owner_side(kind), grouped=False)
            self._write(kind, self._visitor_side(kind), grouped=True)

    def _write(self, kind: Kind, select: str, *, grouped: bool) -> None:
        values = Values()
        self._duck.write(
            select.replace("{files}", self._files(kind, values)), values, self._day.path(kind, grouped=grouped)
        )

    def _files(self, kind: Kind, values: Values) -> str:
        return values.parquet(self._shelf.files(kind), COLUMNS[kind])

    def _load_people(self, people: Iterable[tuple[int, int | None]]) -> None:
        spool = self._day.place / "people.csv"
        with spool.open("w") as file:
            file.writelines(f"{seq},{'' if person is None else person}\n" for seq, person in people)
        values = Values()
        self._duck.rows(
            f"""
            create or replace temp table people as
            select * from read_csv({values.bind(str(spool))}, header = false, columns = {{
              'seq': 'bigint', 'person': 'bigint'
            }})
            """,
            values,
        )
        spool.unlink()

    # ------------------------------------------------------------------------------------- which are shown

    def _fold(self) -> None:
        """Table `shown`: of each dimension and campaign the values whose groups are large enough.

        When those that are too small are together still too small, the smallest of the others goes with them.
        """
        self._run(f"create or replace temp table cells as {self._each_dimension(self._cells)}")
        self._run(f"create or replace temp table small as {self._each_dimension(self._small)}")
        self._run(
            f"""
            create or replace temp table shown as
            select cells.of, cells.campaign, cells.value
            from cells
            left join small using (of, campaign)
            where cells.people >= {GROUP}
            qualify small.people is null
              or small.people >= {GROUP}
              or row_number() over (partition by cells.of, cells.campaign order by cells.people, cells.value) > 1
            """
        )

    def _run(self, sql: str) -> None:
        values = Values()
        if "{files}" in sql:
            sql = sql.replace("{files}", self._files("clicks", values))
        self._duck.rows(sql, values)

    @staticmethod
    def _each_dimension(select: Callable[[str], str]) -> str:
        return " union all ".join(select(name) for name in VISITOR_SIDE)

    @staticmethod
    def _cells(name: str) -> str:
        return f"""
            select '{name}' as of, campaign, coalesce("{name}", '{_UNKNOWN}') as value, count(distinct person) as people
            from {{files}} join people using (seq)
            group by all
        """

    @staticmethod
    def _small(name: str) -> str:
        return f"""
            select cells.of, cells.campaign, count(distinct person) as people
            from {{files}} click
            join people using (seq)
            join cells on cells.of = '{name}' and cells.campaign = click.campaign
              and cells.value = coalesce(click."{name}", '{_UNKNOWN}')
            where cells.people < {GROUP}
            group by all
        """

    # ------------------------------------------------------------------------------------------- the sums

    @staticmethod
    def _measures(kind: Kind) -> tuple[list[str], list[str]]:
        """Those to group by, and those to add up."""
        names = list(MEASURES[kind])
        return [name for name in names if name not in SUMMED], [name for name in names if name in SUMMED]

    def _owner_side(self, kind: Kind) -> str:
        grouped, summed = self._measures(kind)
        by = ", ".join(f'"{name}"' for name in (*OWNER_SIDE, *grouped))
        added = "".join(f", sum({name}) as {name}" for name in summed)
        return f"select {by}{added}, count(*) as n from {{files}} {_counted(kind)} group by {by} order by {by}"

    def _visitor_side(self, kind: Kind) -> str:
        """One dimension at a time, with the campaign; the whole day in one."""
        return self._each_dimension(lambda name: self._grouped(kind, name))

    def _grouped(self, kind: Kind, name: str) -> str:
        grouped, summed = self._measures(kind)
        noon = noon_quarter(self._day.date)
        cells = {
            "quarter": f"{noon}::uinteger",
            "converted_quarter": "(converted_quarter // 96 * 96 + 48)::uinteger",
        }
        by = "".join(f", {cells.get(each, f'its.{each}')} as {each}" for each in grouped)
        added = "".join(f", sum(its.{each}) as {each}" for each in summed)
        return f"""
            select '{name}' as of,
                   case when shown.value is null then '{OTHER}' else nullif(shown.value, '{_UNKNOWN}') end as value,
                   its.campaign, its.{MONEY}{by}{added}, count(*) as n
            from {{files}} its
            left join shown on shown.of = '{name}' and shown.campaign = its.campaign
              and shown.value = coalesce(its."{name}", '{_UNKNOWN}')
            {_counted(kind)}
            group by all
        """


def _counted(kind: Kind) -> str:
    """Lander clicks that a report does not count are not kept."""
    return "where counts" if kind == "landers" else ""
