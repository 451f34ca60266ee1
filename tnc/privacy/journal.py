"""The journal of erasures and restrictions: what is to be done is on disk before the first step.

So a crash cannot lose it. There is one intent at a time, in a slot file of the keyring. It lists rows by number and the
bytes to search for at the end. When it is done, its file is overwritten.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from msgspec import Struct

from tnc.core.errors import FailedError, PartlyDoneError
from tnc.core.models import WorkspaceId
from tnc.store.keys.keyring import Token
from tnc.store.keys.sealed_file import SlotFile

Kind = Literal["erase", "restrict", "unrestrict"]
VaultName = Literal["days", "restricted"]


class DayPart(Struct, kw_only=True):
    """The rows of one day that an intent is about."""

    vault: VaultName
    date: str
    clicks: list[int]  # numbers of clicks
    calls: list[int]  # numbers of postbacks that arrived on this day, for clicks of any day
    leaves: list[int] = []  # numbers in the key tree of events, to be punctured
    marks: list[bytes] = []  # bytes of the rows to search for in the file afterwards
    tokens: dict[Token, list[int]] = {}  # blind tokens, to search for those that no other click has
    done: bool = False  # the rows are deleted and their keys punctured
    epoch_before: int | None = None  # of the day's keys; None when the day was already deleted
    epoch_after: int | None = None

    def key_file(self, workspace: WorkspaceId) -> str:
        """The name of the day's key file in the folder `ring`."""
        return f"{'restricted/' if self.vault == 'restricted' else ''}{workspace}/{self.date}"


class Intent(Struct, kw_only=True):
    """An erasure, restriction or its end, from its first to its last step."""

    kind: Kind
    receipt_id: str
    subject: str  # keyed hash
    cut: bool  # clicks with a truncated IP address are included
    requested_at_ms: int
    tombstones: list[bytes]
    values: list[bytes]  # personal data that no file may contain afterwards
    before: dict[str, int]  # number of rows by store
    sent: dict[str, int]  # number of deliveries that were sent, by destination
    days: list[DayPart]
    request_id: str | None = None  # the request that this fulfils
    ids: list[str] = []  # of the clicks, for postbacks that arrive meanwhile
    words: list[str] = []  # `identifying_texts` of the clicks, for the same


class Journal:
    """The intent of a workspace, if there is one. `file` is in the keyring, beside the keys that it is about."""

    def __init__(self, file: SlotFile) -> None:
        self._file = file

    def read(self) -> Intent | None:
        return msgspec.msgpack.decode(self._file.read(), type=Intent) if self._file.exists() else None

    def write(self, intent: Intent) -> None:
        """The intent is durable when this returns."""
        self._file.write(msgspec.msgpack.encode(intent))

    @contextmanager
    def reporting_disk_errors(self) -> Iterator[None]:
        """Turn disk errors into PartlyDoneError if the intent is on disk and will be completed, else FailedError."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            if self._file.exists():
                raise PartlyDoneError(
                    f"the disk refused to write ({why}). The request is recorded and will be completed as soon as the "
                    "disk can be written again; free some space or repair the disk."
                ) from error
            raise FailedError(
                f"the disk refused to write ({why}). Nothing was changed; free some space, then try again."
            ) from error

    def clear(self) -> None:
        self._file.destroy()
