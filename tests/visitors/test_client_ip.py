"""The visitor's IP address with and without proxies, its canonical form, and its truncation."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.visitors.shared import cases
from tnc.core.errors import InvalidError
from tnc.visitors.client_ip import ClientIpReader, canonical_ip, is_global, pack_ip, truncate_ip, unpack_ip

INVENTED: list[dict[str, Any]] = [
    {"peer": "192.0.2.9", "headers": [["X-Forwarded-For", "1.2.3.4"]], "trusted_proxies": [], "ip": "192.0.2.9"},
    {
        "peer": "10.1.1.1",
        "headers": [["X-Forwarded-For", "9.9.9.9, 192.0.2.9"], ["X-Forwarded-For", "10.2.2.2"]],
        "trusted_proxies": ["10.0.0.0/8"],
        "ip": "192.0.2.9",
    },
    {
        "peer": "::ffff:10.1.1.1",
        "headers": [["X-Forwarded-For", "::ffff:192.0.2.9"]],
        "trusted_proxies": ["10.0.0.0/8"],
        "ip": "192.0.2.9",
    },
    {
        "peer": "2001:db8::1",
        "headers": [["Forwarded", 'proto=https;For="[2001:DB8:0::7]:1"']],
        "trusted_proxies": ["2001:db8::1"],
        "ip": "2001:db8::7",
    },
    {
        "peer": "10.1.1.1",
        "headers": [["CF-Connecting-IP", "192.0.2.9"]],
        "trusted_proxies": ["10.0.0.0/8"],
        "ip": "10.1.1.1",
    },
]


def joined(pairs: list[list[str]]) -> tuple[dict[str, str], frozenset[str]]:
    headers: dict[str, str] = {}
    repeated = set()
    for name, value in pairs:
        key = name.lower()
        if key in headers:
            repeated.add(key)
            headers[key] += f", {value}"
        else:
            headers[key] = value
    return headers, frozenset(repeated)


@pytest.mark.parametrize("case", [*INVENTED, *cases("geo/client-address-cases.json")])
def test_forwarding_headers_count_only_from_trusted_proxies(case: dict[str, Any]) -> None:
    headers, repeated = joined(case["headers"])

    client = ClientIpReader(case["trusted_proxies"]).find(case["peer"], headers, repeated)

    assert client.ip == case["ip"], case.get("why")


def test_cloudflare_headers_can_be_switched_off() -> None:
    address = ClientIpReader(["162.158.0.0/15"], cloudflare=False)

    client = address.find("162.158.1.1", {"cf-connecting-ip": "1.2.3.4", "x-forwarded-for": "9.8.7.6"})

    assert client == ("9.8.7.6", "forwarded")


def test_a_wrong_trusted_proxy_is_refused_and_named() -> None:
    with pytest.raises(InvalidError, match="'everyone' is no network"):
        ClientIpReader(["everyone"])


@pytest.mark.parametrize("peer", ["", "/run/tnc.sock", "fe80::1%eth0", "1.2.3", "1.2.3.4.5", "\x00", "01.2.3.4"])
def test_a_peer_without_an_ip_has_none(peer: str) -> None:
    assert ClientIpReader().find(peer, {}).ip is None


@given(st.ip_addresses())
def test_an_ip_has_one_canonical_form(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text = canonical_ip(str(ip))

    assert text is not None
    assert canonical_ip(text) == text == canonical_ip(text.upper())
    assert unpack_ip(pack_ip(text)) == text


@given(st.ip_addresses())
def test_a_truncated_ip_is_a_network_that_contains_it(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text = canonical_ip(str(ip))
    assert text is not None

    network = ipaddress.ip_network(truncate_ip(text))

    assert ipaddress.ip_address(text) in network
    assert network.prefixlen == (24 if ":" not in text else 48)


@pytest.mark.parametrize("ip", ["8.8.8.8", "81.2.69.142", "2001:4860:4860::8888", "2a00:1450::1", "9.255.255.255"])
def test_public_addresses_are_global(ip: str) -> None:
    assert is_global(pack_ip(ip))


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "10.0.0.1", "100.64.1.1", "169.254.169.254", "192.168.1.1", "172.31.255.255", "203.0.113.7",
     "255.255.255.255", "224.0.0.1", "0.0.0.0", "::1", "::", "fe80::1", "fc00::1", "2001:db8::1", "2002:808:808::1",
     "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
)  # fmt: skip
def test_private_and_reserved_addresses_are_not_global(ip: str) -> None:
    assert not is_global(pack_ip(ip))


@given(st.ip_addresses(v=4))
def test_addresses_that_the_standard_library_calls_private_are_not_global(ip: ipaddress.IPv4Address) -> None:
    assert ip.is_global or not is_global(ip.packed) or str(ip) in {"192.0.0.9", "192.0.0.10"}
