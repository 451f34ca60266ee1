"""When a visitor was last seen, in a few bytes each: what makes a visit unique or not.

A visit is unique when the same visitor made no other visit to the campaign (or to any campaign of the
workspace) in the uniqueness hours before it. Kept in memory because the click path asks no database, in
flat arrays because a busy day has a million visitors; rebuilt from the day files at a start.
"""

from array import array
from typing import Final

_PROBES: Final = 16
_64_BITS: Final = (1 << 64) - 1
_FIRST_SLOTS: Final = 1 << 15
_MOST_SLOTS: Final = 1 << 22  # 64 MB, and as much again until smaller tables are outlived; then the longest unseen go
_VISITS_BITS: Final = 12
_MOST_VISITS: Final = (1 << _VISITS_BITS) - 1


def seen_key(*parts: str) -> int:
    """64 bits that stand for visitor and campaign in this process. Never 0, which marks a free slot."""
    return hash(parts) & _64_BITS or 1


class _Table:
    """Open addressing; a slot is a key and `second << 12 | visits`."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.keys = array("Q", bytes(8 * slots))
        self.values = array("Q", bytes(8 * slots))
        self.latest_s = 0

    def find(self, key: int) -> int | None:
        mask, keys = self.slots - 1, self.keys
        for step in range(_PROBES):
            slot = (key + step) & mask
            held = keys[slot]
            if held == key:
                return slot
            if held == 0:
                return None
        return None

    def place(self, key: int, oldest_s: int) -> int | None:
        """A slot for a key that is not there: a free one, or one whose visitor has been away long enough."""
        mask, keys, values = self.slots - 1, self.keys, self.values
        for step in range(_PROBES):
            slot = (key + step) & mask
            if keys[slot] == 0 or values[slot] >> _VISITS_BITS < oldest_s:
                return slot
        return None

    def stalest(self, key: int) -> int:
        mask, values = self.slots - 1, self.values
        return min(((key + step) & mask for step in range(_PROBES)), key=lambda slot: values[slot])


class Seen:
    """Last visit and number of visits by key. Grows by adding a larger table, never by a pause to copy one."""

    def __init__(self, *, window_s: int = 24 * 3600) -> None:
        self.window_s = window_s
        self._tables = [_Table(_FIRST_SLOTS)]

    def look(self, key: int, now_s: int, window_s: int) -> int | None:
        """How many visits there were, if the last is within the window; None: it is a new visitor."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                value = table.values[slot]
                return value & _MOST_VISITS if now_s - (value >> _VISITS_BITS) < window_s else None
        return None

    def last_s(self, key: int) -> int | None:
        """The second of the last visit; None: there was none."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                return table.values[slot] >> _VISITS_BITS or None
        return None

    def mark(self, key: int, now_s: int, visits: int) -> None:
        """Remember a visit; `visits` counts it."""
        table = self._tables[0]
        slot = table.find(key)
        if slot is None:
            slot = table.place(key, now_s - self.window_s)
            if slot is None:
                table, slot = self._make_room(table, key)
            table.keys[slot] = key
        table.values[slot] = max(now_s, 0) << _VISITS_BITS | min(visits, _MOST_VISITS)
        table.latest_s = max(table.latest_s, now_s)

    def recall(self, key: int, at_s: int) -> None:
        """Take up a visit of the past, in any order with those that were marked since."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                last_s, visits = divmod(table.values[slot], 1 << _VISITS_BITS)
                if abs(last_s - at_s) < self.window_s:
                    self.mark(key, max(last_s, at_s), visits + 1)
                return
        self.mark(key, at_s, 1)

    def forget(self, key: int) -> None:
        """As if there had been no visit; the slot is free for the next one."""
        for table in self._tables:
            slot = table.find(key)
            if slot is not None:
                table.values[slot] = 0

    def _make_room(self, table: _Table, key: int) -> tuple[_Table, int]:
        oldest_s = table.latest_s - self.window_s
        lasting = [each for each in self._tables if each.latest_s >= oldest_s]
        if table.slots >= _MOST_SLOTS:
            self._tables = lasting
            return table, table.stalest(key)
        bigger = _Table(min(table.slots * 4, _MOST_SLOTS))
        self._tables = [bigger, *lasting]
        return bigger, key & (bigger.slots - 1)
