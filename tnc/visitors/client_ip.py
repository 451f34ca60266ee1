"""The visitor's IP address: the socket's, or what a proxy that the owner trusts says, in canonical form."""

import socket
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain
from typing import Final, Literal, NamedTuple

from tnc.core.errors import InvalidError

ClientIpSource = Literal["peer", "forwarded", "cloudflare"]
Network = IPv4Network | IPv6Network

# https://www.cloudflare.com/ips-v4 and ips-v6: CF-Connecting-IP counts only from these networks.
CLOUDFLARE: Final = (
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
    "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17",
    "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22",
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32",
    "2a06:98c0::/29", "2c0f:f248::/32",
)  # fmt: skip

# IANA special-purpose registries. For IPv6 everything outside 2000::/3 is listed: only that is global.
DOCUMENTATION: Final = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
INTERNAL: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    "::/3", "2001::/23", "2002::/16", "4000::/2", "8000::/1",
)  # fmt: skip

_MAPPED: Final = bytes(10) + b"\xff\xff"
_CLASS_E: Final = 240


class NetworkSet:
    """A set of networks. `ip in addresses` costs one bisection per address family."""

    __slots__ = ("_edges",)

    def __init__(self, networks: Iterable[Network]) -> None:
        # Edges alternate: a network begins at an even index and ends before the next, odd one.
        self._edges: dict[int, list[bytes]] = {4: [], 16: []}
        known = list(networks)
        for family, edges in self._edges.items():
            spans = sorted(
                (int(each.network_address), int(each.broadcast_address) + 1)
                for each in known
                if each.max_prefixlen == family * 8
            )
            joined: list[list[int]] = []
            for start, end in spans:
                if joined and start <= joined[-1][1]:
                    joined[-1][1] = max(end, joined[-1][1])
                else:
                    joined.append([start, end])
            # One byte longer than an address, so that the edge behind the last address has a value too.
            edges.extend(edge.to_bytes(family + 1, "big") for edge in chain.from_iterable(joined))

    def contains(self, packed: bytes) -> bool:
        return bisect_right(self._edges[len(packed)], b"\x00" + packed) % 2 == 1

    def __contains__(self, ip: str) -> bool:
        return self.contains(pack_ip(ip))


def _networks(texts: Iterable[str]) -> list[Network]:
    return [ip_network(each) for each in texts]


_NOT_GLOBAL: Final = NetworkSet(_networks((*INTERNAL, *DOCUMENTATION)))
_CLOUDFLARE: Final = NetworkSet(_networks(CLOUDFLARE))


def pack_ip(ip: str) -> bytes:
    """The 4 or 16 bytes of an IP; an IPv4-mapped one becomes IPv4. Raises OSError or ValueError."""
    if ":" not in ip:
        return socket.inet_pton(socket.AF_INET, ip)
    packed = socket.inet_pton(socket.AF_INET6, ip)
    return packed[12:] if packed.startswith(_MAPPED) else packed


def unpack_ip(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


@lru_cache(8192)
def canonical_ip(text: str) -> str | None:
    """The one written form of an IP, or None if the text is none: zones and leading zeros are refused."""
    try:
        return unpack_ip(pack_ip(text))
    except (OSError, ValueError):
        return None


def is_global(packed: bytes) -> bool:
    """Whether an IP can belong to a visitor: it is not private, reserved or for documentation."""
    return not _NOT_GLOBAL.contains(packed)


def truncate_ip(ip: str) -> str:
    """The network that is stored in place of the IP without consent: /24 of IPv4, /48 of IPv6."""
    packed = pack_ip(ip)
    if len(packed) == 4:
        return unpack_ip(packed[:3] + b"\x00") + "/24"
    return unpack_ip(packed[:6] + bytes(10)) + "/48"


def read_networks(texts: Iterable[str], *, setting: str) -> list[Network]:
    """Parse CIDR texts. Raises InvalidError that names `setting` and the text."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError as error:
            raise InvalidError(
                f"{setting}: {text!r} is no network; write an IP address or a prefix such as 10.0.0.0/8"
            ) from error
    return found


class ClientIp(NamedTuple):
    """The visitor's IP in canonical form, and where it was read. `ip` is None when the socket has no IP address."""

    ip: str | None
    source: ClientIpSource


class ClientIpReader:
    """Finds the visitor's IP behind trusted proxies. Headers from any other peer are ignored.

    `X-Forwarded-For` (else `Forwarded`, else `X-Real-IP`) of a trusted peer is read from the right: the first entry
    that is not a trusted proxy is the visitor. If an entry cannot be read, everything left of it could be forged, and
    the nearest trusted proxy that can be read is taken for the visitor. `CF-Connecting-IP` counts only from Cloudflare.
    """

    __slots__ = ("_cloudflare", "_trusted")

    def __init__(self, trusted: Sequence[str] = (), *, cloudflare: bool = True) -> None:
        self._trusted = NetworkSet(read_networks(trusted, setting="trusted proxy")) if trusted else None
        self._cloudflare = cloudflare

    def find(self, peer: str, headers: Mapping[str, str], repeated: frozenset[str] = frozenset()) -> ClientIp:
        """`headers` by lower-case name, lines of one name joined by commas; `repeated`: names with several lines."""
        ip = canonical_ip(peer)
        if self._trusted is None or ip is None or ip not in self._trusted:
            return ClientIp(ip, "peer")
        if self._cloudflare and "cf-connecting-ip" in headers and ip in _CLOUDFLARE:
            found = None if "cf-connecting-ip" in repeated else _cloudflare_ip(headers)
            return ClientIp(found, "cloudflare") if found else ClientIp(ip, "peer")
        for name, entries in _CHAINS.items():
            if name in headers:
                found = self._last_untrusted(entries(headers[name]))
                return ClientIp(found, "forwarded") if found else ClientIp(ip, "peer")
        return ClientIp(ip, "peer")

    def is_trusted(self, peer: str) -> bool:
        """Whether the headers of this peer about the visitor's IP and scheme count."""
        ip = canonical_ip(peer)
        return self._trusted is not None and ip is not None and ip in self._trusted

    def _last_untrusted(self, entries: list[str]) -> str | None:
        assert self._trusted is not None  # noqa: S101 - only asked on behalf of a trusted peer
        last_proxy = None
        for entry in reversed(entries):
            ip = canonical_ip(_without_port(entry.strip()))
            if ip is None:
                return last_proxy
            if ip not in self._trusted:
                return ip
            last_proxy = ip
        return last_proxy


def _cloudflare_ip(headers: Mapping[str, str]) -> str | None:
    ip = canonical_ip(headers["cf-connecting-ip"].strip())
    # "Pseudo IPv4" puts a made-up address of class E here and the true one into CF-Connecting-IPv6.
    if ip and ":" not in ip and pack_ip(ip)[0] >= _CLASS_E:
        return canonical_ip(headers.get("cf-connecting-ipv6", "").strip())
    return ip


def _without_port(entry: str) -> str:
    """`1.2.3.4:80` -> 1.2.3.4; `[2001:db8::1]:443` and `[2001:db8::1]` -> 2001:db8::1"""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _forwarded(value: str) -> list[str]:
    """The `for=` nodes of RFC 7239, one for each element; empty where an element has none."""
    nodes = []
    for element in value.split(","):
        node = ""
        for pair in element.split(";"):
            name, _, text = pair.partition("=")
            if name.strip().lower() == "for":
                node = text.strip().strip('"')
        nodes.append(node)
    return nodes


def _comma_separated(value: str) -> list[str]:
    return value.split(",")


_CHAINS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "x-forwarded-for": _comma_separated,
    "forwarded": _forwarded,
    "x-real-ip": _comma_separated,
}
