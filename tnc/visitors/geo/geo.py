"""Where an IP address is and which network it belongs to, by all installed geo data.

A `Geo` never changes. New data is a new `Geo`: requests that began with the old one finish with it.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Final

from iptocc import country_code
from msgspec import Struct

from tnc.core.fields import rfc3339
from tnc.visitors.client_ip import is_global, pack_ip
from tnc.visitors.geo.database import Database, Licence, PlaceFacts, SourceInfo
from tnc.visitors.geo.lists import FLAGS, NO_NETWORKS, Networks


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """What the geo data knows about an IP address. None: not known. False: known not to be."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    asn: int | None = None
    isp: str | None = None
    connection: str | None = None
    vpn: bool | None = None
    proxy: bool | None = None
    tor: bool | None = None
    datacenter: bool | None = None
    relay: bool | None = None


UNKNOWN_PLACE: Final = Place()
_CACHE_SIZE: Final = 8192  # lander clicks, postbacks and people who share an IP look up the same place again
PLACE_FACTS: Final = frozenset(Place.__struct_fields__)

REGISTRY: Final = SourceInfo(
    name="iptocc",
    kind="registry",
    facts=frozenset({"country"}),
    built_ms=None,
    ip_version=6,
    licence=Licence(name="MIT or Apache-2.0", url="https://pypi.org/project/iptocc/"),
)


@cache
def _registry_version() -> str:
    """Cached: the version is read from a file, and each read in a thread waits for the busy event loop."""
    return version("iptocc")


def _finder(
    for_v4: tuple[Database, ...], for_v6: tuple[Database, ...], networks: Networks, reserved: Place, *, registry: bool
) -> Callable[[str], Place]:
    """The look-up function. It holds no reference to the Geo, so that a replaced Geo closes its files at once."""

    def find(ip: str) -> Place:
        packed = pack_ip(ip)
        if not is_global(packed):
            return reserved
        found: PlaceFacts = {}
        for database in for_v6 if ":" in ip else for_v4:
            database.add_facts(ip, found)
        if registry and "country" not in found:
            found["country"] = country_code(ip)
        networks.add_facts(packed, found)
        return Place(**found)

    return find


class Geo:
    """All installed geo data. If two databases know a fact, the earlier one in `databases` counts.

    Where no database knows the country, it comes from the lists of the five registries in the package `iptocc`.
    """

    def __init__(
        self, databases: Sequence[Database] = (), networks: Networks = NO_NETWORKS, *, registry: bool = True
    ) -> None:
        self._databases = tuple(databases)
        self._networks = networks
        backwards = self._databases[::-1]  # `add_facts` overwrites: the first database must come last
        self._for_v4 = tuple(each for each in backwards if each.has_v4)
        self._for_v6 = tuple(each for each in backwards if each.about.ip_version == 6)
        self._registry = registry
        # A private or reserved address has no place, and each flag that the data can decide is False.
        flags: PlaceFacts = dict.fromkeys(FLAGS & self.known_facts(), False)
        self._reserved = Place(**flags)
        self.data = self._dates()
        self._find = lru_cache(_CACHE_SIZE)(
            _finder(self._for_v4, self._for_v6, networks, self._reserved, registry=registry)
        )

    def lookup(self, ip: str) -> Place:
        """The place of a canonical IP. Private and reserved addresses have none."""
        return self._find(ip)

    def is_reserved(self, place: Place) -> bool:
        """Whether `lookup` returned this place for a private or reserved address."""
        return place is self._reserved

    def sources_of(self, ip: str) -> dict[str, str]:
        """For each known fact about an IP, the name of the data that it comes from."""
        named: dict[str, str] = {}
        packed = pack_ip(ip)
        if not is_global(packed):
            return named
        if self._registry and country_code(ip):
            named["country"] = REGISTRY.name
        for database in self._for_v6 if ":" in ip else self._for_v4:
            found: PlaceFacts = {}
            database.add_facts(ip, found)
            named.update(dict.fromkeys(found, database.about.name))
        place = self.lookup(ip)
        by_lists = self._networks.sources_of(packed, place.asn)
        return named | {fact: name for fact, name in by_lists.items() if getattr(place, fact)}

    def lists(self, ip: str, asn: int | None) -> tuple[str, ...]:
        """The names of the installed lists that contain an IP or its AS number."""
        packed = pack_ip(ip)
        return self._networks.names(packed, asn) if is_global(packed) else ()

    def sources(self) -> tuple[SourceInfo, ...]:
        """All databases in use, for lists, pages and the attribution that licences require."""
        return (*(each.about for each in self._databases), *((REGISTRY,) if self._registry else ()))

    def known_facts(self) -> frozenset[str]:
        """The facts that the installed data can decide; a condition on any other is refused when it is saved."""
        return self._networks.known_facts().union(*(each.facts for each in self.sources()))

    def _dates(self) -> dict[str, str]:
        """Name of the data -> date it was built (for the registries: a version). `tnc explain` shows it."""
        dates = {REGISTRY.name: _registry_version()} if self._registry else {}
        for each in self._databases:
            if each.about.built_ms is not None:
                dates[each.about.name] = rfc3339(each.about.built_ms)[:10]
        return dates
