"""Random bytes of the operating system, fetched in larger pieces: a system call for each would cost a click more
than its encryption.
"""

import os
from threading import Lock
from typing import Final

_PIECE_BYTES: Final = 8192


class Chance:
    """Gives each byte once. Safe for several threads; not to be carried over a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._piece = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """`count` bytes, at most 8192."""
        with self._lock:
            start = self._used
            if start + count > len(self._piece):
                self._piece, start = os.urandom(_PIECE_BYTES), 0
            self._used = start + count
            return self._piece[start : start + count]
