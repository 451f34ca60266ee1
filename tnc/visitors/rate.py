"""Too many clicks from one IP address, and the same click twice. In bounded memory, for a few minutes."""

from typing import Final, Generic, TypeVar

from tnc.core.clock import MINUTE_MS
from tnc.visitors.client_ip import pack_ip

MAX_CLICKS_PER_MINUTE: Final = 60
# How many times as much is allowed for carriers, relays and company gateways: hundreds of people share their IPs.
SHARED_FACTOR: Final = 20
DUPLICATE_MS: Final = 2000

_COUNT_BITS: Final = 20
_MAX_COUNT: Final = (1 << _COUNT_BITS) - 1
_MAX_KEYS: Final = 32_768  # in each of two tables: a flood of IPs drops the oldest keys and takes no more memory


Key = TypeVar("Key")


class _Rotating(Generic[Key]):
    """Numbers by key. Every `period_ms`, keys that were not written since the period before are dropped."""

    __slots__ = ("_new", "_old", "_period_ms", "_rotated_ms")

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._rotated_ms = 0
        self._new: dict[Key, int] = {}
        self._old: dict[Key, int] = {}

    def get(self, key: Key, now_ms: int) -> int:
        if not 0 <= now_ms - self._rotated_ms < self._period_ms or len(self._new) >= _MAX_KEYS:
            self._old, self._new, self._rotated_ms = self._new, {}, now_ms
        number = self._new.get(key)
        return self._old.get(key, 0) if number is None else number

    def put(self, key: Key, number: int) -> None:
        self._new[key] = number

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class ClickRate:
    """Counts clicks per minute by IPv4 address or IPv6 /64. A minute begins with the first click of an address."""

    def __init__(self) -> None:
        self._counts = _Rotating[str | bytes](MINUTE_MS)

    def exceeds_limit(self, ip: str, now_ms: int, *, shared: bool) -> bool:
        """Count one click; True for each click beyond the limit of its minute. `ip` is canonical."""
        key = pack_ip(ip)[:8] if ":" in ip else ip
        known = self._counts.get(key, now_ms)
        start, count = known >> _COUNT_BITS, known & _MAX_COUNT
        if not 0 <= now_ms - start < MINUTE_MS:
            start, count = now_ms, 0
        if count < _MAX_COUNT:
            count += 1
        self._counts.put(key, (start << _COUNT_BITS) + count)
        return count > MAX_CLICKS_PER_MINUTE and (not shared or count > MAX_CLICKS_PER_MINUTE * SHARED_FACTOR)

    def __len__(self) -> int:
        return len(self._counts)


class Duplicates:
    """The time of the last click of each visitor on each campaign, for `DUPLICATE_MS`."""

    def __init__(self) -> None:
        self._last = _Rotating[tuple[str, str]](DUPLICATE_MS)

    def is_duplicate(self, visitor: str, campaign: str, now_ms: int) -> bool:
        """Whether the visitor clicked the same campaign within the last two seconds. Records this click."""
        key = (visitor, campaign)
        last = self._last.get(key, now_ms)
        self._last.put(key, now_ms)
        return 0 <= now_ms - last < DUPLICATE_MS
