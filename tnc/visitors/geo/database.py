"""One geo database in MaxMind's file format. Its layout is recognised by the keys of its records.

Files are opened with `MODE_MMAP_EXT` only: the other modes are pure Python and ten times slower. An open
file must never be written to (a truncated map kills the process), which is why `geo.catalog` owns its files.
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

_SAMPLE: Final = 300  # records that are read to recognise the layout
_MAX_NAME: Final = 100
_CACHE_SIZE: Final = 8192
# What damaged files were seen to raise, on opening and on any later record.
DAMAGE_ERRORS: Final = (maxminddb.InvalidDatabaseError, OSError, ValueError, TypeError, RuntimeError, MemoryError)

Record = Mapping[str, Any]
PlaceFacts = dict[str, Any]
AddFacts = Callable[[Record, PlaceFacts], None]  # adds the facts of a record


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    name: str
    attribution: str | None = None  # the sentence that each page with geography must show
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
class SourceInfo:
    """A database, as lists and pages describe it. `built_ms` is when its maker built it."""

    name: str
    kind: str  # city, country, asn, connection, anonymous, registry, networks; several are joined with +
    facts: frozenset[str]  # the fields of `Place` that it can know
    built_ms: int | None
    ip_version: int
    licence: Licence


def _name(value: Any) -> str | None:
    """A name as the database writes it, in composed Unicode (NFC)."""
    if not isinstance(value, str):
        return None
    return unicodedata.normalize("NFC", clean(value).strip())[:_MAX_NAME] or None


def _country(value: Any) -> str | None:
    """ISO 3166-1 alpha-2, without the continents and placeholders that registries use."""
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
    return _name(names.get("en")) or _name(next(iter(names.values()), None)) or _name(place.get("iso_code"))


def _number(value: Any) -> int | None:
    """An AS number, written 15169 or "AS15169"."""
    if isinstance(value, str) and value[:2].upper() == "AS" and value[2:].isdecimal():
        value = int(value[2:])
    return value if type(value) is int and 0 < value < 2**32 else None


def _put(found: PlaceFacts, fact: str, value: Any) -> None:
    if value is not None:
        found[fact] = value


def _flat(record: Record, found: PlaceFacts) -> None:
    found.update(_place(record.get("country_code"), record.get("state1"), record.get("city")))


@lru_cache(_CACHE_SIZE)
def _place(country: Any, region: Any, city: Any) -> PlaceFacts:
    """Cached: visitors come from the same few thousand places."""
    found: PlaceFacts = {}
    _put(found, "country", _country(country))
    _put(found, "region", _name(region))
    _put(found, "city", _name(city))
    return found


def _nested(record: Record, found: PlaceFacts) -> None:
    divisions = record.get("subdivisions")
    _put(found, "country", _country(_inner(record, "country").get("iso_code")))
    _put(found, "region", _english(divisions[0]) if isinstance(divisions, list) and divisions else None)
    _put(found, "city", _english(record.get("city")))


def _ipinfo(record: Record, found: PlaceFacts) -> None:
    _put(found, "country", _country(record.get("country_code")) or _country(record.get("country")))
    _put(found, "region", _name(record.get("region")))
    _put(found, "city", _name(record.get("city")))
    _put(found, "asn", _number(record.get("asn")))
    _put(found, "isp", _name(record.get("as_name")))


def _network(record: Record, found: PlaceFacts) -> None:
    name = record.get("isp") or record.get("autonomous_system_organization")
    found.update(_operator(record.get("autonomous_system_number"), name))


@lru_cache(_CACHE_SIZE)
def _operator(number: Any, name: Any) -> PlaceFacts:
    found: PlaceFacts = {}
    _put(found, "asn", _number(number))
    _put(found, "isp", _name(name))
    return found


_CONNECTIONS: Final = {
    "cable/dsl": "broadband",
    "cellular": "cellular",
    "corporate": "corporate",
    "satellite": "satellite",
    "dialup": "dialup",
}


def _connection(record: Record, found: PlaceFacts) -> None:
    _put(found, "connection", _CONNECTIONS.get(str(record.get("connection_type", "")).lower()))


def _anonymous(record: Record, found: PlaceFacts) -> None:
    """These databases have a key only where it is true: a missing key means False."""
    found["vpn"] = record.get("is_anonymous_vpn") is True
    found["proxy"] = record.get("is_public_proxy") is True or record.get("is_residential_proxy") is True
    found["tor"] = record.get("is_tor_exit_node") is True
    found["datacenter"] = record.get("is_hosting_provider") is True


def _residential(record: Record, found: PlaceFacts) -> None:
    if "provider_name" in record:
        found["proxy"] = True


def _traits(layout: AddFacts) -> AddFacts:
    """The same layout inside the `traits` of a nested record."""

    def add_facts(record: Record, found: PlaceFacts) -> None:
        layout(_inner(record, "traits"), found)

    return add_facts


@dataclass(frozen=True, slots=True)
class Layout:
    kind: str
    marks: frozenset[str]  # any of these keys shows the layout; keys inside traits are "traits.KEY"
    add_facts: AddFacts
    unless: frozenset[str] = frozenset()  # any of these keys rules it out


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
    """An open file. Damaged records are logged once and count as unknown."""

    __slots__ = ("_damage_logged", "_layouts", "_lists_all", "_reader", "about", "has_v4")

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        """Raises InvalidError when the file is no such database, is damaged, or has no facts that tnc uses."""
        shown_name = name or path.name
        try:
            self._reader = maxminddb.open_database(path, MODE_MMAP_EXT)
            metadata = self._reader.metadata()
            keys, records, first = _sample(self._reader)
        except DAMAGE_ERRORS as error:
            raise InvalidError(f"{shown_name} cannot be read as a geo database; download it again") from error
        self._damage_logged = False
        layouts = tuple(each for each in _LAYOUTS if each.marks & keys and not each.unless & keys)
        if not layouts:
            raise InvalidError(
                f"{shown_name} is a geo database without facts that tnc knows: {records} records"
                f" with {_some(keys)}; give one with countries, cities, networks or connection types"
            )
        self.about = _about(shown_name, metadata, layouts, keys)
        self._layouts = tuple(each.add_facts for each in layouts)
        # A file for both families has IPv4 at the beginning of its tree; one for IPv6 alone begins later.
        self.has_v4 = self.about.ip_version == 4 or first < 1 << 32
        # Data on anonymous addresses lists all of them: every other address is known not to be one.
        self._lists_all = self.about.kind == "anonymous"

    def add_facts(self, ip: str, found: PlaceFacts) -> None:
        """Add what is known about a canonical, global IP, over what was found before."""
        try:
            record = self._reader.get(ip)
            if record is None:
                if self._lists_all:
                    _anonymous({}, found)
            elif isinstance(record, dict):
                for add_facts in self._layouts:
                    add_facts(record, found)
            else:
                self._log_damage()
        except DAMAGE_ERRORS:
            self._log_damage()

    @property
    def is_damaged(self) -> bool:
        """Whether a record could not be read since the file was opened."""
        return self._damage_logged

    def _log_damage(self) -> None:
        if not self._damage_logged:
            self._damage_logged = True
            log.error("geo database is damaged; what it held is unknown now", extra={"database": self.about.name})


def _sample(reader: maxminddb.Reader) -> tuple[frozenset[str], int, int]:
    """The keys of the first records, inner ones as `outer.inner`; the number of these records; the first address."""
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


def _about(name: str, metadata: Any, layouts: tuple[Layout, ...], keys: frozenset[str]) -> SourceInfo:
    facts: set[str] = set()
    kinds: list[str] = []
    for each in layouts:
        if each.kind in _FACTS_OF_KIND:
            facts.update(_FACTS_OF_KIND[each.kind])
            kinds.append(each.kind)
            continue
        facts.add("country")
        if keys & {"city", "city.names"}:
            facts.update(("region", "city"))
        if each.kind == "ipinfo":
            facts.update(("asn", "isp"))
        kinds.append("city" if "city" in facts else "country")
    description = metadata.description if isinstance(metadata.description, dict) else {}
    text = f"{name} {metadata.database_type} {' '.join(map(str, description.values()))}".lower()
    licence = next((known for marks, known in _LICENCES if any(mark in text for mark in marks)), UNKNOWN_LICENCE)
    built = metadata.build_epoch
    return SourceInfo(
        name=name,
        kind="+".join(dict.fromkeys(kinds)),
        facts=frozenset(facts),
        built_ms=built * 1000 if isinstance(built, int) and 0 < built < 2**33 else None,
        ip_version=metadata.ip_version,
        licence=licence,
    )
