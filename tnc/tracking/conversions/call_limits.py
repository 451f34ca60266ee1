"""Limits of what callers without a click can do with postbacks: fill the disk, and guess keys of networks."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tnc.core.clock import DAY_MS, MINUTE_MS
from tnc.visitors.client_ip import truncate_ip
from tnc.visitors.rate import ClickRate

LARGEST_BYTES: Final = 4_096  # of the parameters of a postback that is stored without a click
LEAST_FREE: Final = 0.1  # share of the disk
WRONG_KEYS: Final = 10  # a minute from one network
WRONG_KEYS_OF_SENDERS: Final = 60  # the same, from a network whose postbacks were accepted within a day
_REMEMBERED: Final = 10_000
_UNKNOWN: Final = "0.0.0.0"  # noqa: S104 - a key of a table
_DISK_LOOKED_AT_MS: Final = 5_000


def free_share(folder: Path) -> float:
    found = os.statvfs(folder)
    return found.f_bavail / max(1, found.f_blocks)


def network_of(ip: str | None) -> str:
    """The /24 or /48 of a caller."""
    return _UNKNOWN if ip is None else truncate_ip(ip).partition("/")[0]


def cut(params: Mapping[str, str]) -> dict[str, str]:
    """At most LARGEST_BYTES: long values are cut first, and what has no room at all is left out."""
    left, kept = LARGEST_BYTES, {}
    for name, value in sorted(params.items(), key=lambda pair: len(pair[0]) + len(pair[1])):
        short_name = name.encode("utf-8", "surrogatepass")
        if len(short_name) > left:
            continue
        left -= len(short_name)
        kept[name] = value.encode("utf-8", "surrogatepass")[:left].decode("utf-8", "ignore")
        left -= len(kept[name].encode())
    return {name: kept[name] for name in params if name in kept}


class CallLimits:
    """Safe to use from several threads; memory is bounded."""

    def __init__(self, folder: Path, *, free: Callable[[Path], float] = free_share) -> None:
        self._folder = folder
        self._free = free
        self._lock = threading.Lock()
        self._kept = ClickRate()
        self._looked_ms = -_DISK_LOOKED_AT_MS
        self._has_room = True
        self._wrong: OrderedDict[str, list[int]] = OrderedDict()  # times of the last wrong keys in a row
        self._accepted: OrderedDict[str, int] = OrderedDict()
        self.not_kept = 0

    def keeps(self, ip: str | None, now_ms: int) -> bool:
        """Whether a postback that changed nothing is stored: 60 a minute of a network, none on a nearly full disk."""
        with self._lock:
            if abs(now_ms - self._looked_ms) >= _DISK_LOOKED_AT_MS:
                self._looked_ms, self._has_room = now_ms, self._free(self._folder) >= LEAST_FREE
            kept = self._has_room and not self._kept.exceeds_limit(network_of(ip), now_ms, shared=False)
            self.not_kept += not kept
            return kept

    def may_try_key(self, ip: str | None, now_ms: int) -> bool:
        with self._lock:
            network = network_of(ip)
            accepted = now_ms - self._accepted.get(network, now_ms - DAY_MS) < DAY_MS
            limit = WRONG_KEYS_OF_SENDERS if accepted else WRONG_KEYS
            recent = [at for at in self._wrong.get(network, ()) if now_ms - at < MINUTE_MS]
            return len(recent) < limit

    def note_key(self, ip: str | None, now_ms: int, *, right: bool) -> None:
        with self._lock:
            network = network_of(ip)
            if right:
                self._wrong.pop(network, None)
                self._accepted[network] = now_ms
                self._accepted.move_to_end(network)
            else:
                self._wrong[network] = [*self._wrong.get(network, []), now_ms][-WRONG_KEYS_OF_SENDERS:]
                self._wrong.move_to_end(network)
            for table in (self._wrong, self._accepted):
                while len(table) > _REMEMBERED:
                    table.popitem(last=False)
