"""Restores one day from a backup: the records that the keyring can decrypt, with new blind tokens."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from tnc.admin.backup.archive import Row, Table
from tnc.core.clock import QUARTER_MS
from tnc.core.errors import FailedError, InvalidError
from tnc.core.fields import money
from tnc.core.models import Click, ClickHistory, ClickId
from tnc.store.days.inbox import Call
from tnc.store.days.schema import migrate, open_to_write
from tnc.store.days.writer import sealer_of, tokens_of
from tnc.store.keys.keyring import DayKeys
from tnc.store.keys.puncturable import PuncturedError
from tnc.store.keys.records import Sealer
from tnc.tracking.conversions.postback import click_named

_AT_ONCE: Final = 5_000
_LOOKED_UP_AT_ONCE: Final = 500  # clicks; one look at the control database takes 150 us
_TOKENS: Final = ("click", "visitor", "address", "external", "browser")


@dataclass(slots=True)
class PutBack:
    """How many clicks of a day were restored."""

    clicks: int = 0
    refused: int = 0  # erased, or not decrypted by the keyring
    remainders: set[ClickId] = field(default_factory=set)  # of clicks that were erased before the backup


@dataclass(slots=True)
class MissingTotals:
    """What restored totals lack of visitors that were erased since the backup, by the remainders of the present data.

    `revenue_micros` by currency. Not `exact` where a day has another number of remainders than of refused clicks: the
    present data is damaged, or a visit from the quarter of an hour of the backup was erased.
    """

    visits: int = 0
    revenue_micros: Counter[str] = field(default_factory=Counter)
    exact: bool = True

    def add_day(self, refused: int, remainders: Iterable[ClickHistory], *, made_at_ms: int) -> None:
        """`remainders`: those of the day that are in the present data and not in the backup."""
        before = [each for each in remainders if each.click.clicked_at_ms <= made_at_ms]
        if len(before) != refused:  # the last quarter may have clicks that came after the backup
            before = [each for each in before if each.click.clicked_at_ms + QUARTER_MS <= made_at_ms]
        self.exact = self.exact and len(before) == refused
        self.visits += refused
        for conversion in chain.from_iterable(each.conversions for each in before if not each.click.test):
            if conversion.status == "sale" and conversion.payout_micros and conversion.converted_at_ms <= made_at_ms:
                self.revenue_micros[conversion.currency or ""] += conversion.payout_micros

    def to_json(self) -> dict[str, Any] | None:
        """None when nothing is lacking."""
        if not self.visits:
            return None
        revenue = {currency: money(micros) for currency, micros in sorted(self.revenue_micros.items())}
        return {"visits": self.visits, "revenue": revenue, "exact": self.exact}


class DayRestorer:
    """Writes one day file from rows of format `day_schema`, then migrates it to the current format.

    `find_erased` returns which of some clicks were erased and must not be restored.
    """

    def __init__(
        self,
        path: Path,
        keys: DayKeys,
        find_erased: Callable[[Collection[ClickId]], Collection[ClickId]],
        *,
        day_schema: int,
    ) -> None:
        self._path = path
        self._day_schema = day_schema
        self._keys = keys
        self._find_erased = find_erased
        self._told = PutBack()
        self._gone: set[int] = set()  # numbers of clicks that are not restored
        self._clicks, self._inbox = sealer_of(keys, "clicks"), sealer_of(keys, "inbox")

    def put_back(self, tables: Iterable[Table]) -> PutBack:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(open_to_write(self._path, up_to=self._day_schema)) as database:
            for table in tables:
                _check_names(database, table)
                columns, rows = self._fitting(table)
                marks = ", ".join("?" * len(columns))
                insert = f"insert or replace into {table.name} ({', '.join(columns)}) values ({marks})"
                while portion := list(islice(rows, _AT_ONCE)):
                    database.execute("begin")
                    database.executemany(insert, portion)
                    database.execute("commit")
        migrate(self._path)
        return self._told

    def _fitting(self, table: Table) -> tuple[tuple[str, ...], Iterator[Row]]:
        """The columns and rows to insert. Reads every row of `Table.rows`, also those that are left out."""
        match table.name:
            case "clicks":
                return (*table.columns, *_TOKENS), self._clicks_of(table)
            case "inbox":
                return (*table.columns, "click"), self._calls_of(table)
            case _ if "click_seq" in table.columns:
                its_click = table.columns.index("click_seq")
                return table.columns, (row for row in table.rows if row[its_click] not in self._gone)
            case _:
                return table.columns, iter(table.rows)

    def _clicks_of(self, table: Table) -> Iterator[Row]:
        number, sealed = table.columns.index("seq"), table.columns.index("sealed")
        rows = iter(table.rows)
        while portion := list(islice(rows, _LOOKED_UP_AT_ONCE)):
            clicks = [_opened(self._clicks, row[number], row[sealed], Click) for row in portion]
            erased = self._find_erased([click.click_id for click in clicks if click is not None])
            for row, click in zip(portion, clicks, strict=True):
                if click is None or click.click_id in erased:
                    self._told.refused += 1
                    self._gone.add(row[number])
                    continue
                self._told.clicks += 1
                if click.erased:
                    self._told.remainders.add(click.click_id)
                yield (*row, *tokens_of(click, self._keys))

    def _calls_of(self, table: Table) -> Iterator[Row]:
        number, sealed = table.columns.index("seq"), table.columns.index("sealed")
        for row in table.rows:
            call = _opened(self._inbox, row[number], row[sealed], Call)
            if call is not None:
                yield (*row, self._token_of(call))

    def _token_of(self, call: Call) -> int | None:
        named = click_named(call.params)
        return None if named is None else self._keys.token("click", named)


def _check_names(database: sqlite3.Connection, table: Table) -> None:
    """Names from a file become SQL only where the database has them. Raises InvalidError."""
    known = {name for (name,) in database.execute("select name from pragma_table_info(?)", (table.name,))}
    if not known or not known.issuperset(table.columns):
        raise InvalidError("the backup holds a table that no version of tnc has; use another backup.")


def _opened(sealer: Sealer, seq: int, sealed: bytes, kind: Any) -> Any:
    try:
        return sealer.open(seq, sealed, kind)
    except (PuncturedError, FailedError):
        return None
