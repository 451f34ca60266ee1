"""Time, chance and identity: the three things that tests hold still."""

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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - the one place that reads the clock


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


ID_CHANCE_BYTES: Final = 8
_ID_LENGTH: Final = 2 * (6 + ID_CHANCE_BYTES)
_AN_ID: Final = re.compile(rf"(?<![0-9a-z])[0-9a-f]{{{_ID_LENGTH}}}(?![0-9a-z])")


def new_id(now_ms: int, chance: bytes) -> str:
    """A sortable id: 48 bits of UTC milliseconds and 64 bits of chance, 28 hexadecimal digits.

    The time in front is what lets a postback find the one day file that holds its click.
    """
    return (now_ms.to_bytes(6, "big") + chance).hex()


_LATEST_MS: Final = 32_503_680_000_000  # the year 3000: what is later is somebody else's id that looks like ours


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
    """What looks like an id made by `new_id` in a text, whatever stands around it; ids are in lower case."""
    return _AN_ID.findall(text.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a program may not make up: the time, chance, and with both, new ids.

    `steady_ms` is for waits: it begins anywhere, and never jumps when somebody sets the clock.
    """

    now_ms: Callable[[], int] = _now_ms
    steady_ms: Callable[[], int] = _steady_ms
    token: Callable[[int], bytes] = field(default_factory=Chance)

    def new_click_id(self, now_ms: int) -> ClickId:
        return ClickId(new_id(now_ms, self.token(ID_CHANCE_BYTES)))

    def chance(self) -> float:
        """From 0 up to 1."""
        return int.from_bytes(self.token(4), "big") / 2**32
