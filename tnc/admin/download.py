"""Files from publishers, streamed to disk: what `tnc.visitors.geo.update` fetches geo data with."""

import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import IO, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from tnc.campaigns.hosts import host_problem
from tnc.core.errors import FailedError
from tnc.destinations.http import ForbiddenAddressError, open_session
from tnc.visitors.geo.update import Fetch, FetchResponse

_TIMEOUT: Final = aiohttp.ClientTimeout(total=1800, sock_connect=10, sock_read=30)
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_MOST_HOPS: Final = 5
_BLOCK: Final = 1 << 17


@asynccontextmanager
async def fetching(base_url: str | None, allow_hosts: Collection[str]) -> AsyncIterator[Fetch]:
    """A `Fetch` for one update. The host of a `base_url` may lie inside: the owner named it."""
    own = () if base_url is None else (urlsplit(base_url).hostname or "",)
    allowed = (*allow_hosts, *own)
    async with open_session(allowed, _TIMEOUT) as session:

        async def fetch(url: str, *, headers: Mapping[str, str], target: IO[bytes], max_bytes: int) -> FetchResponse:
            try:
                async with _followed(session, url, headers, allowed) as response:
                    return await _take(response, target, max_bytes)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise FailedError(_cause(error)) from None  # whose text may hold the query, and in it a key

        yield fetch


@asynccontextmanager
async def _followed(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], allowed: Collection[str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer behind all redirects: by hand, because a key goes to no other host and no way leads inside."""
    sent = dict(headers)
    here = URL(url, encoded=True)
    for _ in range(_MOST_HOPS):
        _check(here, sent, allowed)
        async with session.get(here, headers=sent, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                yield response
                return
            location = response.headers.get("Location")
        if not location:
            raise FailedError("the server redirects to nowhere")
        onward = here.join(URL(location, encoded=True))
        if (onward.scheme, onward.host, onward.port) != (here.scheme, here.host, here.port):
            sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        here = onward
    raise FailedError("the server redirects without end")


def _check(url: URL, headers: Mapping[str, str], allowed: Collection[str]) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise FailedError("the server redirects to what is no http or https address")
    complaint = host_problem(str(url), secret="Authorization" in headers, allow_hosts=allowed)
    if complaint is not None:
        raise FailedError(f"the address {complaint}")


async def _take(response: aiohttp.ClientResponse, target: IO[bytes], max_bytes: int) -> FetchResponse:
    if response.status == 200:
        if (response.content_length or 0) > max_bytes:
            raise FailedError(_too_long(max_bytes))
        taken = 0
        async for block in response.content.iter_chunked(_BLOCK):
            taken += len(block)
            if taken > max_bytes:
                raise FailedError(_too_long(max_bytes))
            target.write(block)
    return FetchResponse(
        status=response.status,
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
    )


def _too_long(max_bytes: int) -> str:
    return f"the answer has more than the {max_bytes} bytes that are expected at most"


def _cause(error: Exception) -> str:
    match error:
        case ForbiddenAddressError() | aiohttp.ClientConnectorDNSError(os_error=ForbiddenAddressError()):
            return "the name leads to an address inside this machine or its network"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be looked up; is this machine connected?"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "its certificate is not one to trust"
        case TimeoutError():
            return "the server was silent for too long"
        case aiohttp.ClientConnectorError():
            return "no connection to the server"
        case aiohttp.ClientPayloadError():
            return "the answer ended too early"
        case aiohttp.ServerDisconnectedError():
            return "the server hung up"
        case OSError():
            return f"it could not be written ({error.strerror})"
        case _:
            return "the answer is not HTTP"
