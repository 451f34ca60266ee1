"""A request as it would go over the wire, the answer to it, and the same without its secrets."""

import ipaddress
import json
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import quote, quote_plus

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from tnc.campaigns.hosts import host_complaint, is_allowed, kind_of, literal

MASK: Final = "***"
SHORT: Final = 6  # characters; see `HttpRequest.masked`
BODY_LIMIT: Final = 64 * 1024  # bytes of an answer that are read at all

Headers = Mapping[str, str]
Trouble = Literal["forbidden-address", "dns", "tls", "connect", "timeout", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grant:
    """The right to fetch a short-lived token with a long-lived one (OAuth 2, grant refresh_token)."""

    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpRequest:
    """Never printed as it is: `shown` and `masked` are for people."""

    method: Literal["GET", "POST"]
    url: str
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[str, ...] = ()
    keys_in_url: tuple[str, ...] = ()  # the owner wrote them into an address: masked, and no reason against plain http
    grant: Grant | None = None  # a bearer token has to be fetched and added first

    def with_bearer(self, token: str) -> "HttpRequest":
        headers = {"Authorization": f"Bearer {token}", **self.headers}
        return replace(self, headers=headers, secrets=(*self.secrets, token), grant=None)

    def masked(self, text: str) -> str:
        """A text of this request or of the answer to it with every secret, in any of its spellings, as `***`.

        A secret that is so short that it stands everywhere by chance is found only where it stands alone.
        """
        secrets = (*self.secrets, *self.keys_in_url)
        if text in secrets:
            return MASK
        for secret in sorted(_spellings(secrets), key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def shown(self) -> dict[str, Any]:
        """`{"method", "url", "headers", "body"}`: the body an object if it is JSON, else text, or None."""
        headers = {"Authorization": f"Bearer {MASK}"} if self.grant else {}
        headers |= {name: self.masked(value) for name, value in self.headers.items()}
        return {"method": self.method, "url": self.masked(self.url), "headers": headers, "body": self._shown_body()}

    def _shown_body(self) -> Any:
        if self.body is None:
            return None
        if "json" in self.headers.get("Content-Type", ""):
            return self._masked_json(json.loads(self.body))
        return self.masked(self.body.decode())

    def _masked_json(self, value: Any) -> Any:
        match value:
            case str():
                return self.masked(value)
            case dict():
                return {name: self._masked_json(each) for name, each in value.items()}
            case list():
                return [self._masked_json(each) for each in value]
            case _:
                return value


def _spellings(secrets: tuple[str, ...]) -> Iterator[str]:
    for secret in secrets:
        if len(secret) < SHORT:
            continue
        yield from {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}


def json_request(
    url: str,
    payload: Mapping[str, Any],
    *,
    headers: Headers | None = None,
    secrets: tuple[str, ...],
    grant: Grant | None = None,
) -> HttpRequest:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    return HttpRequest(method="POST", url=url, headers=headers, body=body, secrets=secrets, grant=grant)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """What came back: a status with its headers (lower-case names) and the body's beginning, or `trouble`."""

    status: int = 0  # 0: no answer at all
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    trouble: Trouble | None = None

    def json(self) -> dict[str, Any] | None:
        """The body if it is a JSON object. HTML, half a body or a list is None."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


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
