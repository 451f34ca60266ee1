"""Downloads of geo and IP data for `tnc.visitors.geo.update`, streamed to disk."""

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
    """A `Fetch` for one update. The host of `base_url` may be private, because the owner named it."""
    own = () if base_url is None else (urlsplit(base_url).hostname or "",)
    allowed = (*allow_hosts, *own)
    async with open_session(allowed, _TIMEOUT) as session:

        async def fetch(url: str, *, headers: Mapping[str, str], target: IO[bytes], max_bytes: int) -> FetchResponse:
            try:
                async with _followed(session, url, headers, allowed) as response:
                    return await _take(response, target, max_bytes)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise FailedError(_cause(error)) from None  # its text may contain the query, and in it a key

        yield fetch


@asynccontextmanager
async def _followed(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], allowed: Collection[str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The reply after all redirects. They are followed here so that a key is not sent to another host, and so that
    every address is checked.
    """
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
            raise FailedError("the server redirects without a Location")
        onward = here.join(URL(location, encoded=True))
        if (onward.scheme, onward.host, onward.port) != (here.scheme, here.host, here.port):
            sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        here = onward
    raise FailedError(f"the server redirects more than {_MOST_HOPS} times")


def _check(url: URL, headers: Mapping[str, str], allowed: Collection[str]) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise FailedError("the server redirects to a URL that is not http or https")
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
    return f"the file is larger than the limit of {max_bytes} bytes"


def _cause(error: Exception) -> str:
    match error:
        case ForbiddenAddressError() | aiohttp.ClientConnectorDNSError(os_error=ForbiddenAddressError()):
            return "the name resolves to a private address"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved; is this machine online?"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "its certificate is not trusted"
        case TimeoutError():
            return "the server did not reply in time"
        case aiohttp.ClientConnectorError():
            return "the connection was refused"
        case aiohttp.ClientPayloadError():
            return "the reply was truncated"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case OSError():
            return f"it could not be written ({error.strerror})"
        case _:
            return "the reply is not HTTP"
