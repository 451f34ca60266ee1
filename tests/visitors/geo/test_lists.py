"""Looking up IPs in lists of networks, and parsing or refusing lists."""

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.visitors.shared import DATA, cases, needed
from tnc.core.errors import InvalidError
from tnc.visitors.client_ip import pack_ip
from tnc.visitors.geo.geo import Geo, Place
from tnc.visitors.geo.list_formats import NetworkFeed, read_feed
from tnc.visitors.geo.lists import NO_NETWORKS, NetworkKind, NetworkList, Networks, compile_lists

KIND_OF_FILE: dict[str, NetworkKind] = {
    "apple-proxy": "relay",
    "x4bnet-vpn": "vpn",
    "protonvpn": "vpn",
    "openasn-vpn_provider": "vpn",
    "openasn-mobile_carrier": "cellular",
    "openasn-enterprise_gateway": "corporate",
}
NO_LISTS = ("openasn-cdn", "openasn-eyeball", "cloudflare")


def listed(kind: NetworkKind, text: str, name: str | None = None) -> NetworkList:
    return NetworkList(name=name or kind, kind=kind, feed=read_feed(text.encode(), name="list.txt"))


def geo_with(*lists: NetworkList) -> Geo:
    return Geo((), Networks(compile_lists(lists)), registry=False)


def all_shared_lists() -> list[NetworkList]:
    found = []
    for path in sorted(DATA.glob("geo/ipsets/*.[ct][sx][vt]")):
        if path.name.startswith(NO_LISTS) or path.name == "vultr-ipv6.txt":
            continue
        known = (kind for start, kind in KIND_OF_FILE.items() if path.name.startswith(start))
        kind: NetworkKind = next(known, "datacenter")
        found.append(NetworkList(name=path.name, kind=kind, feed=read_feed(path.read_bytes(), name=path.name)))
    return found


def test_real_lists_give_the_expected_flags() -> None:
    needed("geo/ipsets")
    networks = Networks(compile_lists(all_shared_lists()))
    geo = Geo((), networks, registry=False)

    for case in cases("geo/network-cases.dev.json"):
        # The cases contain the AS number, which an ASN database would have found.
        found: dict[str, Any] = {"asn": case["asn"]} if "asn" in case else {}
        networks.add_facts(pack_ip(case["ip"]), found)
        place = geo.lookup(case["ip"]) if "country" in case else Place(**found)
        expected = {fact: value for fact, value in case.items() if fact not in {"ip", "why", "asn"}}
        assert {fact: getattr(place, fact) for fact in expected} == expected, case["why"]


def test_a_tor_exit_in_a_data_centre_has_both_flags() -> None:
    geo = geo_with(listed("datacenter", "9.9.0.0/16"), listed("tor", "9.9.9.9"))

    assert (geo.lookup("9.9.9.9").tor, geo.lookup("9.9.9.9").datacenter) == (True, True)
    assert (geo.lookup("9.9.9.8").tor, geo.lookup("9.9.9.8").datacenter) == (False, True)
    assert (geo.lookup("9.8.9.9").tor, geo.lookup("9.10.0.0").datacenter) == (False, False)


def test_relays_overrule_vpns_and_gateways_overrule_carriers() -> None:
    vpn, centre = listed("vpn", "9.0.0.0/8"), listed("datacenter", "9.0.0.0/8")
    relay, gateway = listed("relay", "9.1.0.0/16"), listed("corporate", "9.2.0.0/16")
    geo = geo_with(vpn, centre, relay, gateway, listed("cellular", "9.2.0.0/15"))

    assert geo.lookup("9.1.1.1") == Place(relay=True, vpn=False, datacenter=False)
    assert geo.lookup("9.2.1.1") == Place(relay=False, vpn=False, datacenter=False, connection="corporate")
    assert geo.lookup("9.3.1.1") == Place(relay=False, vpn=False, datacenter=False, connection="cellular")
    assert geo.lookup("9.4.1.1") == Place(relay=False, vpn=True, datacenter=True)


def test_a_flag_without_data_is_unknown() -> None:
    geo = geo_with(listed("vpn", "9.0.0.0/8"))

    assert geo.lookup("9.9.9.9") == Place(vpn=True)
    assert geo.lookup("8.8.8.8") == Place(vpn=False)
    assert geo.known_facts() == {"vpn"}


def test_private_and_reserved_addresses_have_no_flag() -> None:
    geo = geo_with(listed("vpn", "203.0.113.0/24\n9.0.0.0/8"))

    assert geo.lookup("203.0.113.7") == geo.lookup("10.0.0.1") == Place(vpn=False)


def test_lists_of_as_numbers_use_the_asn_of_the_ip() -> None:
    networks = Networks(compile_lists([listed("cellular", "AS6614 # mobile only\nAS21928"), listed("vpn", "AS9009")]))

    for asn, expected in ((6614, {"connection": "cellular", "vpn": False}), (9009, {"vpn": True}), (1, {"vpn": False})):
        found = {"asn": asn}
        networks.add_facts(pack_ip("8.8.8.8"), found)
        assert found == {"asn": asn, **expected}
    assert networks.names(pack_ip("8.8.8.8"), 9009) == ("vpn",)


def test_a_list_with_access_networks_sets_no_flag() -> None:
    networks = Networks(compile_lists([listed("datacenter", 'ASN,Entity\n29465,"VCG-AS, NG"\n51447, "Root"', "bad")]))
    found: dict[str, Any] = {"asn": 29465}

    networks.add_facts(pack_ip("8.8.8.8"), found)

    assert found["datacenter"] is False
    assert networks.names(pack_ip("8.8.8.8"), 29465) == ("bad",)


def test_flags_of_a_database_are_kept_unless_many_people_share_the_ip() -> None:
    networks = Networks(compile_lists([listed("tor", "9.9.9.9"), listed("relay", "9.1.0.0/16")]))
    flagged = {"vpn": True, "proxy": True, "tor": False, "datacenter": True}

    exit_, relay = dict(flagged), dict(flagged)
    networks.add_facts(pack_ip("9.9.9.9"), exit_)
    networks.add_facts(pack_ip("9.1.1.1"), relay)

    assert exit_ == flagged | {"tor": True, "relay": False}
    assert relay == {"vpn": False, "proxy": False, "tor": False, "datacenter": False, "relay": True}


def test_without_lists_there_are_no_flags() -> None:
    found: dict[str, Any] = {}

    NO_NETWORKS.add_facts(pack_ip("8.8.8.8"), found)

    assert found == {}
    assert NO_NETWORKS.names(pack_ip("8.8.8.8"), 1) == ()


PREFIXES = st.lists(
    st.tuples(st.integers(0x14000000, 0x1FFFFFFF), st.integers(9, 32)).map(
        lambda pair: ipaddress.ip_network((pair[0], pair[1]), strict=False)
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(PREFIXES, PREFIXES, st.lists(st.integers(0x14000000, 0x1FFFFFFF), max_size=10))
def test_an_ip_has_the_flag_exactly_when_a_network_contains_it(
    vpn: list[ipaddress.IPv4Network], tor: list[ipaddress.IPv4Network], numbers: list[int]
) -> None:
    geo = geo_with(listed("vpn", "\n".join(map(str, vpn))), listed("tor", "\n".join(map(str, tor))))
    edges = [int(edge) for network in (*vpn, *tor) for edge in (network[0], network[-1])]

    for number in (*numbers, *edges, *(edge + 1 for edge in edges)):
        address = ipaddress.IPv4Address(number)
        place = geo.lookup(str(address))
        assert place.vpn is any(address in network for network in vpn)
        assert place.tor is any(address in network for network in tor)


@pytest.mark.parametrize(
    ("text", "v4", "asns", "unfit"),
    [
        ("9.9.9.0/24 # comment\n; other\n\n9.9.9.300\n9.9.9.1/33\n9.9.10.7/24\n9.9.12.5 - 9.9.12.9", 2, set(), 2),
        ("\ufeff9.9.9.9\r\n9.9.9.8\r\n", 1, set(), 0),
        ('{"prefixes": [{"ip_prefix": "9.9.9.0/28", "service": "EC2"}]}', 1, set(), 0),
        ('["9.9.9.0/28", "8.8.8.0/24"]', 2, set(), 0),
        ('{"asn": 64500, "cc": "XX"}\n{"type": "metadata", "size": 1}', 0, {64500}, 0),
        ("9.9.9.0/24,US,US-CA,Los Angeles,\nnot-a-prefix,US,,,", 1, set(), 1),
        ("AS1\nas2 x\nAS3\nASN4", 0, {1, 3, 4}, 1),
        ("9.9.9.9:8080\n9.9.9.11:3128\n2606:4700::1", 2, set(), 0),
        ('{"addresses": ["9.9.9.0/28"], "web": {"hooks": ["8.8.8.0/24"]}, "version": "1.2.3.4"}', 2, set(), 0),
    ],
)
def test_every_notation_is_parsed(text: str, v4: int, asns: set[int], unfit: int) -> None:
    feed = read_feed(text.encode(), name="x")

    assert (len(feed.v4), set(feed.asns), feed.unfit) == (v4, asns, unfit)


@pytest.mark.parametrize(
    "line", ["9.9.9.0,9.9.10.255,US", '"9.9.9.0","9.9.10.255","US"', "9.9.9.0\t9.9.10.255\t64500\tX"]
)
def test_two_columns_of_addresses_are_a_range(line: str) -> None:
    feed = read_feed(line.encode(), name="x")

    first = int.from_bytes(pack_ip("9.9.9.0"), "big")
    assert feed.v4 == [(first, first + 512)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n".join(f"{first}.0.0.0/8" for first in range(11, 90)), "more than a quarter of the Internet"),
        ("  \n", "is empty"),
        ("<!DOCTYPE html><html>503</html>", "is a web page"),
        ("0.0.0.0/0\n9.9.9.9", "at 0.0.0.0"),
        ("9.9.9.9\n2002::/16", "at 2002::"),
        ("9.9.9.9\n10.0.0.0/8", "at 10.0.0.0"),
        ("9.9.9.9\n192.168.7.0/24", "at 192.168.7.0"),
        ("9.9.9.9\n2a00::/16", "at 2a00::"),
        ("9.0.0.0 - 11.0.0.0", "at 9.0.0.0"),
        ("hello\nworld\n9.9.9.9", "1 readable networks and 2 unreadable"),
        ("{}", "0 readable"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_impossible_list_is_refused_as_a_whole(text: str, says: str) -> None:
    with pytest.raises(InvalidError, match=f"list.txt .*{says}"):
        read_feed(text.encode(), name="list.txt")


@pytest.mark.parametrize("path", sorted(DATA.glob("geo/feeds/*")), ids=lambda path: path.name)
def test_real_lists_are_parsed_or_refused(path: Any) -> None:
    if path.name in {"broken-empty.txt", "broken-html.txt", "broken-too-wide.txt"}:
        with pytest.raises(InvalidError):
            read_feed(path.read_bytes(), name=path.name)
    else:
        feed = read_feed(path.read_bytes(), name=path.name)
        assert feed.v4 or feed.v6 or feed.asns


def test_a_real_mirror_with_mistakes_is_refused() -> None:
    with pytest.raises(InvalidError, match=r"vultr-ipv6\.txt"):
        read_feed(needed("geo/ipsets/vultr-ipv6.txt").read_bytes(), name="vultr-ipv6.txt")


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        feed = read_feed(raw, name="x")
    except InvalidError:
        return
    assert isinstance(feed, NetworkFeed)


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_is_parsed_or_refused(document: Any) -> None:
    try:
        read_feed(json.dumps(document).encode(), name="x")
    except InvalidError:
        return
