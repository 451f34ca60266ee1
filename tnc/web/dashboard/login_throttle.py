"""How fast passwords may be tried: slower after each failure, never locked."""

from collections import OrderedDict, deque
from typing import Final, NamedTuple, TypeVar

from tnc.core.clock import MINUTE_MS

_K = TypeVar("_K")

WINDOW_MS: Final = 15 * MINUTE_MS
FREE_FAILURES: Final = 5
FIRST_DELAY_MS: Final = 5_000
LONGEST_DELAY_MS: Final = 120_000
FREQUENT_A_MINUTE: Final = 20
OTHERS_A_MINUTE: Final = 30
OWNERS_A_MINUTE: Final = 10
FREE_TRIES: Final = 2  # of a network, before it counts as a frequent one
_REMEMBERED: Final = 1_000  # more than all that these let through in WINDOW_MS


class Guesser(NamedTuple):
    """An account tried from one network: failures elsewhere do not delay the owner of the account."""

    account: str
    network: str


class Throttle:
    """Counts sign-ins before their password is hashed, which is costly. Kept in memory: a restart resets it.

    After five failures in 15 minutes each further failure doubles the wait, up to two minutes. All together may try 60
    times a minute: networks that failed twice in the last 15 minutes 20 times, all others 30 times, and networks that
    somebody signed in from before 10 times. So a dozen networks do not keep the owner out.
    """

    def __init__(self) -> None:
        self._frequent: deque[int] = deque(maxlen=FREQUENT_A_MINUTE)
        self._others: deque[int] = deque(maxlen=OTHERS_A_MINUTE)
        self._owners: deque[int] = deque(maxlen=OWNERS_A_MINUTE)
        self._signed_in: OrderedDict[str, None] = OrderedDict()
        self._failures: OrderedDict[Guesser, deque[int]] = OrderedDict()
        self._tries: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_ms(self, guesser: Guesser, *, now_ms: int) -> int:
        """How long until `guesser` may try; 0 means now, and counts as an attempt."""
        is_frequent = len(_recent(self._tries.get(guesser.network), now_ms)) >= FREE_TRIES
        attempts = self._frequent if is_frequent else self._others
        if guesser.network in self._signed_in and _wait_of_all(attempts, now_ms):
            attempts = self._owners
        wait = max(self._wait_of(guesser, now_ms), _wait_of_all(attempts, now_ms))
        if not wait:
            attempts.append(now_ms)
            _note(self._tries, guesser.network, now_ms)
        return wait

    def failed(self, guesser: Guesser, *, now_ms: int) -> None:
        _note(self._failures, guesser, now_ms)

    def succeeded(self, guesser: Guesser) -> None:
        self._failures.pop(guesser, None)
        self._tries.pop(guesser.network, None)
        self._signed_in[guesser.network] = None
        self._signed_in.move_to_end(guesser.network)
        while len(self._signed_in) > _REMEMBERED:
            self._signed_in.popitem(last=False)

    def _wait_of(self, guesser: Guesser, now_ms: int) -> int:
        recent = _recent(self._failures.get(guesser), now_ms)
        if len(recent) < FREE_FAILURES:
            return 0
        delay = min(FIRST_DELAY_MS << (len(recent) - FREE_FAILURES), LONGEST_DELAY_MS)
        return max(0, recent[-1] + delay - now_ms)


def _wait_of_all(attempts: deque[int], now_ms: int) -> int:
    return max(0, attempts[0] + MINUTE_MS - now_ms) if len(attempts) == attempts.maxlen else 0


def _recent(times: deque[int] | None, now_ms: int) -> list[int]:
    return [at for at in times or () if at > now_ms - WINDOW_MS]


def _note(times: OrderedDict[_K, deque[int]], key: _K, now_ms: int) -> None:
    times.setdefault(key, deque(maxlen=32)).append(now_ms)
    times.move_to_end(key)
    while len(times) > _REMEMBERED:
        times.popitem(last=False)
