"""The postback inbox of a day: every call that said something of a conversion, as it came, and what became of it.

A call lies in the day of its arrival, whatever day its click is of. It is found by its click's blind token.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from msgspec import Struct

from tnc.core.clock import ids_in
from tnc.core.models import ConversionId, NetworkId
from tnc.store.keys.puncturable import PuncturedError
from tnc.store.keys.records import Sealer

INBOX_TABLES: Final[tuple[str, ...]] = (
    """
create table inbox (
  seq     integer primary key,  -- number of the leaf that seals the row, counted together with events
  at_ms   integer not null,     -- UTC, when it arrived
  outcome text not null,        -- new, changed, duplicate, unmapped, ignored, unknown-click, refused, invalid
  click   integer,              -- blind token of the click id that it named
  sealed  blob not null
) strict
""",
    "create index inbox_click on inbox(click) where click is not null",
)

_COLUMNS: Final = "seq, at_ms, outcome, click, sealed"

Origin = Literal["postback", "pixel", "test"]
CallOutcome = Literal["new", "changed", "duplicate", "unmapped", "ignored", "unknown-click", "refused", "invalid"]
UNMATCHED: Final[frozenset[CallOutcome]] = frozenset({"unmapped", "unknown-click", "refused", "invalid"})
"""What a person may want to do something about."""

STRAY: Final[frozenset[CallOutcome]] = frozenset({"unknown-click", "invalid"})
"""What belongs to no click that is known here, so that its blind token leads to nobody."""

_WORD: Final = re.compile(r"[0-9a-z._%+:@-]+")


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part: what was said, and what was answered."""

    method: str
    path: str  # /postback, /click.php, ...; without the key that may stand in it
    params: dict[str, str]  # as they came; a key reads ***
    origin: Origin = "postback"
    peer: str | None = None  # address of the caller, cut to its network
    network: NetworkId | None = None  # whose it was taken for
    conversion_id: ConversionId | None = None
    status: int = 200  # HTTP
    answer: str = ""
    note: str = ""  # what happened, and what would have to change for it to match
    replays: int = 0


def click_ids_in(params: Mapping[str, str]) -> set[str]:
    """What looks like a click id anywhere in a call: a network may send it under a name that nobody knows."""
    return {each for pair in params.items() for text in pair for each in ids_in(text)}


def texts_in(call: Call) -> set[str]:
    """Words of what was said in a call, in lower case, by which it can be told to be about somebody."""
    return click_ids_in(call.params) | {word for value in call.params.values() for word in _WORD.findall(value.lower())}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    seq: int
    at_ms: int
    outcome: CallOutcome
    click: int | None
    call: Call


class Inbox:
    """The calls of one day, to read."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def find(self, seq: int) -> InboxRow | None:
        return next(self._rows("where seq = ?", seq), None)

    def newest(self, *, outcomes: Collection[CallOutcome] | None = None, limit: int = -1) -> Iterator[InboxRow]:
        """Newest first, those that came to certain outcomes only."""
        if outcomes is None:
            yield from self._rows("order by seq desc limit ?", limit)
        else:
            wanted = json.dumps(sorted(outcomes))
            yield from self._rows(
                "where outcome in (select value from json_each(?)) order by seq desc limit ?", wanted, limit
            )

    def counts(self, since_ms: int = 0) -> dict[CallOutcome, int]:
        """How many calls since a time came to what."""
        return dict(
            self._database.execute(
                "select outcome, count(*) from inbox where at_ms >= ? group by outcome", (since_ms,)
            ).fetchall()
        )

    def _rows(self, clause: str, *values: Any) -> Iterator[InboxRow]:
        """Rows that were erased are passed over."""
        for seq, at_ms, outcome, click, sealed in self._database.execute(
            f"select {_COLUMNS} from inbox {clause}", values
        ).fetchall():
            try:
                call = self._sealer.open(seq, sealed, Call)
            except PuncturedError:
                continue
            yield InboxRow(seq=seq, at_ms=at_ms, outcome=outcome, click=click, call=call)


class InboxWriter(Inbox):
    """The calls of one day, to add to within the writer's transaction."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer, number: Callable[[], int]) -> None:
        super().__init__(database, sealer)
        self._number = number

    def add(self, row: InboxRow) -> InboxRow:
        """A new row; its number is made here."""
        row = replace(row, seq=self._number())
        self._database.execute(
            f"insert into inbox ({_COLUMNS}) values (?, ?, ?, ?, ?)",
            (row.seq, row.at_ms, row.outcome, row.click, self._sealer.seal(row.seq, row.call)),
        )
        return row

    def change(self, row: InboxRow) -> bool:
        """Store what a replay came to; False when it was erased meanwhile."""
        if self._database.execute("select 1 from inbox where seq = ?", (row.seq,)).fetchone() is None:
            return False
        self._database.execute(
            "update inbox set outcome = ?, sealed = ? where seq = ?",
            (row.outcome, self._sealer.seal(row.seq, row.call), row.seq),
        )
        return True
