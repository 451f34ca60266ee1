"""The postback log of a day: every request to a postback endpoint, and its result.

A postback is stored in the day of its arrival, which may differ from that of its click. It is found by the blind token
of the click.
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
"""Results that someone may want to act on."""

STRAY: Final[frozenset[CallOutcome]] = frozenset({"unknown-click", "invalid"})
"""Results of postbacks without a known click, so that their blind token leads to no visitor."""

_WORD: Final = re.compile(r"[0-9a-z._%+:@-]+")


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part: the request and our response."""

    method: str
    path: str  # /postback, /click.php, ...; without a key that it may contain
    params: dict[str, str]  # as received; a key is replaced by ***
    origin: Origin = "postback"
    peer: str | None = None  # IP address of the caller, cut to its network
    network: NetworkId | None = None  # that it was attributed to
    conversion_id: ConversionId | None = None
    status: int = 200  # HTTP
    answer: str = ""
    note: str = ""  # what happened, and what has to change for it to match
    replays: int = 0


def click_ids_in(params: Mapping[str, str]) -> set[str]:
    """Everything in the parameters that looks like a click id: networks may send it under any name."""
    return {each for pair in params.items() for text in pair for each in ids_in(text)}


def texts_in(call: Call) -> set[str]:
    """Click ids and words in the parameters, in lower case, to be compared with texts that identify a visitor."""
    return click_ids_in(call.params) | {word for value in call.params.values() for word in _WORD.findall(value.lower())}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    seq: int
    at_ms: int
    outcome: CallOutcome
    click: int | None
    call: Call


class Inbox:
    """The postbacks of one day, to read."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def find(self, seq: int) -> InboxRow | None:
        return next(self._rows("where seq = ?", seq), None)

    def newest(self, *, outcomes: Collection[CallOutcome] | None = None, limit: int = -1) -> Iterator[InboxRow]:
        """Newest first; with `outcomes` only those."""
        if outcomes is None:
            yield from self._rows("order by seq desc limit ?", limit)
        else:
            wanted = json.dumps(sorted(outcomes))
            yield from self._rows(
                "where outcome in (select value from json_each(?)) order by seq desc limit ?", wanted, limit
            )

    def counts(self, since_ms: int = 0) -> dict[CallOutcome, int]:
        """The number of postbacks since a time by outcome."""
        return dict(
            self._database.execute(
                "select outcome, count(*) from inbox where at_ms >= ? group by outcome", (since_ms,)
            ).fetchall()
        )

    def _rows(self, clause: str, *values: Any) -> Iterator[InboxRow]:
        """Without erased rows."""
        for seq, at_ms, outcome, click, sealed in self._database.execute(
            f"select {_COLUMNS} from inbox {clause}", values
        ).fetchall():
            try:
                call = self._sealer.open(seq, sealed, Call)
            except PuncturedError:
                continue
            yield InboxRow(seq=seq, at_ms=at_ms, outcome=outcome, click=click, call=call)


class InboxWriter(Inbox):
    """The postbacks of one day, to change within a transaction of the writer."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer, number: Callable[[], int]) -> None:
        super().__init__(database, sealer)
        self._number = number

    def add(self, row: InboxRow) -> InboxRow:
        """Add a row with the next number."""
        row = replace(row, seq=self._number())
        self._database.execute(
            f"insert into inbox ({_COLUMNS}) values (?, ?, ?, ?, ?)",
            (row.seq, row.at_ms, row.outcome, row.click, self._sealer.seal(row.seq, row.call)),
        )
        return row

    def change(self, row: InboxRow) -> bool:
        """Store the result of a replay; False when the row was erased meanwhile."""
        if self._database.execute("select 1 from inbox where seq = ?", (row.seq,)).fetchone() is None:
            return False
        self._database.execute(
            "update inbox set outcome = ?, sealed = ? where seq = ?",
            (row.outcome, self._sealer.seal(row.seq, row.call), row.seq),
        )
        return True
