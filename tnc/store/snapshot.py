"""A sealed copy of the configuration that was applied last, beside the control database.

A start whose control database is damaged or lost redirects by it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zstandard

from tnc.core import crypto
from tnc.core.models import WorkspaceId


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`opt_outs`: the keyed hashes of those who object, by kind, so that their visits leave no trace either."""

    version: int
    document: bytes
    opt_outs: dict[str, list[bytes]]


class SnapshotFile:
    def __init__(self, path: Path, control_key: bytes, workspace: WorkspaceId) -> None:
        self._path = path
        self._key = control_key
        self._place = f"tnc configuration snapshot 1|{workspace}".encode()

    def read(self) -> Snapshot | None:
        """None when there is none that opens."""
        try:
            packed = crypto.unseal(self._key, self._path.read_bytes(), self._place)
            text = zstandard.decompress(packed, max_output_size=1 << 28)
            return msgspec.msgpack.decode(text, type=Snapshot)
        except (OSError, crypto.CannotOpenError, zstandard.ZstdError, msgspec.MsgspecError):
            return None

    def write(self, version: int, document: bytes, opt_outs: Mapping[str, set[bytes]]) -> None:
        """Durable when this returns. Raises OSError."""
        listed = {kind: sorted(hashes) for kind, hashes in opt_outs.items()}
        text = msgspec.msgpack.encode(Snapshot(version=version, document=document, opt_outs=listed))
        new = self._path.with_name(f"{self._path.name}.new")
        with new.open("wb") as file:
            file.write(crypto.seal(self._key, zstandard.compress(text), self._place))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
