"""How long clicks wait for company: what is committed together shares the price of the commit.

Measured, a commit costs the processor as much as deciding a click, however many it holds. Where a thousand clicks
come in a second, a few milliseconds more bring several of them into one commit, which is worth more to all who click
than the milliseconds; where fewer come, nobody waits for anybody.
"""

from collections import deque
from typing import Final

BUSY_PER_SECOND: Final = 1_000
LONGEST_SECONDS: Final = 0.006
_SECONDS_FOR_EACH_PER_SECOND: Final = 1.5e-6
_LOOKED_AT: Final = 32


class Gathering:
    """Times are seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._arrivals: deque[float] = deque(maxlen=_LOOKED_AT)

    def arrived(self, at_s: float) -> None:
        self._arrivals.append(at_s)

    def pause_s(self) -> float:
        """How long what is in line should still wait; 0: not at all."""
        if len(self._arrivals) < _LOOKED_AT:
            return 0.0
        took_s = self._arrivals[-1] - self._arrivals[0]
        if took_s * BUSY_PER_SECOND > _LOOKED_AT:
            return 0.0
        per_second = _LOOKED_AT / max(took_s, 1e-6)
        return min(LONGEST_SECONDS, per_second * _SECONDS_FOR_EACH_PER_SECOND)
