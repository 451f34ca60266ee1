"""Well-known addresses that a new database must know before it is used: that it opens proves nothing.

64 kB of zeros in the tree of a country file lose 2 % of all addresses, 600 damaged bytes give one in six a
wrong country, both without an error.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from iptocc import country_code

from tnc.visitors.client_ip import is_global, unpack_ip
from tnc.visitors.geo.database import Database

# Long-standing infrastructure from the regions of all five registries.
KNOWN_ADDRESSES: Final = (
    "8.8.8.8", "9.9.9.9", "81.2.69.142", "193.0.6.139", "202.12.29.175", "200.3.14.10", "196.216.2.6", "77.88.8.8",
    "114.114.114.114", "168.126.63.1", "133.11.0.1", "200.160.2.3", "130.89.148.12", "194.25.0.60", "212.27.40.240",
    "151.99.125.1", "80.58.61.250", "62.179.104.196", "24.48.0.1", "41.63.4.1",
    "2001:4860:4860::8888", "2620:fe::fe", "2a02:6b8::feed:ff", "2001:67c:2e8:22::c100:68b", "2001:dc0:2001:11::211",
    "2001:13c7:7002:3000::11", "2001:42d0:0:200::6", "2a00:1450:4001::1", "2a02:26f0::1", "2400:cb00:2048::1",
    "2001:200:0:1::1", "2001:470:0:76::2", "2a01:e0c:1::1", "2a02:2e0:3fe::1", "2003::1", "2804:14c::1", "2405:200::1",
    "2001:240::1", "2a03:2880:f001::1", "2600:1f00::1",
)  # fmt: skip

_AGREEMENT: Final = 0.9
# Registries and databases differ on one address in ten; more than three in ten is damage.
_PLAUSIBLE: Final = 0.7
_FEW: Final = 20  # with fewer answers a share means nothing
# A smaller file covers part of the world and may not know most of these addresses.
_WHOLE_BYTES: Final = 4 << 20
# A new file may lose one in a hundred of the addresses that the installed one knows.
_KEPT: Final = 0.99

_SPREAD: Final = 2000
_STRIDE: Final = 2_654_435_761  # odd, and far from any power of two: its multiples spread over all addresses
_V6_HEADS: Final = (0x2001, 0x2400, 0x2405, 0x2600, 0x2604, 0x2804, 0x2A00, 0x2A01, 0x2A02, 0x2A03, 0x2C0F)


def check_known_addresses(new: Database, old: Database | None, *, size: int) -> str | None:
    """What is wrong with a new database, as a clause; None when nothing is."""
    fact = next((fact for fact in ("country", "asn") if fact in new.about.facts), None)
    if fact is None:
        return None
    has_v6 = new.about.ip_version == 6
    known = _answers(new, [each for each in KNOWN_ADDRESSES if has_v6 or ":" not in each], fact)
    spread = _answers(new, list(_spread(v6=has_v6)), fact)
    if new.is_damaged:
        return "some of its records cannot be read"
    silent = sum(known[ip] is None for ip in _ipv4(known))
    if size >= _WHOLE_BYTES and silent > (1 - _AGREEMENT) * len(_ipv4(known)):
        return f"it does not know {silent} of {len(_ipv4(known))} well-known addresses"
    if fact == "country" and not _is_plausible(spread):
        return "too many of its countries are not those of the registries"
    return _difference_from(known, spread, old, fact)


def _answers(database: Database, addresses: Iterable[str], fact: str) -> dict[str, Any]:
    answers = {}
    for ip in addresses:
        found: dict[str, Any] = {}
        database.add_facts(ip, found)
        answers[ip] = found.get(fact)
    return answers


def _ipv4(addresses: Iterable[str]) -> Sequence[str]:
    """The IPv4 addresses only: a file for both families may know little about IPv6."""
    return [each for each in addresses if ":" not in each]


def _spread(*, v6: bool) -> Iterator[str]:
    """Addresses from all over the world, the same in every run."""
    for number in range(1, _SPREAD):
        packed = (number * _STRIDE % (1 << 32)).to_bytes(4, "big")
        if is_global(packed):
            yield unpack_ip(packed)
        if v6:
            head = _V6_HEADS[number % len(_V6_HEADS)].to_bytes(2, "big")
            yield unpack_ip(head + packed[:2] + bytes(11) + b"\x01")


def _is_plausible(spread: dict[str, Any]) -> bool:
    """Whether countries agree with those of the registries."""
    pairs = [(country, country_code(ip)) for ip, country in spread.items() if country]
    same = [country == registered for country, registered in pairs if registered]
    return len(same) < _FEW or sum(same) >= _PLAUSIBLE * len(same)


def _difference_from(known: dict[str, Any], spread: dict[str, Any], old: Database | None, fact: str) -> str | None:
    if old is None or fact not in old.about.facts:
        return None
    before = {ip: answer for ip, answer in _answers(old, known, fact).items() if answer is not None}
    same = sum(known[ip] == answer for ip, answer in before.items())
    if same < _AGREEMENT * len(before):
        return f"it agrees with the installed one on {same} of {len(before)} well-known addresses"
    previous = {ip: answer for ip, answer in _answers(old, spread, fact).items() if answer is not None}
    kept = sum(spread[ip] is not None for ip in previous)
    agreed = sum(spread[ip] == answer for ip, answer in previous.items())
    if len(previous) >= _FEW and (kept < _KEPT * len(previous) or agreed < _AGREEMENT * len(previous)):
        return f"of {len(previous)} addresses that the installed one knows it knows {kept}, and {agreed} alike"
    return None
