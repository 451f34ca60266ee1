"""The deliveries of a day: what is to be told of its conversions, to whom, and what became of it.

They lie beside the conversions they tell of: stored in the same transaction, kept as long, forgotten together.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace as amended

from tnc.core.conversions import event_id
from tnc.core.models import OPEN_STATES, ConversionId, DeliveryKind, DeliveryState, DestinationId
from tnc.store.keys.puncturable import PuncturedError
from tnc.store.keys.records import Sealer

DELIVERY_TABLES: Final[tuple[str, ...]] = (
    """
create table deliveries (
  seq           integer primary key,  -- number of the leaf that seals the row, counted together with events
  click_seq     integer not null,
  event_seq     integer not null,     -- the word about the conversion that is told
  first_seq     integer not null,     -- number of the first word about the same conversion to the same destination
  destination   text not null,
  kind          text not null,        -- convert, adjust, retract
  state         text not null,        -- queued, sending, accepted, done, dropped, dead, cancelled
  attempts      integer not null,
  created_at_ms integer not null,     -- all times in UTC
  next_at_ms    integer not null,
  expires_at_ms integer not null,
  done_at_ms    integer,
  sealed        blob not null
) strict
""",
    "create index deliveries_click on deliveries(click_seq)",
    "create index deliveries_open on deliveries(next_at_ms) where state in ('queued', 'sending', 'accepted')",
)

_COLUMNS: Final = (
    "seq, click_seq, event_seq, first_seq, destination, kind, state, attempts,"
    " created_at_ms, next_at_ms, expires_at_ms, done_at_ms, sealed"
)
_OPEN: Final = "state in ('queued', 'sending', 'accepted')"


class DeliveryRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part. `request` and `answer` are beginnings, without secrets, of a request for this one alone."""

    conversion_id: ConversionId
    number: int = 0  # of the word at this destination; 0 is the first
    reason: str | None = None  # why it is where it is: codes of the platform and words of ours
    status: int | None = None  # HTTP status of the last answer
    request: str | None = None
    answer: str | None = None
    receipt: str | None = None  # asks for what became of an accepted request,
    size: int = 1  # which carried so many deliveries
    asked: int = 0  # times that it was asked for
    room: int | None = None  # it goes with at most so many others: one of them is bad
    throttled: bool = False  # its receiver wants nothing of ours until it is due again


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    seq: int
    click_seq: int
    event_seq: int
    first_seq: int
    destination: DestinationId
    kind: DeliveryKind
    state: DeliveryState
    attempts: int
    created_at_ms: int
    next_at_ms: int
    expires_at_ms: int
    done_at_ms: int | None
    record: DeliveryRecord

    @property
    def may_have_arrived(self) -> bool:
        """Whether its receiver has it, or was given it without our having heard what became of it."""
        lost_sight_of = self.attempts > 0 and self.state in ("queued", "sending", "dropped")
        return lost_sight_of or self.state in ("accepted", "done")

    @property
    def event_id(self) -> str:
        """As the receiver knows it: the same in every attempt."""
        return event_id(self.record.conversion_id, self.record.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDelivery:
    """What an outbox remembers of an open delivery."""

    seq: int
    destination: DestinationId
    next_at_ms: int


class Deliveries:
    """The deliveries of one day, to read."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def waiting(self, *, after: int, most: int) -> list[OpenDelivery]:
        """So many of those that are open, by their numbers, from the one after that."""
        rows = self._database.execute(
            f"select seq, destination, next_at_ms from deliveries where seq > ? and {_OPEN} order by seq limit ?",
            (after, most),
        )
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=at) for seq, destination, at in rows]

    def throttled_until(self, now_ms: int) -> dict[DestinationId, int]:
        """Whose receivers asked for a wait that is not over yet, and until when."""
        rows = self._database.execute(
            "select seq, destination, next_at_ms, sealed from deliveries"
            " where state = 'queued' and attempts > 0 and next_at_ms > ? order by next_at_ms desc",
            (now_ms,),
        )
        until: dict[DestinationId, int] = {}
        for seq, destination, next_at_ms, sealed in rows:
            if destination not in until and self._is_throttled(seq, sealed):
                until[destination] = next_at_ms
        return until

    def _is_throttled(self, seq: int, sealed: bytes) -> bool:
        try:
            return self._sealer.open(seq, sealed, DeliveryRecord).throttled
        except PuncturedError:
            return False

    def find(self, seq: int) -> DeliveryRow | None:
        return next(self._rows("where seq = ?", seq), None)

    def seal(self, row: DeliveryRow) -> bytes | None:
        """The sealed part as it is to be stored; None: it was erased."""
        try:
            return self._sealer.seal(row.seq, row.record)
        except PuncturedError:
            return None

    def of_click(self, click_seq: int) -> list[DeliveryRow]:
        """Oldest first."""
        return list(self._rows("where click_seq = ? order by seq", click_seq))

    def newest(
        self, destination: DestinationId, *, limit: int | None = None, state: DeliveryState | None = None
    ) -> Iterator[DeliveryRow]:
        """Of one destination, newest first; those in one state only."""
        most = -1 if limit is None else limit
        yield from self._rows(
            "where destination = ? and state = ifnull(?, state) order by seq desc limit ?", destination, state, most
        )

    def answered(self, destination: DestinationId, *, limit: int) -> Iterator[DeliveryRow]:
        """Of one destination those that were sent: what is to go again first, then by the end that they came to."""
        yield from self._rows(
            "where destination = ? and attempts > 0 and state != 'sending'"
            " order by coalesce(done_at_ms, next_at_ms) desc limit ?",
            destination,
            limit,
        )

    def dead_since(self, time_ms: int) -> Counter[DestinationId]:
        """How many of each destination were refused or given up."""
        rows = self._database.execute(
            "select destination, count(*) from deliveries where state = 'dead' and done_at_ms >= ? group by 1",
            (time_ms,),
        )
        return Counter(dict(rows.fetchall()))

    def counts(self) -> Iterator[tuple[DestinationId, DeliveryState, int]]:
        """How many of each destination are in each state."""
        rows = self._database.execute("select destination, state, count(*) from deliveries group by 1, 2")
        yield from rows

    def _rows(self, clause: str, *values: Any) -> Iterator[DeliveryRow]:
        """Rows that were erased are passed over."""
        for *plain, sealed in self._database.execute(f"select {_COLUMNS} from deliveries {clause}", values).fetchall():
            try:
                record = self._sealer.open(plain[0], sealed, DeliveryRecord)
            except PuncturedError:
                continue
            yield DeliveryRow(**dict(zip(_PLAIN, plain, strict=True)), record=record)


_PLAIN: Final = [name for name in DeliveryRow.__dataclass_fields__ if name != "record"]


class DeliveryWriter(Deliveries):
    """The deliveries of one day, to change within the writer's transaction."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer, number: Callable[[], int]) -> None:
        super().__init__(database, sealer)
        self._number = number

    def add(self, row: DeliveryRow) -> DeliveryRow:
        """A new row; its number is made here, and is its `first_seq` too where that is -1."""
        seq = self._number()
        row = replace(row, seq=seq, first_seq=seq if row.first_seq < 0 else row.first_seq)
        values = [getattr(row, name) for name in _PLAIN]
        self._database.execute(
            f"insert into deliveries ({_COLUMNS}) values ({', '.join('?' * (len(values) + 1))})",
            (*values, self._sealer.seal(row.seq, row.record)),
        )
        return row

    def claim(self, seqs: Sequence[int]) -> list[int]:
        """Those of the numbers that may go now, in their order; an attempt begins at each that is not just asked about.

        A later word about a conversion waits until the earlier ones are through.
        """
        rows = self._database.execute(
            f"""
            select seq from deliveries own
            where seq in (select value from json_each(?))
              and state in ('queued', 'accepted')
              and not exists (
                select 1 from deliveries earlier
                where earlier.click_seq = own.click_seq
                  and earlier.first_seq = own.first_seq
                  and earlier.seq < own.seq
                  and earlier.{_OPEN}
              )
            """,
            (json.dumps(seqs),),
        ).fetchall()
        claimed = {seq for (seq,) in rows}
        self._database.execute(
            "update deliveries set state = 'sending', attempts = attempts + 1"
            " where seq in (select value from json_each(?)) and state = 'queued'",
            (json.dumps(sorted(claimed)),),
        )
        return [seq for seq in seqs if seq in claimed]

    def release(self, seqs: Sequence[int], *, next_at_ms: int) -> list[OpenDelivery]:
        """What was claimed and could not be carried at all is in line again."""
        rows = self._database.execute(
            "update deliveries set state = 'queued', next_at_ms = ?"
            " where seq in (select value from json_each(?)) and state = 'sending' returning seq, destination",
            (next_at_ms, json.dumps(seqs)),
        ).fetchall()
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=next_at_ms) for seq, destination in rows]

    def change(self, row: DeliveryRow) -> None:
        """Store what became of it, sealed here."""
        self.put(row, self._sealer.seal(row.seq, row.record))

    def put(self, row: DeliveryRow, sealed: bytes) -> None:
        self._database.execute(
            "update deliveries set state = ?, attempts = ?, next_at_ms = ?, expires_at_ms = ?, done_at_ms = ?,"
            " sealed = ? where seq = ?",
            (row.state, row.attempts, row.next_at_ms, row.expires_at_ms, row.done_at_ms, sealed, row.seq),
        )

    def state(self, seq: int) -> DeliveryState | None:
        """None: it was erased."""
        found = self._database.execute("select state from deliveries where seq = ?", (seq,)).fetchone()
        state: DeliveryState | None = None if found is None else found[0]
        return state

    def waiting_behind(self, row: DeliveryRow) -> list[OpenDelivery]:
        """Later words about the same conversion that waited for this one."""
        rows = self._database.execute(
            "select seq, destination, next_at_ms from deliveries"
            " where click_seq = ? and first_seq = ? and seq > ? and state = 'queued'",
            (row.click_seq, row.first_seq, row.seq),
        )
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=at) for seq, destination, at in rows]

    def requeue_interrupted(self) -> None:
        """What a process that is gone was sending is in line again."""
        self._database.execute("update deliveries set state = 'queued' where state = 'sending'")

    def cancel(self, click_seq: int, *, reason: str, now_ms: int) -> int:
        """Nothing more of this click goes out, and what was kept of its requests is gone; how many were open."""
        found = self.of_click(click_seq)
        for row in found:
            bare = DeliveryRecord(conversion_id=row.record.conversion_id, number=row.record.number)
            if row.state in OPEN_STATES:
                self.change(replace(row, state="cancelled", done_at_ms=now_ms, record=amended(bare, reason=reason)))
            else:
                self.change(replace(row, record=bare))
        return sum(row.state in OPEN_STATES for row in found)
