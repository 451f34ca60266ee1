"""Relays, VPNs, data centres, Tor exits, carriers and company gateways: what lists say of an address.

All lists are flattened into disjoint segments whose lists are OR-ed. A longest-prefix match would lose the
flags of the wider network: a Tor exit inside a data centre is both.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final, Literal, get_args

from msgspec import Struct, msgpack

from tnc.visitors.geo.list_formats import Feed

NetworkKind = Literal["relay", "vpn", "datacenter", "tor", "proxy", "cellular", "corporate"]
KINDS: Final[tuple[NetworkKind, ...]] = get_args(NetworkKind)
_BIT: Final[Mapping[str, int]] = {kind: 1 << place for place, kind in enumerate(KINDS)}
FLAGS: Final = frozenset({"vpn", "proxy", "tor", "datacenter", "relay"})


class NetworkList(Struct, frozen=True, kw_only=True):
    """One installed list: what it is called, what it means, what is in it."""

    name: str
    kind: NetworkKind
    feed: Feed


class Compiled(Struct, frozen=True, kw_only=True, array_like=True):
    """All lists in one file that opens in milliseconds. `v4`, `v6`: starts of segments; groups: which lists hold."""

    names: list[str]
    kinds: list[NetworkKind]
    weak: list[bool]
    v4: bytes
    v4_groups: bytes
    v6: list[bytes]
    v6_groups: bytes
    groups: list[tuple[int, ...]]  # places in `names`
    asns: dict[int, tuple[int, ...]]


def compile_lists(lists: Sequence[NetworkList]) -> bytes:
    """Every list of every kind as one blob for `Networks`. Takes a second or so for 100,000 networks."""
    groups: dict[tuple[int, ...], int] = {(): 0}
    v4, v4_groups = _flatten([each.feed.v4 for each in lists], groups, end=1 << 32)
    v6, v6_groups = _flatten([each.feed.v6 for each in lists], groups, end=1 << 128)
    asns: dict[int, tuple[int, ...]] = {}
    for place, each in enumerate(lists):
        for asn in each.feed.asns:
            asns[asn] = (*asns.get(asn, ()), place)
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
    """Disjoint segments from overlapping spans: where each begins, and the group of lists that hold there."""
    edges = sorted(
        (edge, place, opens)
        for place, spans in enumerate(lists)
        for span in spans
        for edge, opens in zip(span, (True, False), strict=True)
    )
    starts, held = [0], [0]
    inside: set[int] = set()
    for edge, place, opens in edges:
        (inside.add if opens else inside.discard)(place)
        group = groups.setdefault(tuple(sorted(inside)), len(groups))
        if edge == starts[-1]:
            held[-1] = group
        elif edge < end:
            starts.append(edge)
            held.append(group)
    return starts, held


class Networks:
    """What the installed lists say of an address. Never changes; a new set of lists is a new object."""

    def __init__(self, compiled: bytes | None = None) -> None:
        """Raises msgspec.DecodeError or ValueError when the blob is damaged."""
        read = msgpack.decode(compiled, type=Compiled) if compiled else _NONE
        self._names = read.names
        self._kinds = read.kinds
        self._v4 = array("I", read.v4)
        self._v4_groups = array("H", read.v4_groups)
        self._v6 = read.v6
        self._v6_groups = array("H", read.v6_groups)
        self._groups = read.groups
        self._asns = read.asns
        bits = [0 if weak else _BIT[kind] for kind, weak in zip(read.kinds, read.weak, strict=True)]
        self._bits_of_group = [_any(bits, group) for group in read.groups]
        self._bits_of_asn = {asn: _any(bits, group) for asn, group in read.asns.items()}
        self.kinds: frozenset[NetworkKind] = frozenset(read.kinds)
        self._outcomes = tuple(_outcome(each, self.kinds) for each in range(1 << len(KINDS)))

    def tell(self, packed: bytes, found: dict[str, Any]) -> None:
        """Put the flags on a global address over what databases found; uses the `asn` found."""
        if not self._names:
            return
        bits = self._bits_of_group[self._group(packed)] | self._bits_of_asn.get(found.get("asn", 0), 0)
        flags, connection = self._outcomes[bits]
        if "tor" in found or "proxy" in found:
            found.update({fact: value for fact, value in flags.items() if value or not found.get(fact)})
            if bits & _HARMLESS:
                found.update(dict.fromkeys(_OVERRULED & found.keys(), False))
        else:
            found.update(flags)
        if connection:
            found.setdefault("connection", connection)

    def witnesses(self, packed: bytes, asn: int | None) -> dict[str, str]:
        """For each fact that lists claim of an address, the first list that does."""
        claimed: dict[str, str] = {}
        for place in sorted({*self._groups[self._group(packed)], *self._asns.get(asn or 0, ())}):
            kind = self._kinds[place]
            claimed.setdefault(kind if kind in FLAGS else "connection", self._names[place])
        return claimed

    def names(self, packed: bytes, asn: int | None) -> tuple[str, ...]:
        """The lists that name an address or its network, for a person who asks why."""
        places = {*self._groups[self._group(packed)], *self._asns.get(asn or 0, ())}
        return tuple(self._names[place] for place in sorted(places))

    def gives(self) -> frozenset[str]:
        """The facts that these lists can decide."""
        known = FLAGS & self.kinds
        return known | ({"connection"} if self.kinds & {"cellular", "corporate"} else set())

    def _group(self, packed: bytes) -> int:
        if len(packed) == 4:
            place = bisect_right(self._v4, int.from_bytes(packed, "big")) - 1
            return self._v4_groups[place] if place >= 0 else 0
        place = bisect_right(self._v6, packed) - 1
        return self._v6_groups[place] if place >= 0 else 0


_NONE: Final = Compiled(
    names=[], kinds=[], weak=[], v4=b"", v4_groups=b"", v6=[], v6_groups=b"", groups=[()], asns={}
)  # fmt: skip
# People in numbers stand behind these: what else a list says of such an address does not count.
_HARMLESS: Final = _BIT["relay"] | _BIT["corporate"] | _BIT["cellular"]
_OVERRULED: Final = frozenset({"vpn", "datacenter", "proxy"})


def _any(bits: Sequence[int], group: Sequence[int]) -> int:
    return reduce(lambda sum_, place: sum_ | bits[place], group, 0)


def _outcome(bits: int, installed: frozenset[NetworkKind]) -> tuple[dict[str, bool], str | None]:
    """Flags and connection that a set of lists leads to: relay, then gateway, then carrier beat the others.

    A flag whose data is not installed is left out: it is unknown, and a filter on it is refused when saved.
    """
    flags: dict[str, bool] = {kind: bool(bits & _BIT[kind]) for kind in FLAGS if kind in installed}
    if bits & _HARMLESS:
        flags |= dict.fromkeys(_OVERRULED & flags.keys(), False)
    if bits & _BIT["relay"]:
        return flags | {"vpn": False, "datacenter": False}, None
    if bits & _BIT["corporate"]:
        return flags, "corporate"
    return flags, "cellular" if bits & _BIT["cellular"] else None


NO_NETWORKS: Final = Networks()
