"""A small address database in MaxMind's format, version 2.0: IPv4 networks with country, region and city."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARK = b"\xab\xcd\xefMaxMind.com"
_RECORD_BITS = 24

PLACES: Mapping[str, tuple[str, str, str]] = {
    "8.8.0.0/16": ("US", "Oregon", "Portland"),
    "24.48.0.0/16": ("CA", "Quebec", "Montreal"),
    "81.2.69.0/24": ("GB", "England", "London"),
    "194.25.0.0/16": ("DE", "Hesse", "Frankfurt"),
}


def write_city_database(path: Path, *, built_ms: int) -> None:
    """A file that says by its description that it comes from DB-IP, whose licence asks for an attribution."""
    tree: list[list[int | bytes | None]] = [[None, None]]
    for network, (country, region, city) in PLACES.items():
        record = {"country_code": country, "state1": region, "city": city}
        _insert(tree, ipaddress.IPv4Network(network), _encode(record))
    data, nodes = bytearray(), bytearray()
    for node in tree:
        for child in node:
            if isinstance(child, bytes):
                number = len(tree) + 16 + len(data)  # the 16 zeros between tree and data are counted
                data += child
            else:
                number = len(tree) if child is None else child
            nodes += number.to_bytes(_RECORD_BITS // 8, "big")
    about = {
        "node_count": _control(6, 4) + len(tree).to_bytes(4, "big"),  # each number has a type that readers insist on
        "record_size": _uint16(_RECORD_BITS),
        "ip_version": _uint16(4),
        "database_type": "DBIP-City-Lite",
        "languages": ["en"],
        "binary_format_major_version": _uint16(2),
        "binary_format_minor_version": _uint16(0),
        "build_epoch": bytes((8, 9 - 7)) + (built_ms // 1000).to_bytes(8, "big"),
        "description": {"en": "DB-IP City Lite"},
    }
    path.write_bytes(bytes(nodes) + bytes(16) + bytes(data) + _MARK + _encode(about))


def _insert(tree: list[list[int | bytes | None]], network: ipaddress.IPv4Network, record: bytes) -> None:
    address, node = int(network.network_address), 0
    for depth in range(network.prefixlen):
        bit = address >> (31 - depth) & 1
        if depth == network.prefixlen - 1:
            tree[node][bit] = record
            return
        child = tree[node][bit]
        if not isinstance(child, int):
            child = tree[node][bit] = len(tree)
            tree.append([None, None])
        node = child


def _encode(value: Any) -> bytes:
    match value:
        case str():
            text = value.encode()
            return _control(2, len(text)) + text
        case bytes():
            return value  # encoded before
        case list():
            return bytes((len(value), 11 - 7)) + b"".join(map(_encode, value))  # an extended type
        case dict():
            pairs = (_encode(name) + _encode(each) for name, each in value.items())
            return _control(7, len(value)) + b"".join(pairs)
        case _:
            raise TypeError(value)


def _uint16(value: int) -> bytes:
    return _control(5, 2) + value.to_bytes(2, "big")


def _control(kind: int, size: int) -> bytes:
    assert size < 29, "longer values have a size of their own"
    return bytes((kind << 5 | size,))
