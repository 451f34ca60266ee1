"""One request over the wire, and what came back: never more than ten seconds, never more than 64 KB."""

import ssl
from collections.abc import Collection
from typing import Final

import aiohttp
from yarl import URL

from tnc.deliver.guard import ForbiddenAddressError, GuardedResolver, refusal
from tnc.deliver.request import BODY_LIMIT, Answer, HttpRequest, Trouble

TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=3)
CONNECTIONS: Final = 32


def open_session(allow_hosts: Collection[str], timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
    """For everything that leaves the house. Keeps no cookies, asks no proxy, looks each name up anew."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allow_hosts), use_dns_cache=False, limit=CONNECTIONS, limit_per_host=0
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        auto_decompress=False,  # a small answer can unpack into a very large one
        headers={"User-Agent": "tnc", "Accept-Encoding": "identity"},
    )


async def send(request: HttpRequest, session: aiohttp.ClientSession, allow_hosts: Collection[str]) -> Answer:
    """Never raises for what the network or the receiver does: that is `trouble`."""
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
    """The first 64 KB. A connection whose answer is not read to its end is closed, not used again."""
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
