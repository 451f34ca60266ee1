"""Limits of connections for one listener, and the count of requests that could not be read.

One network that holds thousands of connections must not use up the descriptors that clicks of other networks need. A
network is a /24 of IPv4 or a /64 of IPv6, loopback included; a trusted proxy has no limit of its own. When a limit is
reached the oldest connection is closed: browsers leave idle connections behind, and many people share the network of a
mobile carrier, so a new connection is worth more than the oldest one.
"""

import asyncio
import logging
import resource
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from tnc.core.clock import MINUTE_MS
from tnc.visitors.client_ip import pack_ip

log = logging.getLogger(__name__)

Network = str | bytes

_LARGEST_TOTAL: Final = 8_192  # about 90 kB each at worst, with a head and a body on their way
_SMALLEST_TOTAL: Final = 16
_OWN_FILES: Final = 192  # descriptors for day files, databases, deliveries, child processes
BACKLOG: Final = 1_024  # not accepted yet; in a shorter line a flood makes others wait a second for their next try
_LARGEST_DASHBOARD: Final = 256
_REMEMBERED_PEERS: Final = 1_024


class Limits(NamedTuple):
    """Open connections of one listener: in all, and from one network."""

    total: int
    per_network: int


def descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def tracking_limits(descriptors: int) -> Limits:
    """What is left beside our own files and the dashboard. libuv accepts one connection per turn of the loop."""
    left = descriptors - _OWN_FILES - dashboard_limits(descriptors).total
    total = max(_SMALLEST_TOTAL, min(_LARGEST_TOTAL, left))
    return Limits(total, max(8, total // 8))


def dashboard_limits(descriptors: int) -> Limits:
    total = max(_SMALLEST_TOTAL, min(_LARGEST_DASHBOARD, descriptors // 16))
    return Limits(total, total // 2)


def network_of(ip: str) -> Network:
    """The /24 or /64 of the address of a socket; an IPv4-mapped address counts as IPv4."""
    if ":" not in ip:
        return ip.rpartition(".")[0]
    try:
        packed = pack_ip(ip.partition("%")[0])
    except (OSError, ValueError):
        return ip
    return ".".join(map(str, packed[:3])) if len(packed) == 4 else packed[:8]


class Connections:
    """The open connections of one listener."""

    def __init__(self, limits: Limits, *, is_trusted: Callable[[str], bool]) -> None:
        self.limits = limits
        self._is_trusted = lru_cache(_REMEMBERED_PEERS)(is_trusted)  # behind a proxy every click has the same peer
        self._network_of: OrderedDict[asyncio.Transport, Network] = OrderedDict()  # the oldest first
        self._trusted: OrderedDict[asyncio.Transport, None] = OrderedDict()
        self._by_network: dict[Network, OrderedDict[asyncio.Transport, None]] = {}
        self._closed: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._report: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._network_of) + len(self._trusted)

    def add(self, transport: asyncio.Transport) -> str:
        """Count a new connection, and close the oldest one when a limit is passed. Returns the IP address of the peer.

        A connection that is counted already is not counted again.
        """
        peer = transport.get_extra_info("peername")
        ip: str = peer[0] if peer else ""
        if transport in self._network_of or transport in self._trusted:
            return ip
        if self._is_trusted(ip):
            self._trusted[transport] = None
        else:
            network = network_of(ip)
            self._network_of[transport] = network
            own = self._by_network.setdefault(network, OrderedDict())
            own[transport] = None
            if len(own) > self.limits.per_network:
                self._close(next(iter(own)), "too many of one network")
        if len(self) > self.limits.total:
            self._close(next(iter(self._network_of or self._trusted)), "too many in all")
        return ip

    def remove(self, transport: asyncio.Transport) -> None:
        network = self._network_of.pop(transport, None)
        if network is None:
            self._trusted.pop(transport, None)
            return
        own = self._by_network[network]
        own.pop(transport, None)
        if not own:
            del self._by_network[network]

    def _close(self, transport: asyncio.Transport, why: str) -> None:
        self.remove(transport)
        self._closed[why] += 1
        self._report_later()
        transport.abort()

    def note_unreadable(self, kind: str) -> None:
        """Count a request that could not be read. One line a minute reports them: anybody can send thousands."""
        self._unreadable[kind] += 1
        self._report_later()

    def _report_later(self) -> None:
        if self._report is None:
            self._report = asyncio.get_running_loop().call_later(MINUTE_MS / 1000, self.report)

    def report(self) -> None:
        """Write what was counted since the last time."""
        if self._report is not None:
            self._report.cancel()
            self._report = None
        unreadable, self._unreadable = self._unreadable, Counter()
        closed, self._closed = self._closed, Counter()
        if tls := unreadable.pop(TLS, 0):
            log.debug("TLS was spoken on a port without it", extra={"count": tls})
        if unreadable:
            log.info("requests could not be read", extra={"counts": dict(unreadable)})
        if closed:
            log.warning("connections were closed: a limit was reached", extra={"counts": dict(closed)})


TLS: Final = "TLS"
