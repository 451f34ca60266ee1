"""Nothing leaves for the inside: no private, loopback, link-local or metadata address, unless the operator says so.

A literal address is judged before the request, a name each time it is looked up for a connection; what was
judged is what is connected to, so a name that changes its mind in between changes nothing.
"""

import ipaddress
import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from tnc.configuration.hosts import host_complaint, is_allowed, kind_of, literal
from tnc.deliver.request import HttpRequest


class ForbiddenAddressError(OSError):
    """The name leads inside. An OSError, because that is what a resolver may raise."""


def refusal(request: HttpRequest, allow_hosts: Collection[str]) -> str | None:
    """Why a request may not go out as it is written, or None."""
    if not request.url.startswith(("https://", "http://")):
        return "is no http or https address"
    try:
        return host_complaint(request.url, secret=bool(request.secrets), allow_hosts=allow_hosts)
    except ValueError:
        return "is no address that can be read"


def is_inside(address: str) -> bool:
    """Whether an address belongs to the machine, its network or its cloud. What cannot be read does."""
    found = literal(address)
    return found is None or kind_of(found) is not None or _teredo_inside(found)


def _teredo_inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    embedded = address.teredo if isinstance(address, ipaddress.IPv6Address) else None
    return embedded is not None and any(kind_of(each) is not None for each in embedded)


class GuardedResolver(AbstractResolver):
    """Looks names up like any program of this machine, and hands on only what lies outside."""

    def __init__(self, allow_hosts: Collection[str], inner: AbstractResolver | None = None) -> None:
        self._allow_hosts = allow_hosts
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if is_allowed(host.rstrip("."), port, self._allow_hosts):
            return found
        outside = [each for each in found if not is_inside(each["host"])]
        if not outside:
            raise ForbiddenAddressError("the name leads to an address inside")
        return outside

    async def close(self) -> None:
        await self._inner.close()
