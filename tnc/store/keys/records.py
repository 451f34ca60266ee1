"""Records: a click or an event as the bytes that go to disk, and back.

JSON of the non-empty fields, compressed with a dictionary (what all clicks say, and the owner's own words),
sealed under the one-time key of its sequence number. The place (workspace, day, table, number, format) is bound
in, so a record that is moved to another row, day or workspace does not open.
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
_LEARNT: Final = Path(__file__).with_name("records.dictionary").read_bytes()
_MOST_BYTES: Final = 1 << 20
_USUAL_BYTES: Final = 1_000
_MOST_WORDS: Final = 4_096
# Without zstd's four magic bytes: what the bytes are is known, and there is one frame for every click.
_MAGICLESS: Final = zstandard.FORMAT_ZSTD1_MAGICLESS


@lru_cache(maxsize=8)
def _dictionary(words: bytes) -> zstandard.ZstdCompressionDict:
    """What all clicks say, and after it, where it is cheapest to point to, what these say."""
    return zstandard.ZstdCompressionDict(_LEARNT + words)


def words_of(ids: Iterable[str]) -> bytes:
    """The owner's own words, as the records of a day may leave them out."""
    return " ".join(ids).encode()[:_MOST_WORDS]


class Sealer:
    """Seals and opens the rows of one table of one day. Not for two threads at once.

    `words` are those of the day's keys: they stand for the owner's ids, which so need not be in every record.
    """

    def __init__(
        self, tree: PuncturableKey, *, workspace: WorkspaceId, date: Date, table: str, words: bytes = b""
    ) -> None:
        self._tree = tree
        self._chance = RandomBytes()
        self._place = f"tnc record {FORMAT}|{workspace}|{date}|{table}|".encode()
        self._where = f"{table} of {date} in workspace {workspace!r}"
        self._encoder = msgspec.json.Encoder()
        dictionary = _dictionary(words)
        settings = zstandard.ZstdCompressionParameters.from_level(
            3, source_size=_USUAL_BYTES, dict_size=len(dictionary), format=_MAGICLESS, write_dict_id=False
        )
        self._compressor = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=settings)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, format=_MAGICLESS)

    def seal(self, seq: int, record: Struct) -> bytes:
        """Raises InvalidError for a record larger than 1 MB, which could not be opened again."""
        text = self._encoder.encode(record)
        if len(text) > _MOST_BYTES:
            raise InvalidError(f"a record of {len(text)} bytes is too large to keep; the most is {_MOST_BYTES}.")
        packed = self._compressor.compress(text)
        return crypto.seal(self._tree.leaf(seq), packed, self._place + b"%d" % seq, chance=self._chance)

    def open(self, seq: int, sealed: bytes, kind: type[_T]) -> _T:
        """The record of a row. Raises PuncturedError when it was erased, FailedError when it was tampered with."""
        return msgspec.json.decode(self._open(seq, sealed), type=kind)

    def opens(self, seq: int, sealed: bytes) -> bool:
        """Whether the record of a row can be read at all."""
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
        return self._decompressor.decompress(packed, max_output_size=_MOST_BYTES)

    def open_click(self, seq: int, sealed: bytes) -> Click:
        return self.open(seq, sealed, Click)

    def open_event(self, seq: int, sealed: bytes) -> Event:
        event: Event = msgspec.json.decode(self._open(seq, sealed), type=Event)
        return event
