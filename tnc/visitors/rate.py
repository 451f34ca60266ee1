"""Too many clicks from one place, and the same click twice. In memory, bounded, forgotten within minutes."""

from typing import Final, Generic, TypeVar

from tnc.core.clock import MINUTE_MS
from tnc.visitors.client_ip import pack

CLICKS_A_MINUTE: Final = 60
# Behind a carrier, a relay or a company gateway hundreds of people share one address.
SHARED: Final = 20
DUPLICATE_MS: Final = 2000

_COUNT_BITS: Final = 20
_MOST: Final = (1 << _COUNT_BITS) - 1
_MAX_KEYS: Final = 32_768  # in each of two tables: a flood of addresses forgets the oldest, and takes no memory


Key = TypeVar("Key")


class _Rotating(Generic[Key]):
    """Numbers by key. What was not asked for between two turns is forgotten."""

    __slots__ = ("_new", "_old", "_period_ms", "_turned_ms")

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._turned_ms = 0
        self._new: dict[Key, int] = {}
        self._old: dict[Key, int] = {}

    def get(self, key: Key, now_ms: int) -> int:
        if not 0 <= now_ms - self._turned_ms < self._period_ms or len(self._new) >= _MAX_KEYS:
            self._old, self._new, self._turned_ms = self._new, {}, now_ms
        number = self._new.get(key)
        return self._old.get(key, 0) if number is None else number

    def put(self, key: Key, number: int) -> None:
        self._new[key] = number

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class Frequency:
    """Counts clicks by address, for IPv6 by /64. A minute begins with the first click of an address."""

    def __init__(self) -> None:
        self._counts = _Rotating[str | bytes](MINUTE_MS)

    def is_surplus(self, ip: str, now_ms: int, *, shared: bool) -> bool:
        """Count one click of a canonical address; True for each beyond what its minute allows."""
        key = pack(ip)[:8] if ":" in ip else ip
        known = self._counts.get(key, now_ms)
        start, count = known >> _COUNT_BITS, known & _MOST
        if not 0 <= now_ms - start < MINUTE_MS:
            start, count = now_ms, 0
        if count < _MOST:
            count += 1
        self._counts.put(key, (start << _COUNT_BITS) + count)
        return count > CLICKS_A_MINUTE and (not shared or count > CLICKS_A_MINUTE * SHARED)

    def __len__(self) -> int:
        return len(self._counts)


class Duplicates:
    """Remembers the last click of each visitor on each campaign for a moment."""

    def __init__(self) -> None:
        self._last = _Rotating[tuple[str, str]](DUPLICATE_MS)

    def is_duplicate(self, visitor: str, campaign: str, now_ms: int) -> bool:
        """Whether the same visitor clicked the same campaign within two seconds; remembers this click."""
        key = (visitor, campaign)
        last = self._last.get(key, now_ms)
        self._last.put(key, now_ms)
        return 0 <= now_ms - last < DUPLICATE_MS
