"""Which hosts tnc may send to: no private or local ones, unless config.toml allows them."""

import ipaddress
import socket
import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

# Where cloud machines get their secrets.
_METADATA: Final = frozenset(
    {
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "metadata.azure.internal",
    }
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_problem(url: str, *, secret: bool, allow_hosts: Collection[str]) -> str | None:
    """Why tnc may not send to the URL, as the rest of a sentence that begins with a key; None if it may.

    Checks the host as written. The addresses that a name resolves to are checked at each connection.
    """
    parts = urlsplit(url)
    # NFKC: resolvers also accept full-width digits and dots.
    host = unicodedata.normalize("NFKC", parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_allowed(host, port, allow_hosts):
        return None
    advice = f'allow it in config.toml with [outbound] allow_hosts = ["{host}"] if this is intended'
    if kind := kind_of_host(host):
        return f"leads to {host}, {kind}: {advice}"
    if secret and parts.scheme != "https":
        return f"would send a secret over plain http to {host}: use https, or {advice}"
    return None


def is_allowed(host: str, port: int, allow_hosts: Collection[str]) -> bool:
    """`allow_hosts` holds "host" or "host:port", IPv6 addresses with or without brackets."""
    names = {host, f"[{host}]"} if ":" in host else {host}
    wanted = {each.lower() for each in allow_hosts}
    return any(name in wanted or f"{name}:{port}" in wanted for name in names)


def kind_of_host(host: str) -> str | None:
    """`a loopback address` or another kind of internal host that a name or address is; None for a public one."""
    if host in _METADATA:
        return "a metadata address of a cloud"
    if host == "localhost" or host.endswith(".localhost"):
        return "a loopback address"
    address = ip_of_host(host)
    return None if address is None else internal_kind(address)


def internal_kind(address: IpAddress) -> str | None:
    """`a private address` or another kind of internal address; None for a public one."""
    if str(address) in _METADATA:
        return "a metadata address of a cloud"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if not address.is_global or address.is_multicast:
        return "a private address"
    return None


def ip_of_host(host: str) -> IpAddress | None:
    """The IP address that a host is, in every spelling that resolvers accept: 127.1, 0x7f.1, ::ffff:7f00:1."""
    try:
        address: IpAddress = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeError):
            return None
    if isinstance(address, ipaddress.IPv6Address):
        return _embedded(address) or address
    return address


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
