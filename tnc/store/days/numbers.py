"""The numbers of rows, handed out by the writer of a day."""

from threading import Lock
from typing import Final

_RESERVE: Final = 16_384  # numbers reserved at a time; each start skips up to so many


class SequenceNumbers:
    """The sequence numbers of one table of one day, each handed out once. Thread-safe.

    They are reserved on disk before they are used: after a crash none of them is handed out again, so no key is used
    twice. (The random nonce is the second guard.)
    """

    def __init__(self) -> None:
        self._next = 0
        self._reserved = 0
        self._lock = Lock()

    def start_at(self, number: int) -> None:
        """Numbers below this one are used. Called whenever the file is opened."""
        with self._lock:
            self._next = max(self._next, number)
            self._reserved = number

    def next_number(self) -> int:
        with self._lock:
            number = self._next
            self._next = number + 1
        return number

    def to_reserve(self) -> int | None:
        """The reservation that the next commit has to store; None while the current one is enough."""
        if self._next < self._reserved - _RESERVE // 2:
            return None
        return self._next + _RESERVE

    def reserved(self, number: int) -> None:
        self._reserved = number
