"""Sends requests to destinations: never to an internal address, never following a redirect."""

import ipaddress
import socket
import ssl
from collections.abc import Collection
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from tnc.campaigns.hosts import host_problem, internal_kind, ip_of_host, is_allowed
from tnc.campaigns.platforms.messages import BODY_LIMIT, Answer, HttpRequest, Trouble


class ForbiddenAddressError(OSError):
    """The name resolves to internal addresses only. An OSError, because that is what a resolver may raise."""


def refusal(request: HttpRequest, allow_hosts: Collection[str]) -> str | None:
    """Why a request must not be sent, as far as its URL shows; None when it may."""
    if not request.url.startswith(("https://", "http://")):
        return "is no http or https address"
    try:
        return host_problem(request.url, secret=bool(request.secrets), allow_hosts=allow_hosts)
    except ValueError:
        return "is no address that can be read"


def is_internal(address: str) -> bool:
    """Whether an address belongs to this machine, its network or its cloud. So does what cannot be parsed."""
    found = ip_of_host(address)
    return found is None or internal_kind(found) is not None or _is_internal_teredo(found)


def _is_internal_teredo(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    embedded = address.teredo if isinstance(address, ipaddress.IPv6Address) else None
    return embedded is not None and any(internal_kind(each) is not None for each in embedded)


class GuardedResolver(AbstractResolver):
    """Resolves names as the system does and returns only addresses outside this machine and its network."""

    def __init__(self, allow_hosts: Collection[str], inner: AbstractResolver | None = None) -> None:
        self._allow_hosts = allow_hosts
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if is_allowed(host.rstrip("."), port, self._allow_hosts):
            return found
        external = [each for each in found if not is_internal(each["host"])]
        if not external:
            raise ForbiddenAddressError("the name resolves to an internal address")
        return external

    async def close(self) -> None:
        await self._inner.close()


TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=3)
CONNECTIONS: Final = 32


def open_session(allow_hosts: Collection[str], timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
    """For all outgoing requests. No cookies, no proxy, and every name is resolved anew for each connection."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allow_hosts), use_dns_cache=False, limit=CONNECTIONS, limit_per_host=0
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        auto_decompress=False,  # a small answer may decompress into a very large one
        headers={"User-Agent": "tnc", "Accept-Encoding": "identity"},
    )


async def send(request: HttpRequest, session: aiohttp.ClientSession, allow_hosts: Collection[str]) -> Answer:
    """The answer; what goes wrong in the network or at the receiver becomes `Answer.trouble` and is not raised."""
    if refusal(request, allow_hosts) is not None:
        return Answer(trouble="forbidden-address")
    try:
        async with session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=headers, body=await _beginning(response))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(trouble=_trouble(error))


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first `BODY_LIMIT` bytes. A connection whose answer was not read to its end is closed and not reused."""
    found = bytearray()
    while len(found) < BODY_LIMIT and (part := await response.content.read(BODY_LIMIT - len(found))):
        found += part
    if not response.content.at_eof():
        response.close()
    return bytes(found)


def _trouble(error: BaseException) -> Trouble:
    match error:
        case ForbiddenAddressError() | aiohttp.ClientConnectorDNSError(os_error=ForbiddenAddressError()):
            return "forbidden-address"
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorError():
            return "connect"
        case _:
            return "broken"
