"""Records: a click or an event to the bytes that are stored, and back.

A record is the JSON of the non-empty fields, compressed with a dictionary (text that all clicks share, and the ids of
the workspace), sealed with the one-time key of its sequence number. Its place (format, workspace, day, table, number)
is authenticated, so a record that is moved to another row, day or workspace does not open.
"""

from collections.abc import Iterable
from datetime import date as Date
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from tnc.core import crypto
from tnc.core.clock import RandomBytes
from tnc.core.errors import FailedError, InvalidError
from tnc.core.models import Click, Event, WorkspaceId
from tnc.store.keys.puncturable import PuncturableKey, PuncturedError

_T = TypeVar("_T", bound=Struct)

FORMAT: Final = 1
_SHARED_DICTIONARY: Final = Path(__file__).with_name("records.dictionary").read_bytes()
_MAX_BYTES: Final = 1 << 20
_TYPICAL_BYTES: Final = 1_000
_MAX_DICTIONARY_BYTES: Final = 4_096
# Without zstd's four magic bytes, which every click would store.
_MAGICLESS: Final = zstandard.FORMAT_ZSTD1_MAGICLESS


@lru_cache(maxsize=8)
def _zstd_dictionary(of_day: bytes) -> zstandard.ZstdCompressionDict:
    """The shared dictionary, then that of the day: references to the end of a dictionary are the shortest."""
    return zstandard.ZstdCompressionDict(_SHARED_DICTIONARY + of_day)


def dictionary_of(ids: Iterable[str]) -> bytes:
    """A dictionary for the records of a day: ids of the workspace, up to 4 kB."""
    return " ".join(ids).encode()[:_MAX_DICTIONARY_BYTES]


class Sealer:
    """Seals and opens the rows of one table of one day. Not thread-safe.

    `dictionary` is `DayKeys.dictionary` of that day: records refer to it where they repeat an id of the workspace.
    """

    def __init__(
        self, tree: PuncturableKey, *, workspace: WorkspaceId, date: Date, table: str, dictionary: bytes = b""
    ) -> None:
        self._tree = tree
        self._random = RandomBytes()
        self._place = f"tnc record {FORMAT}|{workspace}|{date}|{table}|".encode()
        self._where = f"{table} of {date} in workspace {workspace!r}"
        self._encoder = msgspec.json.Encoder()
        zstd_dictionary = _zstd_dictionary(dictionary)
        settings = zstandard.ZstdCompressionParameters.from_level(
            3, source_size=_TYPICAL_BYTES, dict_size=len(zstd_dictionary), format=_MAGICLESS, write_dict_id=False
        )
        self._compressor = zstandard.ZstdCompressor(dict_data=zstd_dictionary, compression_params=settings)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=zstd_dictionary, format=_MAGICLESS)

    def seal(self, seq: int, record: Struct) -> bytes:
        """Raises InvalidError for a record of more than 1 MB, which `open` would refuse."""
        text = self._encoder.encode(record)
        if len(text) > _MAX_BYTES:
            raise InvalidError(f"a record of {len(text)} bytes is too large to store; the maximum is {_MAX_BYTES}.")
        packed = self._compressor.compress(text)
        return crypto.seal(self._tree.leaf(seq), packed, self._place + b"%d" % seq, chance=self._random)

    def open(self, seq: int, sealed: bytes, kind: type[_T]) -> _T:
        """The record of a row. Raises PuncturedError when it was erased, FailedError when it was changed or moved."""
        return msgspec.json.decode(self._open(seq, sealed), type=kind)

    def opens(self, seq: int, sealed: bytes) -> bool:
        """Whether the record of a row can be decrypted."""
        try:
            self._open(seq, sealed)
        except (PuncturedError, FailedError):
            return False
        return True

    def _open(self, seq: int, sealed: bytes) -> bytes:
        key = self._tree.leaf(seq)
        try:
            packed = crypto.unseal(key, sealed, self._place + b"%d" % seq)
        except crypto.CannotOpenError as error:
            raise FailedError(f"row {seq} of {self._where} does not open: it was damaged or moved.") from error
        return self._decompressor.decompress(packed, max_output_size=_MAX_BYTES)

    def open_click(self, seq: int, sealed: bytes) -> Click:
        return self.open(seq, sealed, Click)

    def open_event(self, seq: int, sealed: bytes) -> Event:
        event: Event = msgspec.json.decode(self._open(seq, sealed), type=Event)
        return event
