"""The operators of conditions: each function turns checked values into a fast predicate on the value of a fact.

`is` and `not` see a missing value as `unknown`; every other operator is false for it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import re2

from tnc.core.errors import InvalidError

Predicate = Callable[[Any], bool]
UNKNOWN: Final = "unknown"

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_LEADING_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


def number(text: str) -> float | None:
    """The number that a parameter looks like, or None: plain decimals, no exponent, no thousands separator."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def version(text: str) -> tuple[int, ...] | None:
    """`"10.15.0"` -> `(10, 15)`, which compares as versions do. None for a name like `Vista`."""
    parts = []
    for part in text.split("."):
        digits = _LEADING_DIGITS.match(part)
        if digits is None:
            break
        parts.append(int(digits[0]))
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts) or None


def negated(holds: Predicate) -> Predicate:
    return lambda value: not holds(value)


def false_if_unknown(holds: Predicate) -> Predicate:
    return lambda value: value is not None and holds(value)


def compare_by(measure: Callable[[str], Any], holds: Predicate) -> Predicate:
    """Applies `holds` to the number or version that a text is; false for a text that is none."""

    def of_text(text: str) -> bool:
        size = measure(text)
        return size is not None and holds(size)

    return of_text


# ------------------------------------------------------------------------------------------ is and not


def one_of(values: Collection[Any]) -> Predicate:
    """For facts that have one spelling for each value, like countries and numbers."""
    unknown = {None} if UNKNOWN in values else set()
    return (frozenset(values) | unknown).__contains__


def one_of_texts(texts: Iterable[str]) -> Predicate:
    allowed = frozenset(text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda value: unknown if value is None else value.casefold() in allowed


def one_of_versions(texts: Iterable[str]) -> Predicate:
    """`17` and `17.0` are one version; a name like `Vista` is compared as text."""
    allowed = frozenset(version(text) or text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda value: unknown if value is None else (version(value) or value.casefold()) in allowed


def one_of_free(texts: Iterable[str], numbers: Collection[float]) -> Predicate:
    """For free parameters: equal to one of the texts, or looks like one of the numbers."""
    as_text = one_of_texts(texts)
    if not numbers:
        return as_text
    return lambda value: as_text(value) or (value is not None and number(value) in numbers)


def any_of(texts: Iterable[str]) -> Predicate:
    """For lists: at least one entry is one of the texts; an empty list is unknown."""
    allowed = frozenset(text.casefold() for text in texts)
    unknown = UNKNOWN in allowed
    return lambda entries: any(entry.casefold() in allowed for entry in entries) if entries else unknown


# ------------------------------------------------------------------------------------------------ text


def contains(needles: Iterable[str]) -> Predicate:
    folded = tuple(needle.casefold() for needle in needles)

    def holds(text: str) -> bool:
        hay = text.casefold()
        return any(needle in hay for needle in folded)

    return holds


def starts(beginnings: Iterable[str]) -> Predicate:
    folded = tuple(beginning.casefold() for beginning in beginnings)
    return lambda text: text.casefold().startswith(folded)


def ends(endings: Iterable[str]) -> Predicate:
    folded = tuple(ending.casefold() for ending in endings)
    return lambda text: text.casefold().endswith(folded)


def matches(patterns: Sequence[str]) -> Predicate:
    """RE2, ignoring case, anywhere in the text. Raises InvalidError with RE2's message."""
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


def any_entry(holds: Predicate) -> Predicate:
    return lambda entries: any(map(holds, entries))


# ------------------------------------------------------------------------------------------- addresses


def in_networks(networks: Iterable[IPv4Network | IPv6Network]) -> Predicate:
    """The address is in one of the networks. A truncated one (`203.0.113.0/24`) must be in it as a whole."""
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
