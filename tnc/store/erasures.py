"""Tombstones of erased clicks, receipts of erasures, opt-outs, and copies of the keyring.

None of it contains an identifier of a person. Hashes are made with a key of the workspace; with that key, hashes of
addresses and ids could be found by trying all, so they are deleted at the end of their term (`tnc.store.terms`).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from tnc.core.errors import NotFoundError
from tnc.core.models import ClickId, WorkspaceId
from tnc.store.sqlite import Database, operation

ERASURE_TABLES: Final[tuple[str, ...]] = (
    """
    create table tombstones (
      workspace     text not null,
      hash          blob not null,     -- of the id of an erased click, with the key of the workspace
      expires_at_ms integer not null,
      primary key (workspace, hash)
    ) strict, without rowid
    """,
    """
    create table receipts (
      receipt_id text primary key,
      workspace  text not null,
      made_at_ms integer not null,
      document   text not null         -- JSON; contains no identifier of a person
    ) strict, without rowid
    """,
    """
    create table escrows (             -- copies of the keyring that were made to be kept elsewhere
      made_at_ms integer primary key,
      digest     text not null         -- SHA-256 of the file
    ) strict
    """,
    """
    create table objections (
      workspace     text not null,
      hash          blob not null,     -- of a visitor's pseudonym or an IP address, with the key of the workspace
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
  file       text not null,            -- path in the folder `ring`
  epoch      integer not null,         -- when it was copied
  primary key (made_at_ms, file)
) strict, without rowid
"""

KEPT_BY_RESTORE: Final = (
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
"""Tables with promises to people: a restore takes them as they are now, not from the backup."""


# A copy opens an erased record if its key file of the day is older than the erasure. An older tnc stored no epochs;
# then the times decide.
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


_NEWEST_COPY: Final = """
select copy.made_at_ms, copy.digest, part.file, part.epoch
from (select * from escrows order by made_at_ms desc limit 1) as copy
left join escrow_epochs as part on part.made_at_ms = copy.made_at_ms
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """A copy of the keyring that is kept elsewhere."""

    made_at_ms: int
    digest: str
    epochs: Mapping[str, int]  # of its files by path; empty when an older tnc made it

    def opens(self, file: str, epoch_after: int | None) -> bool:
        """Whether it still opens what an erasure punctured in a key file of a day."""
        return not self.epochs or (file in self.epochs and (epoch_after is None or self.epochs[file] < epoch_after))


def keyed_hash(key: bytes, kind: str, value: str) -> bytes:
    return blake2b(value.encode(), key=key, digest_size=16, person=kind.encode()).digest()


class Erasures:
    """Tombstones, receipts, objections and copies of the keyring of one workspace."""

    def __init__(self, database: Database, workspace: WorkspaceId, tomb_key: bytes) -> None:
        self.database = database
        self._workspace = workspace
        self._key = tomb_key
        self._last_erased: frozenset[bytes] = frozenset()

    def hash(self, kind: str, value: str) -> bytes:
        return keyed_hash(self._key, kind, value)

    # -- erased clicks

    @operation
    async def add_tombstones(self, hashes: Collection[bytes], *, expires_at_ms: int) -> None:
        """Store tombstones, `hash("click", id)` of erased clicks: these are not imported or restored again."""
        self._last_erased = frozenset(hashes)
        async with self.database.transaction() as writer:
            await writer.executemany(
                "insert or replace into tombstones values (?, ?, ?)",
                ((self._workspace, each, expires_at_ms) for each in hashes),
            )

    def was_just_erased(self, click_id: ClickId) -> bool:
        """Whether the last erasure of this process included it. Does not wait, for the writer thread of the days."""
        return self.hash("click", click_id) in self._last_erased

    @operation
    async def find_erased(self, click_ids: Collection[ClickId]) -> set[ClickId]:
        """Those of up to 30,000 clicks that were erased here."""
        by_hash = {self.hash("click", click_id): click_id for click_id in click_ids}
        marks = ", ".join("?" * len(by_hash))
        rows = await self.database.fetch_all(
            f"select hash from tombstones where workspace = ? and hash in ({marks})", (self._workspace, *by_hash)
        )
        return {by_hash[found] for (found,) in rows}

    # -- receipts

    @operation
    async def keep_receipt(self, receipt: Mapping[str, Any], *, made_at_ms: int) -> None:
        await self.database.write(
            "insert or replace into receipts values (?, ?, ?, ?)",
            (receipt["receipt_id"], self._workspace, made_at_ms, json.dumps(receipt)),
        )

    @operation
    async def receipt(self, receipt_id: str) -> dict[str, Any]:
        """Raises NotFoundError."""
        row = await self.database.fetch_one(
            "select document from receipts where workspace = ? and receipt_id = ?", (self._workspace, receipt_id)
        )
        if row is None:
            raise NotFoundError(f"there is no receipt {receipt_id!r}, or its term is over.")
        found: dict[str, Any] = json.loads(row[0])
        return found

    # -- copies of the keyring

    @operation
    async def note_escrow(self, escrow: Escrow) -> None:
        made_at_ms = escrow.made_at_ms
        async with self.database.transaction() as writer:
            await writer.execute("insert or replace into escrows values (?, ?)", (made_at_ms, escrow.digest))
            await writer.executemany(
                "insert or replace into escrow_epochs values (?, ?, ?)",
                [(made_at_ms, file, epoch) for file, epoch in escrow.epochs.items()],
            )

    @operation
    async def latest_escrow(self) -> Escrow | None:
        """The newest copy; None when there is none."""
        rows = await self.database.fetch_all(_NEWEST_COPY)
        if not rows:
            return None
        made_at_ms, digest, _, _ = rows[0]
        epochs = {file: epoch for *_, file, epoch in rows if file is not None}
        return Escrow(made_at_ms=made_at_ms, digest=digest, epochs=epochs)

    @operation
    async def count_opened_by(self, escrow: Escrow) -> int:
        """How many erasures this copy would undo."""
        (count,) = await self.database.fetch_one(
            _OPENED_BY_A_COPY, {"workspace": self._workspace, "copied": escrow.made_at_ms}
        )
        return int(count)

    # -- objections

    @operation
    async def object(self, kind: str, values: Collection[str], *, now_ms: int, expires_at_ms: int) -> None:
        async with self.database.transaction() as writer:
            await writer.executemany(
                "insert or replace into objections values (?, ?, ?, ?, ?)",
                ((self._workspace, self.hash(kind, each), kind, now_ms, expires_at_ms) for each in values),
            )

    @operation
    async def opt_outs(self, *, now_ms: int) -> dict[str, set[bytes]]:
        """Hashes, by kind, of the opt-outs that are in force."""
        rows = await self.database.fetch_all(
            "select kind, hash from objections where workspace = ? and expires_at_ms > ?", (self._workspace, now_ms)
        )
        found: dict[str, set[bytes]] = {}
        for kind, value in rows:
            found.setdefault(kind, set()).add(value)
        return found

    # -- terms

    @operation
    async def expired(self, *, now_ms: int, receipts_before_ms: int) -> dict[str, int]:
        """How many of each are past their term."""
        found = {}
        for name, what, at_ms in _terms(now_ms, receipts_before_ms):
            (found[name],) = await self.database.fetch_one(f"select count(*) {what}", (self._workspace, at_ms))
        return found

    @operation
    async def expire(self, *, now_ms: int, receipts_before_ms: int) -> None:
        """Delete what is past its term."""
        async with self.database.transaction() as writer:
            for _, what, at_ms in _terms(now_ms, receipts_before_ms):
                await writer.execute(f"delete {what}", (self._workspace, at_ms))


def _terms(now_ms: int, receipts_before_ms: int) -> tuple[tuple[str, str, int], ...]:
    return (
        ("tombstones", "from tombstones where workspace = ? and expires_at_ms <= ?", now_ms),
        ("objections", "from objections where workspace = ? and expires_at_ms <= ?", now_ms),
        ("receipts", "from receipts where workspace = ? and made_at_ms < ?", receipts_before_ms),
    )
