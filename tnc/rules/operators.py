"""What the operators mean: each function turns values that were checked into a fast test of a fact's value.

`is` and `not` see a missing value as `unknown`; every other operator is false where nothing is known.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import re2

from tnc.core.errors import InvalidError

Holds = Callable[[Any], bool]
Key = Callable[[str], Any]
UNKNOWN: Final = "unknown"

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_LEADING_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


def number(text: str) -> float | None:
    """The number that a parameter looks like, or None: plain decimals, no exponent, no thousands sign."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def version(text: str) -> tuple[int, ...] | None:
    """`"10.15.0"` -> `(10, 15)`: compares as versions do. None for a name like `Vista`."""
    parts = []
    for part in text.split("."):
        digits = _LEADING_DIGITS.match(part)
        if digits is None:
            break
        parts.append(int(digits[0]))
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts) or None


def known(holds: Holds) -> Holds:
    return lambda value: value is not None and holds(value)


# ------------------------------------------------------------------------------------------ is and not


def one_of(values: Collection[Any]) -> Holds:
    """For facts whose values are written in one way only, like countries and numbers."""
    unknown = {None} if UNKNOWN in values else set()
    return (frozenset(values) | unknown).__contains__


def one_of_texts(texts: Iterable[str]) -> Holds:
    allowed = frozenset(text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda value: unknown if value is None else value.casefold() in allowed


def one_of_versions(texts: Iterable[str]) -> Holds:
    """`17` and `17.0` are one version; a name like `Vista` is a text."""
    allowed = frozenset(version(text) or text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda value: unknown if value is None else (version(value) or value.casefold()) in allowed


def one_of_free(texts: Iterable[str], numbers: Collection[float]) -> Holds:
    """A free parameter is any of the texts, or looks like one of the numbers."""
    as_text = one_of_texts(texts)
    if not numbers:
        return as_text
    return lambda value: as_text(value) or (value is not None and number(value) in numbers)


def any_of(texts: Iterable[str]) -> Holds:
    """For lists: one of their entries is any of the texts; an empty list is unknown."""
    allowed = frozenset(text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda entries: any(entry.casefold() in allowed for entry in entries) if entries else unknown


def negated(holds: Holds) -> Holds:
    return lambda value: not holds(value)


# ------------------------------------------------------------------------------------------------ text


def contains(needles: Iterable[str]) -> Holds:
    folded = tuple(needle.casefold() for needle in needles)

    def holds(text: str) -> bool:
        hay = text.casefold()
        return any(needle in hay for needle in folded)

    return holds


def starts(beginnings: Iterable[str]) -> Holds:
    folded = tuple(beginning.casefold() for beginning in beginnings)
    return lambda text: text.casefold().startswith(folded)


def ends(endings: Iterable[str]) -> Holds:
    folded = tuple(ending.casefold() for ending in endings)
    return lambda text: text.casefold().endswith(folded)


def matches(patterns: Sequence[str]) -> Holds:
    """RE2, in any case, anywhere in the text. Raises InvalidError with RE2's own words."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    for pattern in patterns:
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            reason = error.args[0].decode(errors="replace")
            raise InvalidError(
                f"the pattern {pattern!r} is not valid in RE2, which has no look-around and no references: {reason}"
            ) from error
    search = re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options).search
    # Bytes, because a header may hold halves of characters that no encoder takes.
    return lambda text: search(text.encode(errors="replace")) is not None


def any_entry(holds: Holds) -> Holds:
    return lambda entries: any(map(holds, entries))


# ----------------------------------------------------------------------------------------------- order


def measured(key: Key, holds: Holds) -> Holds:
    """`holds` of what `key` makes of the text: a number, a version; false where it makes nothing of it."""

    def of_text(text: str) -> bool:
        size = key(text)
        return size is not None and holds(size)

    return of_text


def around(low: int, high: int, size: int) -> frozenset[int]:
    """The numbers from `low` to `high`, both included, on a clock face of `size`: 22 to 6 goes over midnight."""
    return frozenset((low + step) % size for step in range((high - low) % size + 1))


# ------------------------------------------------------------------------------------------- addresses


def in_networks(networks: Iterable[IPv4Network | IPv6Network]) -> Holds:
    """The address lies in one of the networks. One that was cut (`203.0.113.0/24`) must lie in it as a whole."""
    prefixes: dict[tuple[int, int], set[int]] = {}
    for network in networks:
        shift = network.max_prefixlen - network.prefixlen
        prefixes.setdefault((network.version, network.prefixlen), set()).add(int(network.network_address) >> shift)
    by_length = tuple((family, length, frozenset(found)) for (family, length), found in prefixes.items())

    def holds(text: str) -> bool:
        address, _, cut = text.partition("/")
        try:
            parsed = ip_address(address)
            own = int(cut) if cut else parsed.max_prefixlen
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed, own = parsed.ipv4_mapped, own - 96
        value, size = int(parsed), parsed.max_prefixlen
        return any(
            family == parsed.version and length <= own and value >> (size - length) in found
            for family, length, found in by_length
        )

    return holds
