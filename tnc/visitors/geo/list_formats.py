"""Parses lists of networks as publishers write them: text, CSV, geofeeds, JSON of the clouds, AS numbers.

Single lines that cannot be read are skipped and counted. A list with impossibly wide or private networks, or a file
that is no list, is refused as a whole.
"""

import json
import re
import socket
from bisect import bisect_right
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import chain
from typing import Any, Final

from msgspec import Struct, msgpack

from tnc.core.errors import InvalidError
from tnc.visitors.client_ip import INTERNAL

# By width of the address: no operator has a wider network; in a list it is a mistake.
_SHORTEST_PREFIX: Final = {32: 8, 128: 19}
_MAX_V4_ADDRESSES: Final = 1 << 30  # the data centres of the world have a third of that
# Where publishers keep prefixes in JSON: AWS, Google and Bing, Azure, Oracle, Zscaler, and plain lists.
_JSON_KEYS: Final = frozenset(
    {"ip_prefix", "ipv6_prefix", "ipv4Prefix", "ipv6Prefix", "addressPrefixes", "cidr", "range", "prefix", "prefixes"}
)
# A text like this is a network under any key.
_PREFIX: Final = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*/[0-9]{1,3}")
_AS_NUMBER: Final = re.compile(r"(?i)(?:asn?)?([0-9]{1,10})")
# `first,last,...` of CSV databases: two addresses on a line are a range.
_COLUMNS: Final = re.compile(
    r'"?([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*)"?[,\t][ ]*"?([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*)"?(?:[,\t]|$)'
)
_COMMENT: Final = re.compile(r"[#;,]")

Span = tuple[int, int]  # half-open

_SPAN_BYTES: Final = 17  # the end of the last IPv6 network needs more than 128 bits


class NetworkFeed(Struct, frozen=True, kw_only=True):
    """A parsed list: networks as half-open spans of numbers, merged and sorted, and AS numbers."""

    v4: list[Span] = []
    v6: list[Span] = []
    asns: frozenset[int] = frozenset()
    entries: int = 0  # lines that were read
    unfit: int = 0  # lines that could not be read
    # The list contains access networks too: it is shown beside other lists and sets no flag of its own.
    weak: bool = False


class _Packed(Struct, frozen=True, kw_only=True, array_like=True):
    """A feed on disk: msgpack numbers have at most 64 bits."""

    v4: list[Span]
    v6: list[tuple[bytes, bytes]]
    asns: list[int]
    entries: int
    unfit: int
    weak: bool


def pack_feed(feed: NetworkFeed) -> bytes:
    packed = _Packed(
        v4=feed.v4,
        v6=[(start.to_bytes(_SPAN_BYTES, "big"), end.to_bytes(_SPAN_BYTES, "big")) for start, end in feed.v6],
        asns=sorted(feed.asns),
        entries=feed.entries,
        unfit=feed.unfit,
        weak=feed.weak,
    )
    return msgpack.encode(packed)


def unpack_feed(raw: bytes) -> NetworkFeed:
    """Raises msgspec.DecodeError for anything else than a packed feed."""
    packed = msgpack.decode(raw, type=_Packed)
    return NetworkFeed(
        v4=packed.v4,
        v6=[(int.from_bytes(start, "big"), int.from_bytes(end, "big")) for start, end in packed.v6],
        asns=frozenset(packed.asns),
        entries=packed.entries,
        unfit=packed.unfit,
        weak=packed.weak,
    )


def read_feed(raw: bytes, *, name: str) -> NetworkFeed:
    """Raises InvalidError when the list is refused; the message begins with `name`."""
    text = raw.decode("utf-8-sig", "replace").strip()
    if not text:
        raise InvalidError(f"{name} is empty; download it again")
    if text.startswith("<"):
        raise InvalidError(f"{name} is a web page and no list; check the URL it came from")
    weak = text[:4].lower() == "asn,"
    spans: dict[int, list[Span]] = {32: [], 128: []}
    asns: set[int] = set()
    fit = unfit = 0
    try:
        entries = list(_entries(text, table=weak))
    except RecursionError as error:
        raise InvalidError(f"{name} is nested too deeply to be a list of networks") from error
    for entry in entries:
        try:
            if weak or entry[:2] in {"AS", "as"}:
                asns.add(_as_number(entry))
            else:
                width, span = _span(entry)
                spans[width].append(span)
        except (ValueError, OSError):
            unfit += 1
            continue
        fit += 1
    if not fit or unfit > fit:
        raise InvalidError(
            f"{name} holds {fit} readable networks and {unfit} unreadable lines; it is no list of networks"
        )
    for width, found in spans.items():
        _refuse_too_wide(width, found, name)
    v4 = _merged(spans[32])
    if sum(end - start for start, end in v4) > _MAX_V4_ADDRESSES:
        raise InvalidError(f"{name} holds more than a quarter of the Internet; the whole list is refused")
    return NetworkFeed(v4=v4, v6=_merged(spans[128]), asns=frozenset(asns), entries=fit, unfit=unfit, weak=weak)


def _entries(text: str, *, table: bool) -> Iterator[str]:
    """The networks as texts, without comments and headers."""
    if text[0] in "{[":
        try:
            yield from _json_entries(json.loads(text))
        except json.JSONDecodeError:
            yield from _json_lines(text)
        return
    for line in text.splitlines()[1 if table else 0 :]:
        columns = _COLUMNS.match(line)
        entry = "-".join(columns.groups()) if columns else _COMMENT.split(line, maxsplit=1)[0].strip(' "\t')
        if entry:
            yield entry


def _json_entries(node: Any, key: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _json_entries(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _json_entries(value, key or "prefixes")
    elif isinstance(node, str) and (key in _JSON_KEYS or _PREFIX.fullmatch(node)):
        yield node


def _json_lines(text: str) -> Iterator[str]:
    """One JSON object a line, as in Spamhaus ASN-DROP, whose last line describes the list."""
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            yield line
            continue
        if isinstance(record, dict) and "asn" in record:
            yield f"AS{record['asn']}"
        else:
            yield from _json_entries(record)


def _as_number(entry: str) -> int:
    number = _AS_NUMBER.fullmatch(entry)
    if number is None:
        raise ValueError(entry)
    return int(number.group(1))


def _span(entry: str) -> tuple[int, Span]:
    """The bits of the address family, and the span of a prefix, an address, or a range `first - last`."""
    first, dash, last = entry.partition("-")
    if dash:
        width, low = _number(first.strip())
        other, high = _number(last.strip())
        if width != other or high < low:
            raise ValueError(entry)
        return width, (low, high + 1)
    address, slash, length = entry.partition("/")
    if "." in address and address.count(":") == 1:  # a proxy with its port
        address = address.partition(":")[0]
    width, number = _number(address)
    free = width - int(length) if slash else 0
    if not 0 <= free <= width:
        raise ValueError(entry)
    start = number >> free << free
    return width, (start, start + (1 << free))


def _number(address: str) -> tuple[int, int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    return len(packed) * 8, int.from_bytes(packed, "big")


def _internal_edges(width: int) -> list[int]:
    networks = sorted(each for each in map(ip_network, INTERNAL) if each.max_prefixlen == width)
    return list(chain.from_iterable((int(each[0]), int(each[-1]) + 1) for each in networks))


_INTERNAL: Final = {width: _internal_edges(width) for width in _SHORTEST_PREFIX}


def _refuse_too_wide(width: int, spans: list[Span], name: str) -> None:
    edges = _INTERNAL[width]
    for start, end in spans:
        index = bisect_right(edges, start)
        internal = index % 2 == 1 or (index < len(edges) and edges[index] < end)
        if internal or end - start > 1 << (width - _SHORTEST_PREFIX[width]):
            family = socket.AF_INET if width == 32 else socket.AF_INET6
            first = socket.inet_ntop(family, start.to_bytes(width // 8, "big"))
            raise InvalidError(
                f"{name} holds the network at {first}, which no operator can have; the whole list is refused,"
                " get a corrected one"
            )


def _merged(spans: list[Span]) -> list[Span]:
    """The same networks, sorted and joined where they touch."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
