"""The deliveries of a day: reports of its conversions to destinations, and their state.

A delivery is stored in the same transaction as the conversion that it reports, kept as long and erased with it.
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
  event_seq     integer not null,     -- the conversion change that is reported
  first_seq     integer not null,     -- number of the first delivery about the same conversion to the same destination
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
    """The sealed part. `request` and `answer` are the beginning of a request that carried this delivery alone, and of
    its response, without secrets.
    """

    conversion_id: ConversionId
    number: int = 0  # of the change of the conversion at this destination; 0 is the first
    reason: str | None = None  # for its state: codes of the platform and texts of ours
    status: int | None = None  # HTTP status of the last response
    request: str | None = None
    answer: str | None = None
    receipt: str | None = None  # identifies an accepted request whose result is asked for later
    size: int = 1  # deliveries in that request
    asked: int = 0  # times that the result was asked for
    room: int | None = None  # the next request carries at most so many: one of the last request was refused
    throttled: bool = False  # the receiver wants no request until the delivery is due again


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
        """Whether the receiver has it, or was sent it without a clear response."""
        unclear = self.attempts > 0 and self.state in ("queued", "sending", "dropped")
        return unclear or self.state in ("accepted", "done")

    @property
    def event_id(self) -> str:
        """The id that the receiver deduplicates by; the same in every attempt."""
        return event_id(self.record.conversion_id, self.record.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDelivery:
    """What the outbox keeps in memory of an open delivery."""

    seq: int
    destination: DestinationId
    next_at_ms: int


class Deliveries:
    """The deliveries of one day, to read."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def waiting(self, *, after: int, most: int) -> list[OpenDelivery]:
        """The first `most` open deliveries with a number above `after`."""
        rows = self._database.execute(
            f"select seq, destination, next_at_ms from deliveries where seq > ? and {_OPEN} order by seq limit ?",
            (after, most),
        )
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=at) for seq, destination, at in rows]

    def throttled_until(self, now_ms: int) -> dict[DestinationId, int]:
        """Destinations whose receiver asked us to wait, with the time until when (UTC ms)."""
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
        """The sealed part of a row; None when the row was erased."""
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
        """Deliveries of one destination, newest first; with `state` only those in it."""
        most = -1 if limit is None else limit
        yield from self._rows(
            "where destination = ? and state = ifnull(?, state) order by seq desc limit ?", destination, state, most
        )

    def answered(self, destination: DestinationId, *, limit: int) -> Iterator[DeliveryRow]:
        """Deliveries of one destination that were sent: first those that are sent again, then the last that ended."""
        yield from self._rows(
            "where destination = ? and attempts > 0 and state != 'sending'"
            " order by coalesce(done_at_ms, next_at_ms) desc limit ?",
            destination,
            limit,
        )

    def dead_since(self, time_ms: int) -> Counter[DestinationId]:
        """How many of each destination became dead since a time."""
        rows = self._database.execute(
            "select destination, count(*) from deliveries where state = 'dead' and done_at_ms >= ? group by 1",
            (time_ms,),
        )
        return Counter(dict(rows.fetchall()))

    def counts(self) -> Iterator[tuple[DestinationId, DeliveryState, int]]:
        """(destination, state, number of its deliveries in that state)."""
        rows = self._database.execute("select destination, state, count(*) from deliveries group by 1, 2")
        yield from rows

    def _rows(self, clause: str, *values: Any) -> Iterator[DeliveryRow]:
        """Without erased rows."""
        for *plain, sealed in self._database.execute(f"select {_COLUMNS} from deliveries {clause}", values).fetchall():
            try:
                record = self._sealer.open(plain[0], sealed, DeliveryRecord)
            except PuncturedError:
                continue
            yield DeliveryRow(**dict(zip(_PLAIN, plain, strict=True)), record=record)


_PLAIN: Final = [name for name in DeliveryRow.__dataclass_fields__ if name != "record"]


class DeliveryWriter(Deliveries):
    """The deliveries of one day, to change within a transaction of the writer."""

    def __init__(self, database: sqlite3.Connection, sealer: Sealer, number: Callable[[], int]) -> None:
        super().__init__(database, sealer)
        self._number = number

    def add(self, row: DeliveryRow) -> DeliveryRow:
        """Add a row with the next number, which is its `first_seq` too when that is -1."""
        seq = self._number()
        row = replace(row, seq=seq, first_seq=seq if row.first_seq < 0 else row.first_seq)
        values = [getattr(row, name) for name in _PLAIN]
        self._database.execute(
            f"insert into deliveries ({_COLUMNS}) values ({', '.join('?' * (len(values) + 1))})",
            (*values, self._sealer.seal(row.seq, row.record)),
        )
        return row

    def claim(self, seqs: Sequence[int]) -> list[int]:
        """Those of the deliveries that may be sent now, in the same order. Queued ones become `sending`.

        A later change of a conversion waits until the deliveries of earlier ones are done.
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
        """Queue again what was claimed and could not be sent at all."""
        rows = self._database.execute(
            "update deliveries set state = 'queued', next_at_ms = ?"
            " where seq in (select value from json_each(?)) and state = 'sending' returning seq, destination",
            (next_at_ms, json.dumps(seqs)),
        ).fetchall()
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=next_at_ms) for seq, destination in rows]

    def change(self, row: DeliveryRow) -> None:
        """Seal and store the new state of a row."""
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
        """Deliveries of later changes of the same conversion, which waited for this one."""
        rows = self._database.execute(
            "select seq, destination, next_at_ms from deliveries"
            " where click_seq = ? and first_seq = ? and seq > ? and state = 'queued'",
            (row.click_seq, row.first_seq, row.seq),
        )
        return [OpenDelivery(seq=seq, destination=destination, next_at_ms=at) for seq, destination, at in rows]

    def requeue_interrupted(self) -> None:
        """Queue again what a previous process was sending when it ended."""
        self._database.execute("update deliveries set state = 'queued' where state = 'sending'")

    def cancel(self, click_seq: int, *, reason: str, now_ms: int) -> int:
        """Cancel the open deliveries of a click and delete what is stored of its requests; how many were open."""
        found = self.of_click(click_seq)
        for row in found:
            bare = DeliveryRecord(conversion_id=row.record.conversion_id, number=row.record.number)
            if row.state in OPEN_STATES:
                self.change(replace(row, state="cancelled", done_at_ms=now_ms, record=amended(bare, reason=reason)))
            else:
                self.change(replace(row, record=bare))
        return sum(row.state in OPEN_STATES for row in found)
