"""What was promised to be forgotten, written down before the first step, so that no crash can undo the promise.

One intent at a time, in a slot file of the keyring: it names rows by number and holds, until it is done, the
bytes to look for at the end. When it is done its file is overwritten.
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
    """What is to be done in one day. `leaves` are numbers in the events' tree."""

    vault: VaultName
    date: str
    clicks: list[int]
    calls: list[int]  # postbacks that arrived on this day, of clicks of any day
    leaves: list[int] = []
    marks: list[bytes] = []
    tokens: dict[Token, list[int]] = {}
    done: bool = False  # the rows are gone and their keys punctured
    epoch_before: int | None = None  # of the day's keys; None when the day had gone by then
    epoch_after: int | None = None

    def key_file(self, workspace: WorkspaceId) -> str:
        """That of the day's keys, by its name in the folder `ring`."""
        return f"{'restricted/' if self.vault == 'restricted' else ''}{workspace}/{self.date}"


class Intent(Struct, kw_only=True):
    kind: Kind
    receipt_id: str
    subject: str  # keyed hash
    cut: bool  # clicks with a cut address were meant too
    requested_at_ms: int
    tombstones: list[bytes]
    values: list[bytes]  # of the person, as no file may hold them
    before: dict[str, int]  # rows by store
    sent: dict[str, int]  # deliveries that had left the house, by destination
    days: list[DayPart]
    request_id: str | None = None  # of the register, that is done with it
    ids: list[str] = []  # of the clicks, by which postbacks name them
    words: list[str] = []  # by which postbacks that name no click here can be told to be about the person


class Journal:
    """The intent of a workspace, if there is one. `file` lies in the keyring, beside the keys it concerns."""

    def __init__(self, file: SlotFile) -> None:
        self._file = file

    def read(self) -> Intent | None:
        return msgspec.msgpack.decode(self._file.read(), type=Intent) if self._file.exists() else None

    def write(self, intent: Intent) -> None:
        """Durable when this returns."""
        self._file.write(msgspec.msgpack.encode(intent))

    @contextmanager
    def reporting_disk_errors(self) -> Iterator[None]:
        """What a disk that refuses leaves of the work is said in words: a promise that will be kept, or nothing."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            if self._file.exists():
                raise PartlyDoneError(
                    f"the disk refused ({why}). It is written down and completes by itself when the disk can be "
                    "written again; make room, or mend it."
                ) from error
            raise FailedError(f"the disk refused ({why}). Nothing was changed; make room, then try again.") from error

    def clear(self) -> None:
        self._file.destroy()
