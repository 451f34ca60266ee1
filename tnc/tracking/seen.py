"""When each visitor was last seen: decides whether a visit is unique.

A visit is unique when the same visitor made no other visit to the campaign (or to any campaign of the workspace)
in the uniqueness hours before it. Kept in memory because the click path queries no database, in flat arrays
because a busy day has a million visitors; rebuilt from the day files at each start.
"""

from array import array
from typing import Final

_PROBES: Final = 16
_64_BITS: Final = (1 << 64) - 1
_FIRST_SLOTS: Final = 1 << 15
_MAX_SLOTS: Final = 1 << 22  # 64 MB, and as much again until the smaller tables expire; then the oldest are dropped
_VISITS_BITS: Final = 12
_MAX_VISITS: Final = (1 << _VISITS_BITS) - 1


def seen_key(*parts: str) -> int:
    """A 64-bit hash of visitor and campaign, for this process only. Never 0, which marks a free slot."""
    return hash(parts) & _64_BITS or 1


class _Table:
    """A hash table with open addressing; a slot is a key and `second << 12 | visits`."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.keys = array("Q", bytes(8 * slots))
        self.values = array("Q", bytes(8 * slots))
        self.latest_s = 0

    def find(self, key: int) -> int | None:
        mask, keys = self.slots - 1, self.keys
        for step in range(_PROBES):
            slot = (key + step) & mask
            stored = keys[slot]
            if stored == key:
                return slot
            if stored == 0:
                return None
        return None

    def usable_slot(self, key: int, oldest_s: int) -> int | None:
        """For a key that is not in the table: a free slot, or one whose visitor was last seen before `oldest_s`."""
        mask, keys, values = self.slots - 1, self.keys, self.values
        for step in range(_PROBES):
            slot = (key + step) & mask
            if keys[slot] == 0 or values[slot] >> _VISITS_BITS < oldest_s:
                return slot
        return None

    def oldest_slot(self, key: int) -> int:
        mask, values = self.slots - 1, self.values
        return min(((key + step) & mask for step in range(_PROBES)), key=lambda slot: values[slot])


class Seen:
    """Last visit and number of visits by key. It grows by adding a larger table, without a pause to copy one."""

    def __init__(self, *, window_s: int = 24 * 3600) -> None:
        self.window_s = window_s
        self._tables = [_Table(_FIRST_SLOTS)]

    def visits(self, key: int, now_s: int, window_s: int) -> int | None:
        """Number of earlier visits when the last one is within the window; None for a new visitor."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                value = table.values[slot]
                return value & _MAX_VISITS if now_s - (value >> _VISITS_BITS) < window_s else None
        return None

    def last_s(self, key: int) -> int | None:
        """Second of the last visit; None when there was none."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                return table.values[slot] >> _VISITS_BITS or None
        return None

    def record(self, key: int, now_s: int, visits: int) -> None:
        """Store a visit; `visits` is the number including it."""
        table = self._tables[0]
        slot = table.find(key)
        if slot is None:
            slot = table.usable_slot(key, now_s - self.window_s)
            if slot is None:
                table, slot = self._make_room(table, key)
            table.keys[slot] = key
        table.values[slot] = max(now_s, 0) << _VISITS_BITS | min(visits, _MAX_VISITS)
        table.latest_s = max(table.latest_s, now_s)

    def recall(self, key: int, at_s: int) -> None:
        """Add a past visit; it may be older than visits that are recorded already."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                last_s, visits = divmod(table.values[slot], 1 << _VISITS_BITS)
                if abs(last_s - at_s) < self.window_s:
                    self.record(key, max(last_s, at_s), visits + 1)
                return
        self.record(key, at_s, 1)

    def forget(self, key: int) -> None:
        """Remove the visits of a key; its slot is free again."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                table.values[slot] = 0

    def _make_room(self, table: _Table, key: int) -> tuple[_Table, int]:
        oldest_s = table.latest_s - self.window_s
        current = [each for each in self._tables if each.latest_s >= oldest_s]
        if table.slots >= _MAX_SLOTS:
            self._tables = current
            return table, table.oldest_slot(key)
        bigger = _Table(min(table.slots * 4, _MAX_SLOTS))
        self._tables = [bigger, *current]
        return bigger, key & (bigger.slots - 1)
