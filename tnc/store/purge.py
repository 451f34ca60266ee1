"""Taking clicks out of a day file: rows, tokens and every row that tells of them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tnc.errors import FailedError
from tnc.model import Click, Event
from tnc.store.sealing import Sealer
from tnc.store.search import Search
from tnc.store.tree import PuncturedError

_AMONG: Final = "in (select value from json_each(?))"


class Purge:
    """Within the writer's transaction, but for `settle`. `add` records a click and its events."""

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

    def stories(self, clicks: Sequence[int]) -> list[tuple[Click, list[Event]]]:
        """The clicks with their events, opened; those that were erased before, or are damaged, are passed over."""
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

    def replace(self, clicks: Sequence[int], calls: Sequence[int], left: Iterable[tuple[Click, list[Event]]]) -> None:
        """Take these clicks and calls out, and put in what is left of them."""
        listed = json.dumps(clicks)
        for table in self._search.tables():
            self._database.execute(f"delete from {table} where click_seq {_AMONG}", (listed,))
        self._database.execute(f"delete from clicks where seq {_AMONG}", (listed,))
        self._database.execute(f"delete from inbox where seq {_AMONG}", (json.dumps(calls),))
        for click, events in left:
            self._add(click, events)

    def settle(self) -> bool:
        """Outside a transaction: the write-ahead log is emptied into the file. False while somebody still reads
        an older state of it; then what was deleted is not gone yet.
        """
        (patience_ms,) = self._database.execute("pragma busy_timeout").fetchone()
        self._database.execute("pragma busy_timeout = 0")  # clicks wait for this connection: ask again rather
        try:
            busy, _, _ = self._database.execute("pragma wal_checkpoint(truncate)").fetchone()
        finally:
            self._database.execute(f"pragma busy_timeout = {patience_ms}")
        return not busy
