"""One SQLite file per workspace and UTC day: its clicks, their events, deliveries and postbacks.

Unencrypted in a row are its sequence number, blind tokens that only the day's key can make, and for events the time and
the number of the click. Everything else is in the sealed record.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from datetime import date as Date
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar, get_args

from tnc.core.errors import FailedError, NotFoundError
from tnc.core.models import Click, ClickId, ConversionChange, Event, LanderClick, WorkspaceId
from tnc.store.days.deliveries import Deliveries, DeliveryWriter
from tnc.store.days.inbox import Inbox, InboxWriter
from tnc.store.days.numbers import SequenceNumbers
from tnc.store.days.opted_out import OptedOutVisits, read_opted_out
from tnc.store.days.rows import read_rows
from tnc.store.days.schema import is_empty, is_finished, open_to_read, open_to_write
from tnc.store.days.search import Search
from tnc.store.keys.keyring import DayKeys
from tnc.store.keys.puncturable import PuncturedError
from tnc.store.keys.records import Sealer

log = logging.getLogger(__name__)

_AMONG: Final = "in (select value from json_each(?))"


class Purge:
    """Deletes rows, within the writer's transaction except for `empty_wal`. `add` records a click and its events."""

    def __init__(
        self,
        database: sqlite3.Connection,
        clicks: Sealer,
        events: Sealer,
        search: Search,
        add: Callable[[Click, Iterable[Event]], None],
    ) -> None:
        self._database = database
        self._clicks = clicks
        self._events = events
        self._search = search
        self._add = add

    def histories(self, clicks: Sequence[int]) -> list[tuple[Click, list[Event]]]:
        """The clicks with their events; erased and damaged ones are left out."""
        found = []
        rows = self._database.execute(f"select seq, sealed from clicks where seq {_AMONG}", (json.dumps(clicks),))
        for seq, sealed in rows.fetchall():
            try:
                found.append((self._clicks.open_click(seq, sealed), self._events_of(seq)))
            except (PuncturedError, FailedError):
                continue
        return found

    def _events_of(self, click_seq: int) -> list[Event]:
        rows = self._database.execute("select seq, sealed from events where click_seq = ? order by seq", (click_seq,))
        return [self._events.open_event(seq, sealed) for seq, sealed in rows.fetchall()]

    def replace(
        self, clicks: Sequence[int], postbacks: Sequence[int], left: Iterable[tuple[Click, list[Event]]]
    ) -> None:
        """Delete these clicks and postbacks, and add the clicks that replace them."""
        listed = json.dumps(clicks)
        for table in self._search.tables():
            self._database.execute(f"delete from {table} where click_seq {_AMONG}", (listed,))
        self._database.execute(f"delete from clicks where seq {_AMONG}", (listed,))
        self._database.execute(f"delete from inbox where seq {_AMONG}", (json.dumps(postbacks),))
        for click, events in left:
            self._add(click, events)

    def empty_wal(self) -> bool:
        """Outside a transaction: copy the write-ahead log into the file and truncate it.

        False while a reader holds an older state of the file; deleted rows are still on disk then.
        """
        (patience_ms,) = self._database.execute("pragma busy_timeout").fetchone()
        self._database.execute("pragma busy_timeout = 0")  # clicks wait for this connection: the caller tries again
        try:
            busy, _, _ = self._database.execute("pragma wal_checkpoint(truncate)").fetchone()
        finally:
            self._database.execute(f"pragma busy_timeout = {patience_ms}")
        return not busy


_T = TypeVar("_T")

Table = Literal["clicks", "events", "deliveries", "inbox"]

FOREIGN_IDS: Final = "foreign ids"
"""The name of a counter that is not 0 when a day has imported clicks, whose ids may not contain their day."""

LANDER, CONVERSION, LABEL = 1, 2, 3
_KINDS: Final = dict.fromkeys(get_args(Event), LABEL) | {LanderClick: LANDER, ConversionChange: CONVERSION}
LATEST: Final = 1 << 62  # above every number

_CLICK_COLUMNS: Final = "seq, sealed, click, visitor, address, external, browser"
_ROWS_AT_ONCE: Final = 128


def utc_date(time_ms: int) -> Date:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()


def day_path(folder: Path, workspace: WorkspaceId, date: Date) -> Path:
    return folder / workspace / f"{date.isoformat()}.db"


def all_dates(folder: Path, workspace: WorkspaceId) -> list[Date]:
    """Days that have a file, oldest first."""
    return sorted(Date.fromisoformat(path.stem) for path in (folder / workspace).glob("????-??-??.db"))


class DayReader:
    """Reads one day beside the writer, over a connection that can neither write nor checkpoint."""

    def __init__(self, path: Path, keys: DayKeys) -> None:
        self.keys = keys
        self.damaged_rows = 0  # rows and pages that were passed over because they are damaged
        self._database = open_to_read(path)
        if is_empty(self._database):
            self._database.close()
            raise NotFoundError(f"there are no clicks of {keys.date} yet: its file is being created.")
        self._clicks, self._events = sealer_of(keys, "clicks"), sealer_of(keys, "events")
        self.deliveries = Deliveries(self._database, sealer_of(keys, "deliveries"))
        self.inbox = Inbox(self._database, sealer_of(keys, "inbox"))
        self.search = Search(self._database, keys, self._clicks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def latest(self) -> tuple[int, int]:
        """The highest numbers of clicks and events; -1 where there are none."""
        return _latest(self._database, "clicks"), _latest(self._database, "events")

    def count(self) -> int:
        return int(self._database.execute("select count(*) from clicks").fetchone()[0])

    def number(self, name: str) -> int:
        return _number(self._database, name)

    def opted_out(self) -> list[OptedOutVisits]:
        return read_opted_out(self._database, self.keys.date)

    def is_finished(self) -> bool:
        """Whether every step of `schema.FINISHING` is done."""
        return is_finished(self._database)

    def find(self, click_id: ClickId) -> tuple[int, Click] | None:
        return _find(self._database, self._clicks, self.keys, click_id)

    def events_of(self, click_seq: int, *, up_to: int = LATEST, kind: int | None = None) -> list[Event]:
        return _events_of(self._database, self._events, click_seq, up_to, kind=kind)

    def _pages(
        self, table: Table, columns: str, bound: int, *, newest_first: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Rows in portions: a long search holds no old state of the file, for which an erasure would have to wait.

        Rows on a damaged page are left out; `damaged_rows` counts such pages.
        """
        numbers = "clicks" if table == "clicks" else "events"  # events, deliveries and calls share their numbers

        def count() -> None:
            self.damaged_rows += 1

        return read_rows(
            self._database,
            f"select {columns} from {table}",
            bound,
            end=lambda: _number(self._database, f"{numbers} reserved"),
            newest_first=newest_first,
            damaged=count,
        )

    def _opened(self, opening: Callable[[int, bytes], _T], seq: int, sealed: bytes) -> _T | None:
        """None for a row that was erased, and for a damaged one, which is counted."""
        try:
            return opening(seq, sealed)
        except PuncturedError:
            return None
        except FailedError as error:
            if not self.damaged_rows:
                log.warning("a damaged record is passed over", extra={"reason": str(error)})
            self.damaged_rows += 1
            return None

    def clicks(self, after_seq: int = -1) -> Iterator[tuple[int, Click]]:
        """(number, click) in the order they were recorded; erased and damaged rows are passed over."""
        for seq, sealed in self._pages("clicks", "seq, sealed", after_seq):
            click = self._opened(self._clicks.open_click, seq, sealed)
            if click is not None:
                yield seq, click

    def newest_clicks(self, before_seq: int | None = None) -> Iterator[tuple[int, Click]]:
        """(number, click), newest first."""
        bound = (1 << 62) if before_seq is None else before_seq
        for seq, sealed in self._pages("clicks", "seq, sealed", bound, newest_first=True):
            click = self._opened(self._clicks.open_click, seq, sealed)
            if click is not None:
                yield seq, click

    def events(self, after_seq: int = -1) -> Iterator[tuple[int, int, Event]]:
        """(number, number of the click, event) in the order they were recorded."""
        for seq, click_seq, sealed in self._pages("events", "seq, click_seq, sealed", after_seq):
            event = self._opened(self._events.open_event, seq, sealed)
            if event is not None:
                yield seq, click_seq, event

    def labels(self) -> Iterator[tuple[int, Event]]:
        """(number of the click, change of its label or filter) in the order they were recorded."""
        rows = self._database.execute("select seq, click_seq, sealed from events where kind = 3 order by seq")
        for seq, click_seq, sealed in rows:
            event = self._opened(self._events.open_event, seq, sealed)
            if event is not None:
                yield click_seq, event

    def click(self, seq: int) -> Click | None:
        return _click(self._database, self._clicks, seq)

    def conversions_since(self, since_ms: int) -> Iterator[tuple[int, int]]:
        """(number of the click, time) of each conversion change at or after a time."""
        rows = self._database.execute("select click_seq, at_ms from events where kind = 2 and at_ms >= ?", (since_ms,))
        yield from rows

    def latest_of_visitor(self, visitor: str, *, since_ms: int) -> tuple[int, Click] | None:
        """The newest click of a pseudonym at or after a time."""
        token = self.keys.token("visitor", visitor)
        rows = self._database.execute("select seq, sealed from clicks where visitor = ? order by seq desc", (token,))
        for seq, sealed in rows:
            click = self._opened(self._clicks.open_click, seq, sealed)
            if click is not None and click.visit.visitor == visitor:
                return (seq, click) if click.clicked_at_ms >= since_ms else None
        return None


ClickRow = tuple[int, bytes, int, int | None, int | None, int | None, int | None]


class ClickSealer:
    """Makes the rows of a day's clicks. It needs its own copy of the keys, whose trees are not thread-safe."""

    def __init__(self, keys: DayKeys, numbers: SequenceNumbers) -> None:
        self.day = (keys.workspace, keys.date)
        self._keys = keys
        self._numbers = numbers
        self._sealer = sealer_of(keys, "clicks")

    def row(self, click: Click) -> ClickRow:
        seq = self._numbers.next_number()
        return (seq, self._sealer.seal(seq, click), *tokens_of(click, self._keys))


def tokens_of(click: Click, keys: DayKeys) -> tuple[int, int | None, int | None, int | None, int | None]:
    """The blind tokens of a click's row, in the order of its columns."""
    token, visit = keys.token, click.visit
    return (
        token("click", click.click_id),
        None if visit.visitor is None else token("visitor", visit.visitor),
        None if visit.ip is None else token("address", visit.ip),
        None if visit.external_id is None else token("external", visit.external_id),
        None if visit.browser_id is None else token("browser", visit.browser_id),
    )


class DayWriter:
    """The only connection that commits to a day's file and checkpoints it (because of SQLite's WAL-reset bug)."""

    def __init__(self, path: Path, keys: DayKeys, clicks: SequenceNumbers | None = None, *, first_seq: int = 0) -> None:
        """`first_seq`: no row gets a lower number; for a file in the place of one that was lost."""
        self.keys = keys
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = open_to_write(path, cached_statements=_ROWS_AT_ONCE + 64)
        self._clicks, self._events = sealer_of(keys, "clicks"), sealer_of(keys, "events")
        self.deliveries = DeliveryWriter(self._database, sealer_of(keys, "deliveries"), self._event_number)
        self.inbox = InboxWriter(self._database, sealer_of(keys, "inbox"), self._event_number)
        self.search = Search(self._database, keys, self._clicks)
        self.purge = Purge(self._database, self._clicks, self._events, self.search, self.add_with_events)
        self._identity = _identity(path)
        self._numbers = {"clicks": clicks or SequenceNumbers(), "events": SequenceNumbers()}
        self._sealer = ClickSealer(keys, self._numbers["clicks"])
        self._start_numbers(first_seq)

    def _start_numbers(self, first_seq: int) -> None:
        """Reserve in a transaction of its own: a crash may undo the transaction that uses the first number."""
        self.begin()
        for table, numbers in self._numbers.items():
            used = max(first_seq, _number(self._database, f"{table} reserved"), _latest(self._database, table) + 1)
            numbers.start_at(used)
            self._reserve(table)
        self.commit()

    def _reserve_again(self) -> None:
        """A reservation that was made in an undone transaction is not on disk."""
        for numbers in self._numbers.values():
            numbers.reserved(0)

    def has_file(self) -> bool:
        """Whether the open file is still the one under its path: it may have been deleted or replaced."""
        return _identity(self.path) == self._identity

    def copy(self) -> Path:
        """All rows in a new file beside the path, durable; also when the open file was deleted."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(new, isolation_level=None)) as copy:
            copy.execute("pragma synchronous = full")
            self._database.backup(copy)
        return new

    def begin(self) -> None:
        self._database.execute("begin immediate")

    def commit(self) -> None:
        self._database.execute("commit")

    def rollback(self) -> None:
        """Does nothing more when an error has already rolled back."""
        if self._database.in_transaction:
            self._database.execute("rollback")
        self._reserve_again()

    def close(self) -> None:
        self._database.close()

    def in_savepoint(self, work: Callable[["DayWriter"], _T]) -> _T:
        """Do `work` within the open transaction; when it raises, only its own changes are undone."""
        self._database.execute("savepoint work")
        try:
            result = work(self)
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("rollback to work")
                self._reserve_again()
            raise
        finally:
            if self._database.in_transaction:
                self._database.execute("release work")
        return result

    def _reserve(self, table: str) -> None:
        """Within a transaction: store the next reservation when it is due."""
        wanted = self._numbers[table].to_reserve()
        if wanted is not None:
            self.set_number(f"{table} reserved", wanted)
            self._numbers[table].reserved(wanted)

    def set_number(self, name: str, value: int) -> None:
        self._database.execute(
            "insert into numbers values (?, ?) on conflict (name) do update set value = excluded.value", (name, value)
        )

    def count(self, name: str, more: int) -> None:
        """Add to a counter."""
        self._database.execute(
            "insert into numbers values (?, ?) on conflict (name) do update set value = value + excluded.value",
            (name, more),
        )

    def seal(self, click: Click) -> ClickRow:
        return self._sealer.row(click)

    def add_click(self, click: Click) -> int:
        if click.imported:
            self.set_number(FOREIGN_IDS, 1)
        row = self.seal(click)
        self.add_rows([row])
        return row[0]

    def add_with_events(self, click: Click, events: Iterable[Event]) -> None:
        """Record a click and its events."""
        seq = self.add_click(click)
        for event in events:
            self.add_event(seq, event)

    def add_rows(self, rows: Sequence[ClickRow]) -> None:
        """Within a transaction."""
        self._reserve("clicks")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            self._insert(rows[start : start + _ROWS_AT_ONCE])

    def commit_rows(self, rows: Sequence[ClickRow]) -> None:
        """Record clicks in a transaction of their own.

        Where one statement is enough, SQLite commits it by itself, and Python releases its lock once instead of once
        for each row, which matters most on a busy server.
        """
        if not rows:
            return
        if len(rows) <= _ROWS_AT_ONCE and self._numbers["clicks"].to_reserve() is None:
            self._insert(rows)
            return
        self.begin()
        self.add_rows(rows)
        self.commit()

    def _insert(self, rows: Sequence[ClickRow]) -> None:
        """An equal row is accepted: a commit that was reported as failed can have succeeded. Another is refused."""
        values = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
        # A different row violates `sealed blob not null`.
        refusing = "on conflict (seq) do update set sealed = null where sealed <> excluded.sealed"
        self._database.execute(
            f"insert into clicks ({_CLICK_COLUMNS}) values {values} {refusing}", tuple(chain.from_iterable(rows))
        )

    def _event_number(self) -> int:
        """Within a transaction: the number of the next row that the events' tree seals, in any table."""
        self._reserve("events")
        return self._numbers["events"].next_number()

    def add_event(self, click_seq: int, event: Event) -> int:
        seq = self._event_number()
        kind = _KINDS[type(event)]
        self._database.execute(
            "insert into events values (?, ?, ?, ?, ?)",
            (seq, click_seq, kind, event.at_ms, self._events.seal(seq, event)),
        )
        return seq

    def click(self, seq: int) -> Click | None:
        return _click(self._database, self._clicks, seq)

    def find(self, click_id: ClickId) -> tuple[int, Click] | None:
        return _find(self._database, self._clicks, self.keys, click_id)

    def events_of(self, click_seq: int, *, up_to: int = LATEST) -> list[Event]:
        """In the order they were recorded; `up_to` is the number of the last one."""
        return _events_of(self._database, self._events, click_seq, up_to)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file under a path; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def sealer_of(keys: DayKeys, table: Table) -> Sealer:
    """The sealer of a table. Clicks have a tree of their own; events, deliveries and postbacks share the other one."""
    tree = keys.clicks if table == "clicks" else keys.events
    return Sealer(tree, workspace=keys.workspace, date=keys.date, table=table, dictionary=keys.dictionary)


def _latest(database: sqlite3.Connection, table: str) -> int:
    return int(database.execute(f"select coalesce(max(seq), -1) from {table}").fetchone()[0])


def _number(database: sqlite3.Connection, name: str) -> int:
    row = database.execute("select value from numbers where name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def _click(database: sqlite3.Connection, sealer: Sealer, seq: int) -> Click | None:
    row = database.execute("select sealed from clicks where seq = ?", (seq,)).fetchone()
    try:
        return None if row is None else sealer.open_click(seq, row[0])
    except (PuncturedError, FailedError):  # erased, or damaged
        return None


def _find(database: sqlite3.Connection, sealer: Sealer, keys: DayKeys, click_id: ClickId) -> tuple[int, Click] | None:
    rows = database.execute("select seq, sealed from clicks where click = ?", (keys.token("click", click_id),))
    with closing(rows):
        for seq, sealed in rows:
            try:
                click = sealer.open_click(seq, sealed)
            except (PuncturedError, FailedError):
                continue
            if click.click_id == click_id:
                return seq, click
    return None


def _events_of(
    database: sqlite3.Connection, sealer: Sealer, click_seq: int, up_to: int = LATEST, *, kind: int | None = None
) -> list[Event]:
    rows = database.execute(
        "select seq, sealed from events where click_seq = ?1 and seq <= ?2 and kind = ifnull(?3, kind) order by seq",
        (click_seq, up_to, kind),
    )
    found = []
    for seq, sealed in rows.fetchall():
        with suppress(FailedError):  # a damaged one; the others still say what became of the click
            found.append(sealer.open_event(seq, sealed))
    return found
