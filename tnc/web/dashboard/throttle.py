"""How fast passwords may be tried: slower with every failure, never locked."""

from collections import OrderedDict, deque
from typing import Final

WINDOW_MS: Final = 15 * 60_000
FREE_FAILURES: Final = 5
FIRST_DELAY_MS: Final = 5_000
LONGEST_DELAY_MS: Final = 120_000
ATTEMPTS_A_MINUTE: Final = 30
_REMEMBERED: Final = 1_000  # more than ATTEMPTS_A_MINUTE lets through in WINDOW_MS


class Throttle:
    """Counts sign-ins before their costly hash is made. Held in memory: a restart forgives.

    A `who` is an account as seen from one network, so that a stranger's failures do not delay its owner
    elsewhere. After five failures in 15 minutes each further one doubles the wait, up to two minutes.
    """

    def __init__(self) -> None:
        self._attempts: deque[int] = deque(maxlen=ATTEMPTS_A_MINUTE)
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_ms(self, who: str, *, now_ms: int) -> int:
        """How long until `who` may try: 0 means now, and counts as an attempt."""
        wait = max(self._wait_of(who, now_ms), self._wait_of_all(now_ms))
        if not wait:
            self._attempts.append(now_ms)
        return wait

    def failed(self, who: str, *, now_ms: int) -> None:
        failures = self._failures.setdefault(who, deque(maxlen=32))
        failures.append(now_ms)
        self._failures.move_to_end(who)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, who: str) -> None:
        self._failures.pop(who, None)

    def _wait_of_all(self, now_ms: int) -> int:
        full = len(self._attempts) == ATTEMPTS_A_MINUTE
        return max(0, self._attempts[0] + 60_000 - now_ms) if full else 0

    def _wait_of(self, who: str, now_ms: int) -> int:
        recent = [at for at in self._failures.get(who, ()) if at > now_ms - WINDOW_MS]
        if len(recent) < FREE_FAILURES:
            return 0
        delay = min(FIRST_DELAY_MS << (len(recent) - FREE_FAILURES), LONGEST_DELAY_MS)
        return max(0, recent[-1] + delay - now_ms)
