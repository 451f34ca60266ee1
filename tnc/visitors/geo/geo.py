"""Where an address is and whose it is, by all address data that is installed.

A `Geo` never changes. New data is a new `Geo`, assigned by its owner: readers of the old one finish with it.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Final

from iptocc import country_code
from msgspec import Struct

from tnc.core.fields import rfc3339
from tnc.visitors.client_ip import is_global, pack
from tnc.visitors.geo.database import About, Database, Found, Licence
from tnc.visitors.geo.lists import FLAGS, NO_NETWORKS, Networks


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """What the address data knows. None is not known; False is known not to be."""

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


NOWHERE: Final = Place()
REMEMBERED: Final = 8192  # lander clicks, postbacks and people behind one address ask for the same place again
PLACE_FACTS: Final = frozenset(Place.__struct_fields__)

REGISTRY: Final = About(
    name="iptocc",
    kind="registry",
    gives=frozenset({"country"}),
    built_ms=None,
    ip_version=6,
    licence=Licence(name="MIT or Apache-2.0", url="https://pypi.org/project/iptocc/"),
)


@cache
def _registry_version() -> str:
    """Read once: it lies in a file, and at each look into one a thread waits its turn beside a busy loop."""
    return version("iptocc")


def _finder(
    for_v4: tuple[Database, ...], for_v6: tuple[Database, ...], networks: Networks, nowhere: Place, *, registry: bool
) -> Callable[[str], Place]:
    """What looks an address up. It knows no Geo, so that one that was replaced lets go of its files at once."""

    def find(ip: str) -> Place:
        packed = pack(ip)
        if not is_global(packed):
            return nowhere
        found: Found = {}
        for database in for_v6 if ":" in ip else for_v4:
            database.tell(ip, found)
        if registry and "country" not in found:
            found["country"] = country_code(ip)
        networks.tell(packed, found)
        return Place(**found)

    return find


class Geo:
    """All installed address data. Of two databases that know a fact, the earlier one is believed.

    Countries come from the registries' own lists, which travel with the package, where nothing else knows.
    """

    def __init__(
        self, databases: Sequence[Database] = (), networks: Networks = NO_NETWORKS, *, registry: bool = True
    ) -> None:
        self._databases = tuple(databases)
        self._networks = networks
        backwards = self._databases[::-1]  # what is told later is put over what was told before
        self._for_v4 = tuple(each for each in backwards if each.has_v4)
        self._for_v6 = tuple(each for each in backwards if each.about.ip_version == 6)
        self._registry = registry
        # Of an address that no visitor can have it is known that it is no VPN, where anything is known of VPNs.
        nobody: Found = dict.fromkeys(FLAGS & self.gives(), False)
        self._nowhere = Place(**nobody)
        self.data = self._dates()
        self._find = lru_cache(REMEMBERED)(
            _finder(self._for_v4, self._for_v6, networks, self._nowhere, registry=registry)
        )

    def lookup(self, ip: str) -> Place:
        """The place of an address in canonical text. Addresses that no visitor can have are nowhere."""
        return self._find(ip)

    def is_nobodys(self, place: Place) -> bool:
        """Whether `lookup` gave this for an address that no visitor can have, such as one of a private network."""
        return place is self._nowhere

    def witnesses(self, ip: str) -> dict[str, str]:
        """For each fact that is known of an address, the name of the data that says so."""
        named: dict[str, str] = {}
        packed = pack(ip)
        if not is_global(packed):
            return named
        if self._registry and country_code(ip):
            named["country"] = REGISTRY.name
        for database in self._for_v6 if ":" in ip else self._for_v4:
            found: Found = {}
            database.tell(ip, found)
            named.update(dict.fromkeys(found, database.about.name))
        place = self.lookup(ip)
        by_lists = self._networks.witnesses(packed, place.asn)
        return named | {fact: name for fact, name in by_lists.items() if getattr(place, fact)}

    def lists(self, ip: str, asn: int | None) -> tuple[str, ...]:
        """The installed lists that name an address or its network."""
        packed = pack(ip)
        return self._networks.names(packed, asn) if is_global(packed) else ()

    def sources(self) -> tuple[About, ...]:
        """Everything that may have spoken, for lists, pages and the attribution that licences ask for."""
        return (*(each.about for each in self._databases), *((REGISTRY,) if self._registry else ()))

    def gives(self) -> frozenset[str]:
        """The facts that can be known at all; a condition on any other is refused when it is saved."""
        return self._networks.gives().union(*(each.gives for each in self.sources()))

    def _dates(self) -> dict[str, str]:
        """Data name -> day it was built (the registries': its version), so that `explain` can say who judged."""
        dates = {REGISTRY.name: _registry_version()} if self._registry else {}
        for each in self._databases:
            if each.about.built_ms is not None:
                dates[each.about.name] = rfc3339(each.about.built_ms)[:10]
        return dates
