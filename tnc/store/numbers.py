"""The numbers of a day's rows: each handed out once, whatever happens in between."""

from threading import Lock
from typing import Final

_RESERVE: Final = 16_384  # numbers reserved at a time: so many are passed over at each start


class Numbers:
    """Hands out the numbers of one table of one day, each once; safe for several threads.

    They are reserved ahead of the rows that use them: whatever a crash took with it, the next start hands out
    none of them again. (The chance in the nonce is the second guard.)
    """

    def __init__(self) -> None:
        self._next = 0
        self._reserved = 0
        self._lock = Lock()

    def start_at(self, number: int) -> None:
        """What is on disk: numbers below are used. Called whenever the file is opened."""
        with self._lock:
            self._next = max(self._next, number)
            self._reserved = number

    def take(self) -> int:
        with self._lock:
            number = self._next
            self._next = number + 1
        return number

    def to_reserve(self) -> int | None:
        """The reservation that the next commit has to write down; None while the present one reaches."""
        if self._next < self._reserved - _RESERVE // 2:
            return None
        return self._next + _RESERVE

    def reserved(self, number: int) -> None:
        self._reserved = number
