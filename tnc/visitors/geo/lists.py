"""Relays, VPNs, data centres, Tor exits, carriers and company gateways, by lists of networks.

All lists are flattened into disjoint segments; in each, the flags of all its lists are combined. A longest-prefix match
would lose the flags of the wider network: a Tor exit inside a data centre is both.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final, Literal, get_args

from msgspec import Struct, msgpack

from tnc.visitors.geo.list_formats import NetworkFeed

NetworkKind = Literal["relay", "vpn", "datacenter", "tor", "proxy", "cellular", "corporate"]
KINDS: Final[tuple[NetworkKind, ...]] = get_args(NetworkKind)
_BIT: Final[Mapping[str, int]] = {kind: 1 << index for index, kind in enumerate(KINDS)}
FLAGS: Final = frozenset({"vpn", "proxy", "tor", "datacenter", "relay"})


class NetworkList(Struct, frozen=True, kw_only=True):
    """One installed list. `kind` is what its networks are."""

    name: str
    kind: NetworkKind
    feed: NetworkFeed


class Compiled(Struct, frozen=True, kw_only=True, array_like=True):
    """All lists in one file that opens in milliseconds. `v4`, `v6`: starts of segments, each with its group."""

    names: list[str]
    kinds: list[NetworkKind]
    weak: list[bool]
    v4: bytes
    v4_groups: bytes
    v6: list[bytes]
    v6_groups: bytes
    groups: list[tuple[int, ...]]  # indexes of `names`: the lists that contain a segment
    asns: dict[int, tuple[int, ...]]


def compile_lists(lists: Sequence[NetworkList]) -> bytes:
    """All lists as bytes for `Networks`. Takes about a second for 100,000 networks."""
    groups: dict[tuple[int, ...], int] = {(): 0}
    v4, v4_groups = _flatten([each.feed.v4 for each in lists], groups, end=1 << 32)
    v6, v6_groups = _flatten([each.feed.v6 for each in lists], groups, end=1 << 128)
    asns: dict[int, tuple[int, ...]] = {}
    for index, each in enumerate(lists):
        for asn in each.feed.asns:
            asns[asn] = (*asns.get(asn, ()), index)
    return msgpack.encode(
        Compiled(
            names=[each.name for each in lists],
            kinds=[each.kind for each in lists],
            weak=[each.feed.weak for each in lists],
            v4=array("I", v4).tobytes(),
            v4_groups=array("H", v4_groups).tobytes(),
            v6=[start.to_bytes(16, "big") for start in v6],
            v6_groups=array("H", v6_groups).tobytes(),
            groups=list(groups),
            asns=asns,
        )
    )


def _flatten(
    lists: Sequence[list[tuple[int, int]]], groups: dict[tuple[int, ...], int], *, end: int
) -> tuple[list[int], list[int]]:
    """Disjoint segments from overlapping spans: the start of each, and the group of lists that contain it."""
    edges = sorted(
        (edge, index, opens)
        for index, spans in enumerate(lists)
        for span in spans
        for edge, opens in zip(span, (True, False), strict=True)
    )
    starts, segment_groups = [0], [0]
    inside: set[int] = set()
    for edge, index, opens in edges:
        (inside.add if opens else inside.discard)(index)
        group = groups.setdefault(tuple(sorted(inside)), len(groups))
        if edge == starts[-1]:
            segment_groups[-1] = group
        elif edge < end:
            starts.append(edge)
            segment_groups.append(group)
    return starts, segment_groups


class Networks:
    """Looks up IPs in the installed lists. Never changes; a new set of lists is a new object."""

    def __init__(self, compiled: bytes | None = None) -> None:
        """Raises msgspec.DecodeError or ValueError when the bytes are damaged."""
        data = msgpack.decode(compiled, type=Compiled) if compiled else _NONE
        self._names = data.names
        self._kinds = data.kinds
        self._v4 = array("I", data.v4)
        self._v4_groups = array("H", data.v4_groups)
        self._v6 = data.v6
        self._v6_groups = array("H", data.v6_groups)
        self._groups = data.groups
        self._asns = data.asns
        bits = [0 if weak else _BIT[kind] for kind, weak in zip(data.kinds, data.weak, strict=True)]
        self._bits_of_group = [_any(bits, group) for group in data.groups]
        self._bits_of_asn = {asn: _any(bits, group) for asn, group in data.asns.items()}
        self.kinds: frozenset[NetworkKind] = frozenset(data.kinds)
        self._outcomes = tuple(_outcome(each, self.kinds) for each in range(1 << len(KINDS)))

    def add_facts(self, packed: bytes, found: dict[str, Any]) -> None:
        """Add the flags of a global IP to what databases found. Uses the `asn` among it."""
        if not self._names:
            return
        bits = self._bits_of_group[self._group(packed)] | self._bits_of_asn.get(found.get("asn", 0), 0)
        flags, connection = self._outcomes[bits]
        if "tor" in found or "proxy" in found:
            found.update({fact: value for fact, value in flags.items() if value or not found.get(fact)})
            if bits & _SHARED:
                found.update(dict.fromkeys(_OVERRULED & found.keys(), False))
        else:
            found.update(flags)
        if connection:
            found.setdefault("connection", connection)

    def sources_of(self, packed: bytes, asn: int | None) -> dict[str, str]:
        """For each fact that lists say about an IP, the first list that says so."""
        names: dict[str, str] = {}
        for index in sorted({*self._groups[self._group(packed)], *self._asns.get(asn or 0, ())}):
            kind = self._kinds[index]
            names.setdefault(kind if kind in FLAGS else "connection", self._names[index])
        return names

    def names(self, packed: bytes, asn: int | None) -> tuple[str, ...]:
        """The names of the lists that contain an IP or its AS number."""
        indexes = {*self._groups[self._group(packed)], *self._asns.get(asn or 0, ())}
        return tuple(self._names[index] for index in sorted(indexes))

    def known_facts(self) -> frozenset[str]:
        """The facts that these lists can decide."""
        return (FLAGS & self.kinds) | ({"connection"} if self.kinds & {"cellular", "corporate"} else set())

    def _group(self, packed: bytes) -> int:
        if len(packed) == 4:
            index = bisect_right(self._v4, int.from_bytes(packed, "big")) - 1
            return self._v4_groups[index] if index >= 0 else 0
        index = bisect_right(self._v6, packed) - 1
        return self._v6_groups[index] if index >= 0 else 0


_NONE: Final = Compiled(
    names=[], kinds=[], weak=[], v4=b"", v4_groups=b"", v6=[], v6_groups=b"", groups=[()], asns={}
)  # fmt: skip
# Many people share these addresses: other flags of such an address do not count.
_SHARED: Final = _BIT["relay"] | _BIT["corporate"] | _BIT["cellular"]
_OVERRULED: Final = frozenset({"vpn", "datacenter", "proxy"})


def _any(bits: Sequence[int], group: Sequence[int]) -> int:
    return reduce(lambda sum_, index: sum_ | bits[index], group, 0)


def _outcome(bits: int, installed: frozenset[NetworkKind]) -> tuple[dict[str, bool], str | None]:
    """Flags and connection that follow from a set of kinds: relay, then gateway, then carrier overrule the others.

    A flag without installed data is left out: it is unknown, and a filter on it is refused when saved.
    """
    flags: dict[str, bool] = {kind: bool(bits & _BIT[kind]) for kind in FLAGS if kind in installed}
    if bits & _SHARED:
        flags |= dict.fromkeys(_OVERRULED & flags.keys(), False)
    if bits & _BIT["relay"]:
        return flags | {"vpn": False, "datacenter": False}, None
    if bits & _BIT["corporate"]:
        return flags, "corporate"
    return flags, "cellular" if bits & _BIT["cellular"] else None


NO_NETWORKS: Final = Networks()
