"""Time, random bytes and ids: what tests replace to be repeatable."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tnc.core.models import ClickId

MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 900_000  # of an hour: every time zone differs from UTC by whole quarters
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_BLOCK_BYTES: Final = 8192


class RandomBytes:
    """Random bytes from the system, read in blocks. Safe for several threads; not to be used after a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._block = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """`count` bytes, at most 8192; no byte is given twice."""
        with self._lock:
            start = self._used
            if start + count > len(self._block):
                self._block, start = os.urandom(_BLOCK_BYTES), 0
            self._used = start + count
            return self._block[start : start + count]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - the only place that reads the clock


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


ID_RANDOM_BYTES: Final = 8
_ID_LENGTH: Final = 2 * (6 + ID_RANDOM_BYTES)
_ID: Final = re.compile(rf"(?<![0-9a-z])[0-9a-f]{{{_ID_LENGTH}}}(?![0-9a-z])")


def new_id(now_ms: int, random: bytes) -> str:
    """A sortable id: 48 bits of UTC milliseconds and 64 random bits, as 28 hexadecimal digits.

    By the time in front a postback finds the day file of its click.
    """
    return (now_ms.to_bytes(6, "big") + random).hex()


_LATEST_MS: Final = 32_503_680_000_000  # the year 3000: a later one is an id of another system that looks like ours


def id_time_ms(identity: str) -> int | None:
    """The millisecond in an id made by `new_id`, or None for anything else."""
    if len(identity) != _ID_LENGTH or not identity.isalnum():
        return None
    try:
        time_ms = int.from_bytes(bytes.fromhex(identity)[:6], "big")
    except ValueError:
        return None
    return time_ms if time_ms < _LATEST_MS else None


def ids_in(text: str) -> list[str]:
    """Everything in a text that looks like an id made by `new_id`, in lower case."""
    return _ID.findall(text.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Time and random bytes for the whole program; tests pass in their own.

    `steady_ms` is for waits: it starts anywhere and does not jump when the clock is set.
    """

    now_ms: Callable[[], int] = _now_ms
    steady_ms: Callable[[], int] = _steady_ms
    token: Callable[[int], bytes] = field(default_factory=RandomBytes)

    def new_click_id(self, now_ms: int) -> ClickId:
        return ClickId(new_id(now_ms, self.token(ID_RANDOM_BYTES)))

    def random(self) -> float:
        """From 0 up to 1."""
        return int.from_bytes(self.token(4), "big") / 2**32
