"""One database of addresses in MaxMind's file format, whoever made it: recognised by what its records hold.

Files are opened with `MODE_MMAP_EXT` only: the other modes are pure Python and ten times slower. An open
file must never be written to (a truncated map ends the process), which is why `facts.ipdb` owns its files.
"""

import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import maxminddb
from maxminddb.const import MODE_MMAP_EXT

from tnc.core.errors import InvalidError
from tnc.visitors.request import clean

log: Final = logging.getLogger(__name__)

_SAMPLE: Final = 300  # records looked at to see what a database holds
_MAX_NAME: Final = 100
_REMEMBERED: Final = 8192
# What a damaged file has been seen to raise, at opening and at any later record.
DAMAGE: Final = (maxminddb.InvalidDatabaseError, OSError, ValueError, TypeError, RuntimeError, MemoryError)

Record = Mapping[str, Any]
Found = dict[str, Any]
Tell = Callable[[Record, Found], None]  # puts what a record knows into what was found so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    name: str
    attribution: str | None = None  # the sentence that must stand on each page that shows geography
    url: str | None = None


_LICENCES: Final = (
    (("db-ip", "dbip"), Licence(name="CC BY 4.0", attribution="IP Geolocation by DB-IP", url="https://db-ip.com")),
    (
        ("geolite2", "geoip2", "geoip-"),
        Licence(
            name="MaxMind End User License Agreement",
            attribution="This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com",
            url="https://www.maxmind.com",
        ),
    ),
    (
        ("ipinfo",),
        Licence(name="CC BY-SA 4.0", attribution="IP address data powered by IPinfo", url="https://ipinfo.io"),
    ),
    (
        ("ip2location",),
        Licence(
            name="IP2Location LITE",
            attribution="This site or product includes IP2Location LITE data",
            url="https://lite.ip2location.com",
        ),
    ),
)
UNKNOWN_LICENCE: Final = Licence(name="not stated in the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a database is, for lists and pages. `built_ms` is the moment its maker wrote it."""

    name: str
    kind: str  # city, country, asn, connection, anonymous, registry, networks; joined with + when it is several
    gives: frozenset[str]  # fields of a place
    built_ms: int | None
    ip_version: int
    licence: Licence


def _word(value: Any) -> str | None:
    """A name as the database writes it, in the composed form of Unicode."""
    if not isinstance(value, str):
        return None
    return unicodedata.normalize("NFC", clean(value).strip())[:_MAX_NAME] or None


def _country(value: Any) -> str | None:
    """ISO 3166-1 alpha-2; continents and placeholders that registries write there are no countries."""
    if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha():
        code = value.upper()
        return None if code in {"EU", "AP", "XX", "ZZ"} else code
    return None


def _inner(record: Record, key: str) -> Record:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _english(place: Any) -> str | None:
    if not isinstance(place, dict):
        return None
    names = _inner(place, "names")
    return _word(names.get("en")) or _word(next(iter(names.values()), None)) or _word(place.get("iso_code"))


def _number(value: Any) -> int | None:
    """15169 and "AS15169" alike."""
    if isinstance(value, str) and value[:2].upper() == "AS" and value[2:].isdecimal():
        value = int(value[2:])
    return value if type(value) is int and 0 < value < 2**32 else None


def _put(found: Found, fact: str, value: Any) -> None:
    if value is not None:
        found[fact] = value


def _flat(record: Record, found: Found) -> None:
    found.update(_place(record.get("country_code"), record.get("state1"), record.get("city")))


@lru_cache(_REMEMBERED)
def _place(country: Any, region: Any, city: Any) -> Found:
    """Visitors come from the same few thousand places: only the reader of a file is asked anew each time."""
    found: Found = {}
    _put(found, "country", _country(country))
    _put(found, "region", _word(region))
    _put(found, "city", _word(city))
    return found


def _nested(record: Record, found: Found) -> None:
    divisions = record.get("subdivisions")
    _put(found, "country", _country(_inner(record, "country").get("iso_code")))
    _put(found, "region", _english(divisions[0]) if isinstance(divisions, list) and divisions else None)
    _put(found, "city", _english(record.get("city")))


def _ipinfo(record: Record, found: Found) -> None:
    _put(found, "country", _country(record.get("country_code")) or _country(record.get("country")))
    _put(found, "region", _word(record.get("region")))
    _put(found, "city", _word(record.get("city")))
    _put(found, "asn", _number(record.get("asn")))
    _put(found, "isp", _word(record.get("as_name")))


def _network(record: Record, found: Found) -> None:
    name = record.get("isp") or record.get("autonomous_system_organization")
    found.update(_operator(record.get("autonomous_system_number"), name))


@lru_cache(_REMEMBERED)
def _operator(number: Any, name: Any) -> Found:
    found: Found = {}
    _put(found, "asn", _number(number))
    _put(found, "isp", _word(name))
    return found


_CONNECTIONS: Final = {
    "cable/dsl": "broadband",
    "cellular": "cellular",
    "corporate": "corporate",
    "satellite": "satellite",
    "dialup": "dialup",
}


def _connection(record: Record, found: Found) -> None:
    _put(found, "connection", _CONNECTIONS.get(str(record.get("connection_type", "")).lower()))


def _anonymous(record: Record, found: Found) -> None:
    """Keys exist only when true: without the key it is known that it is not."""
    found["vpn"] = record.get("is_anonymous_vpn") is True
    found["proxy"] = record.get("is_public_proxy") is True or record.get("is_residential_proxy") is True
    found["tor"] = record.get("is_tor_exit_node") is True
    found["datacenter"] = record.get("is_hosting_provider") is True


def _residential(record: Record, found: Found) -> None:
    if "provider_name" in record:
        found["proxy"] = True


def _traits(layout: Tell) -> Tell:
    """The same facts, in the `traits` of a nested record."""

    def tell(record: Record, found: Found) -> None:
        layout(_inner(record, "traits"), found)

    return tell


@dataclass(frozen=True, slots=True)
class Layout:
    kind: str
    marks: frozenset[str]  # one of these keys shows the layout; those of traits as "traits.KEY"
    tell: Tell
    unless: frozenset[str] = frozenset()


_NETWORK_KEYS: Final = ("autonomous_system_number", "autonomous_system_organization", "isp")
_ANONYMOUS_KEYS: Final = (
    "is_anonymous", "is_anonymous_vpn", "is_hosting_provider", "is_public_proxy", "is_tor_exit_node",
)  # fmt: skip


def _marks(*names: str, inside: str = "") -> frozenset[str]:
    return frozenset(inside + name for name in names)


_LAYOUTS: Final = (
    Layout("flat", _marks("country_code"), _flat, unless=_marks("asn", "as_name")),
    Layout("nested", _marks("country.iso_code", "subdivisions", "city.names"), _nested),
    Layout("ipinfo", _marks("as_name", "asn"), _ipinfo),
    Layout("asn", _marks(*_NETWORK_KEYS), _network),
    Layout("asn", _marks(*_NETWORK_KEYS, inside="traits."), _traits(_network)),
    Layout("connection", _marks("connection_type"), _connection),
    Layout("connection", _marks("connection_type", inside="traits."), _traits(_connection)),
    Layout("anonymous", _marks(*_ANONYMOUS_KEYS), _anonymous),
    Layout("anonymous", _marks(*_ANONYMOUS_KEYS, inside="traits."), _traits(_anonymous)),
    Layout("residential", _marks("provider_name"), _residential, unless=_marks("is_anonymous")),
)
_FACTS_OF_KIND: Final = {
    "asn": ("asn", "isp"),
    "connection": ("connection",),
    "anonymous": ("vpn", "proxy", "tor", "datacenter"),
    "residential": ("proxy",),
}


class Database:
    """An open file. `tell` says what it knows of an address; damage is told once and reads as not known."""

    __slots__ = ("_layouts", "_lists_all", "_reader", "_told", "about", "has_v4")

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        """Raises InvalidError when the file is no such database, is damaged, or holds nothing of use."""
        called = name or path.name
        try:
            self._reader = maxminddb.open_database(path, MODE_MMAP_EXT)
            metadata = self._reader.metadata()
            keys, records, first = _sample(self._reader)
        except DAMAGE as error:
            raise InvalidError(f"{called} cannot be read as an address database; download it again") from error
        self._told = False
        layouts = tuple(each for each in _LAYOUTS if each.marks & keys and not each.unless & keys)
        if not layouts:
            raise InvalidError(
                f"{called} is an address database without facts that tnc knows: {records} records"
                f" with {_some(keys)}; give one with countries, cities, networks or connection types"
            )
        self.about = _about(called, metadata, layouts, keys)
        self._layouts = tuple(each.tell for each in layouts)
        # A joint file keeps IPv4 at the beginning of its tree; one for IPv6 alone begins later.
        self.has_v4 = self.about.ip_version == 4 or first < 1 << 32
        # Data on anonymous addresses lists all of them: of every other it is known that it is none.
        self._lists_all = self.about.kind == "anonymous"

    def tell(self, ip: str, found: Found) -> None:
        """Put the facts on a canonical, global address over what was found; only those that are known."""
        try:
            record = self._reader.get(ip)
            if record is None:
                if self._lists_all:
                    _anonymous({}, found)
            elif isinstance(record, dict):
                for tell in self._layouts:
                    tell(record, found)
            else:
                self._complain()
        except DAMAGE:
            self._complain()

    @property
    def is_damaged(self) -> bool:
        """Whether a record that could not be read was met."""
        return self._told

    def _complain(self) -> None:
        if not self._told:
            self._told = True
            log.error("address database is damaged; what it held is unknown now", extra={"database": self.about.name})


def _sample(reader: maxminddb.Reader) -> tuple[frozenset[str], int, int]:
    """The keys of the first records, inner ones as `outer.inner`, how many there are, and the very first address."""
    keys: set[str] = set()
    count, first = 0, 0
    for network, record in islice(reader, _SAMPLE):
        first = int(network[0]) if count == 0 else first
        count += 1
        if not isinstance(record, dict):
            continue
        for key, value in record.items():
            keys.add(key)
            if isinstance(value, dict):
                keys.update(f"{key}.{inner}" for inner in value)
    return frozenset(keys), count, first


def _some(keys: frozenset[str]) -> str:
    return ", ".join(sorted(keys)[:6]) or "no named values"


def _about(name: str, metadata: Any, layouts: tuple[Layout, ...], keys: frozenset[str]) -> About:
    gives: set[str] = set()
    kinds: list[str] = []
    for each in layouts:
        if each.kind in _FACTS_OF_KIND:
            gives.update(_FACTS_OF_KIND[each.kind])
            kinds.append(each.kind)
            continue
        gives.add("country")
        if keys & {"city", "city.names"}:
            gives.update(("region", "city"))
        if each.kind == "ipinfo":
            gives.update(("asn", "isp"))
        kinds.append("city" if "city" in gives else "country")
    description = metadata.description if isinstance(metadata.description, dict) else {}
    words = f"{name} {metadata.database_type} {' '.join(map(str, description.values()))}".lower()
    licence = next((known for marks, known in _LICENCES if any(mark in words for mark in marks)), UNKNOWN_LICENCE)
    built = metadata.build_epoch
    return About(
        name=name,
        kind="+".join(dict.fromkeys(kinds)),
        gives=frozenset(gives),
        built_ms=built * 1000 if isinstance(built, int) and 0 < built < 2**33 else None,
        ip_version=metadata.ip_version,
        licence=licence,
    )
