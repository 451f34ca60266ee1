"""Finds the rows of a visitor in a day file, by the blind tokens of that day."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tnc.core.errors import FailedError
from tnc.core.models import Click
from tnc.store.keys.keyring import DayKeys, Token
from tnc.store.keys.puncturable import PuncturedError
from tnc.store.keys.records import Sealer

_AMONG: Final = "in (select value from json_each(?))"
_MARK_BYTES: Final = 24  # the nonce and the first bytes of the ciphertext, which no other data starts with

VALUES: Final[Mapping[Token, str]] = {
    "visitor": "visitor",
    "address": "ip",
    "external": "external_id",
    "browser": "browser_id",
}
"""Columns of blind tokens besides `click`, and the field of a visit that each stands for."""


class Search:
    """Searches in one day."""

    def __init__(self, database: sqlite3.Connection, keys: DayKeys, clicks: Sealer) -> None:
        self._database = database
        self._keys = keys
        self._clicks = clicks

    def clicks(self, kind: Token, value: str) -> Iterator[tuple[int, Click]]:
        """(number, click) of every readable click with this value, oldest first."""
        for seq, sealed in self._rows(kind, value):
            try:
                click = self._clicks.open_click(seq, sealed)
            except (PuncturedError, FailedError):
                continue
            if (click.click_id if kind == "click" else getattr(click.visit, VALUES[kind])) == value:
                yield seq, click

    def clicks_among(self, kind: Token, values: Iterable[str]) -> Iterator[tuple[int, Click]]:
        """(number, click) of every readable click with one of these values, oldest first, in one query."""
        wanted = set(values)
        tokens = json.dumps([self._keys.token(kind, value) for value in wanted])
        rows = self._database.execute(f"select seq, sealed from clicks where {kind} {_AMONG} order by seq", (tokens,))
        for seq, sealed in rows.fetchall() if wanted else ():
            try:
                click = self._clicks.open_click(seq, sealed)
            except (PuncturedError, FailedError):
                continue
            if getattr(click.visit, VALUES[kind]) in wanted:
                yield seq, click

    def damaged(self, kind: Token, value: str) -> list[int]:
        """Numbers of damaged rows with the token of this value: nothing else shows whose they are."""
        return [seq for seq, sealed in self._rows(kind, value) if self._is_damaged(seq, sealed)]

    def _is_damaged(self, seq: int, sealed: bytes) -> bool:
        try:
            self._clicks.open_click(seq, sealed)
        except FailedError:
            return True
        except PuncturedError:
            return False
        return False

    def _rows(self, kind: Token, value: str) -> list[tuple[int, bytes]]:
        token = self._keys.token(kind, value)
        return self._database.execute(
            f"select seq, sealed from clicks where {kind} = ? order by seq", (token,)
        ).fetchall()

    def visitor_numbers(self) -> Iterator[tuple[int, int | None]]:
        """(number, number of its visitor) of every click. Visitors get numbers for this call only."""
        known: dict[int, int] = {}
        for seq, token in self._database.execute("select seq, visitor from clicks"):
            yield seq, None if token is None else known.setdefault(token, len(known))

    def postbacks(self, clicks: Iterable[str]) -> list[int]:
        """Numbers of the day's postbacks for one of these click ids."""
        tokens = [self._keys.token("click", each) for each in clicks]
        rows = self._database.execute(f"select seq from inbox where click {_AMONG}", (json.dumps(tokens),))
        return [seq for (seq,) in rows]

    def events(self, click_seq: int) -> list[int]:
        """Numbers of the events of a click, in the order they were recorded."""
        rows = self._database.execute("select seq from events where click_seq = ? order by seq", (click_seq,))
        return [seq for (seq,) in rows]

    def present(self, clicks: Sequence[int]) -> list[int]:
        """Those of the click numbers that have a row."""
        rows = self._database.execute(f"select seq from clicks where seq {_AMONG}", (json.dumps(clicks),))
        return [seq for (seq,) in rows]

    def leaves(self, clicks: Sequence[int], postbacks: Sequence[int]) -> list[int]:
        """Numbers in the events' tree of all rows about these clicks, and of these postbacks."""
        listed = json.dumps(clicks)
        numbers = [
            seq
            for table in self.tables()
            for (seq,) in self._database.execute(f"select seq from {table} where click_seq {_AMONG}", (listed,))
        ]
        return sorted({*numbers, *postbacks})

    def tables(self) -> list[str]:
        """Every table with a column `click_seq`, so that a new one is included by itself."""
        rows = self._database.execute(
            "select its.name from sqlite_master its, pragma_table_info(its.name) col"
            " where its.type = 'table' and col.name = 'click_seq' order by 1"
        )
        return [name for (name,) in rows.fetchall()]

    def counts(self, clicks: Sequence[int], postbacks: Sequence[int]) -> Counter[str]:
        """The number of rows of each kind for these clicks and postbacks."""
        listed = json.dumps(clicks)
        found: Counter[str] = Counter()
        for store, sql, numbers in (
            ("clicks", "select count(*) from clicks where seq", listed),
            ("lander clicks", "select count(*) from events where kind = 1 and click_seq", listed),
            ("conversions", "select count(*) from events where kind = 2 and click_seq", listed),
            ("deliveries", "select count(*) from deliveries where click_seq", listed),
            ("postbacks", "select count(*) from inbox where seq", json.dumps(postbacks)),
        ):
            found[store] = int(self._database.execute(f"{sql} {_AMONG}", (numbers,)).fetchone()[0])
        return found

    def count_without_keys(self) -> int:
        """How many rows have no key any more: they should have been deleted with it."""
        return sum(
            int(self._database.execute(f"select count(*) from {table} where seq between ? and ?", gap).fetchone()[0])
            for tree, tables in ((self._keys.clicks, ("clicks",)), (self._keys.events, (*self.tables(), "inbox")))
            for gap in tree.gaps()
            for table in tables
        )

    def marks(self, clicks: Sequence[int], postbacks: Sequence[int]) -> list[bytes]:
        """Bytes that identify these rows, and the rows about these clicks, anywhere in the file."""
        listed = json.dumps(clicks)
        sealed = [
            row[:_MARK_BYTES]
            for sql, numbers in (
                ("select sealed from clicks where seq", listed),
                ("select sealed from events where click_seq", listed),
                ("select sealed from deliveries where click_seq", listed),
                ("select sealed from inbox where seq", json.dumps(postbacks)),
            )
            for (row,) in self._database.execute(f"{sql} {_AMONG}", (numbers,))
        ]
        rows = self._database.execute(f"select click from clicks where seq {_AMONG}", (listed,))
        return [*sealed, *(token_bytes(token) for (token,) in rows)]

    def tokens(self, clicks: Sequence[int]) -> dict[Token, list[int]]:
        """The blind tokens of these clicks besides `click`; other clicks may have the same."""
        names = list(VALUES)
        rows = self._database.execute(
            f"select {', '.join(names)} from clicks where seq {_AMONG}", (json.dumps(clicks),)
        ).fetchall()
        return {name: sorted({row[at] for row in rows if row[at] is not None}) for at, name in enumerate(names)}

    def unused(self, tokens: Mapping[Token, Sequence[int]]) -> list[bytes]:
        """Those of the tokens that no click has any more, in the bytes that SQLite stores."""
        gone: list[bytes] = []
        for name, values in tokens.items():
            rows = self._database.execute(
                f"select distinct {name} from clicks where {name} {_AMONG}", (json.dumps(values),)
            )
            gone += [token_bytes(token) for token in set(values) - {token for (token,) in rows}]
        return gone


def token_bytes(token: int) -> bytes:
    """The bytes that SQLite stores: 48 bits with sign, big-endian."""
    return token.to_bytes(6, "big", signed=True)
