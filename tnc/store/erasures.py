"""What must be remembered of what was forgotten: keyed hashes, receipts, and who wants no trace.

None of it names anybody. The hashes are made under a key of the workspace; those of addresses and ids could be
tried out by whoever has that key, so they are kept no longer than their term (`tnc.store.terms`).
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from tnc.core.errors import NotFoundError
from tnc.core.models import ClickId, WorkspaceId
from tnc.store.sqlite import transaction

FORGOTTEN_TABLES: Final[tuple[str, ...]] = (
    """
    create table tombstones (
      workspace     text not null,
      hash          blob not null,     -- of an erased click's id, under the workspace's key
      expires_at_ms integer not null,
      primary key (workspace, hash)
    ) strict, without rowid
    """,
    """
    create table receipts (
      receipt_id text primary key,
      workspace  text not null,
      made_at_ms integer not null,
      document   text not null         -- JSON; holds no identifier of a person
    ) strict, without rowid
    """,
    """
    create table escrows (             -- copies of the keyring that were made for another place
      made_at_ms integer primary key,
      digest     text not null         -- SHA-256 of the file
    ) strict
    """,
    """
    create table objections (
      workspace     text not null,
      hash          blob not null,     -- of a visitor's pseudonym or of an address, under the workspace's key
      kind          text not null,     -- visitor, address
      made_at_ms    integer not null,
      expires_at_ms integer not null,
      primary key (workspace, hash)
    ) strict, without rowid
    """,
)

ESCROW_EPOCHS_TABLE: Final = """
create table escrow_epochs (
  made_at_ms integer not null,         -- of the copy
  file       text not null,            -- by its name in the folder `ring`
  epoch      integer not null,         -- as it was copied
  primary key (made_at_ms, file)
) strict, without rowid
"""

SINCE: Final = (
    "tombstones",
    "receipts",
    "objections",
    "escrows",
    "escrow_epochs",
    "terms",
    "term_changes",
    "requests",
    "request_steps",
)
"""Tables that say what was promised: a restore takes them as they are now, not as they were."""


# A copy opens what was erased when it has the day's key from before that; of what was erased or copied by an older
# tnc, which wrote down no epochs, the time must say it.
_OPENED_BY_A_COPY: Final = """
select count(*) from receipts where workspace = :workspace and exists (
  select 1 from json_each(document, '$.keys') as part
  left join escrow_epochs as copy on copy.made_at_ms = :copied and copy.file
    = iif(part.value ->> 'vault' = 'restricted', 'restricted/', '') || :workspace || '/' || (part.value ->> 'date')
  where case
    when part.value ->> 'epoch_after' is null or not exists (select 1 from escrow_epochs where made_at_ms = :copied)
      then receipts.made_at_ms > :copied
    else copy.epoch < part.value ->> 'epoch_after'
  end
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """A copy of the keyring that was made for another place."""

    made_at_ms: int
    digest: str
    epochs: Mapping[str, int]  # of its files by name; empty when an older tnc made it

    def opens(self, file: str, epoch_after: int | None) -> bool:
        """Whether it opens what an erasure took out of a day's key file."""
        return not self.epochs or (file in self.epochs and (epoch_after is None or self.epochs[file] < epoch_after))


def keyed_hash(key: bytes, kind: str, value: str) -> bytes:
    return blake2b(value.encode(), key=key, digest_size=16, person=kind.encode()).digest()


class Erasures:
    """Of one workspace. Safe for several threads, which share `lock`."""

    def __init__(
        self, database: sqlite3.Connection, lock: threading.Lock, workspace: WorkspaceId, tomb_key: bytes
    ) -> None:
        self._database = database
        self._lock = lock
        self._workspace = workspace
        self._key = tomb_key
        self._being_buried: frozenset[bytes] = frozenset()

    def hash(self, kind: str, value: str) -> bytes:
        return keyed_hash(self._key, kind, value)

    # -- erased clicks

    def add_tombstones(self, hashes: Iterable[bytes], *, expires_at_ms: int) -> None:
        """Erased clicks must not come back; their hashes are `hash("click", id)`."""
        self._being_buried = frozenset(hashes)
        with transaction(self._database, self._lock):
            self._database.executemany(
                "insert or replace into tombstones values (?, ?, ?)",
                [(self._workspace, each, expires_at_ms) for each in self._being_buried],
            )

    def was_just_erased(self, click_id: ClickId) -> bool:
        """In the last erasure of this process. For whoever writes to the days, and can wait for no lock."""
        return self.hash("click", click_id) in self._being_buried

    def is_erased(self, click_id: ClickId) -> bool:
        with self._lock:
            row = self._database.execute(
                "select 1 from tombstones where workspace = ? and hash = ?",
                (self._workspace, self.hash("click", click_id)),
            ).fetchone()
        return row is not None

    # -- receipts

    def keep_receipt(self, receipt: Mapping[str, Any], *, made_at_ms: int) -> None:
        with self._lock:
            self._database.execute(
                "insert or replace into receipts values (?, ?, ?, ?)",
                (receipt["receipt_id"], self._workspace, made_at_ms, json.dumps(receipt)),
            )

    def receipt(self, receipt_id: str) -> dict[str, Any]:
        """Raises NotFoundError."""
        with self._lock:
            row = self._database.execute(
                "select document from receipts where workspace = ? and receipt_id = ?", (self._workspace, receipt_id)
            ).fetchone()
        if row is None:
            raise NotFoundError(f"there is no receipt {receipt_id!r}, or its time is over.")
        found: dict[str, Any] = json.loads(row[0])
        return found

    # -- copies of the keyring

    def note_escrow(self, escrow: Escrow) -> None:
        made_at_ms = escrow.made_at_ms
        with transaction(self._database, self._lock):
            self._database.execute("insert or replace into escrows values (?, ?)", (made_at_ms, escrow.digest))
            self._database.executemany(
                "insert or replace into escrow_epochs values (?, ?, ?)",
                [(made_at_ms, file, epoch) for file, epoch in escrow.epochs.items()],
            )

    def latest_escrow(self) -> Escrow | None:
        """The newest copy; None when there is none."""
        with self._lock:
            row = self._database.execute("select * from escrows order by made_at_ms desc limit 1").fetchone()
            if row is None:
                return None
            found = self._database.execute("select file, epoch from escrow_epochs where made_at_ms = ?", row[:1])
            return Escrow(made_at_ms=row[0], digest=row[1], epochs=dict(found.fetchall()))

    def count_opened_by(self, escrow: Escrow) -> int:
        """How many erasures this copy undoes."""
        words = {"workspace": self._workspace, "copied": escrow.made_at_ms}
        with self._lock:
            return int(self._database.execute(_OPENED_BY_A_COPY, words).fetchone()[0])

    # -- objections

    def object(self, kind: str, values: Iterable[str], *, now_ms: int, expires_at_ms: int) -> None:
        with transaction(self._database, self._lock):
            self._database.executemany(
                "insert or replace into objections values (?, ?, ?, ?, ?)",
                [(self._workspace, self.hash(kind, each), kind, now_ms, expires_at_ms) for each in values],
            )

    def opt_outs(self, *, now_ms: int) -> dict[str, set[bytes]]:
        """Hashes by kind of those who want no trace now."""
        with self._lock:
            rows = self._database.execute(
                "select kind, hash from objections where workspace = ? and expires_at_ms > ?",
                (self._workspace, now_ms),
            ).fetchall()
        found: dict[str, set[bytes]] = {}
        for kind, value in rows:
            found.setdefault(kind, set()).add(value)
        return found

    def expired(self, *, now_ms: int, receipts_before_ms: int) -> dict[str, int]:
        """How many of each have reached their term."""
        with self._lock:
            return {
                name: int(self._database.execute(f"select count(*) {what}", (self._workspace, at)).fetchone()[0])
                for name, what, at in _terms(now_ms, receipts_before_ms)
            }

    def expire(self, *, now_ms: int, receipts_before_ms: int) -> None:
        """Drop what has reached its term."""
        with transaction(self._database, self._lock):
            for _, what, at in _terms(now_ms, receipts_before_ms):
                self._database.execute(f"delete {what}", (self._workspace, at))


def _terms(now_ms: int, receipts_before_ms: int) -> tuple[tuple[str, str, int], ...]:
    return (
        ("tombstones", "from tombstones where workspace = ? and expires_at_ms <= ?", now_ms),
        ("objections", "from objections where workspace = ? and expires_at_ms <= ?", now_ms),
        ("receipts", "from receipts where workspace = ? and made_at_ms < ?", receipts_before_ms),
    )
