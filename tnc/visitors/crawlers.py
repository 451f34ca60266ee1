"""Declared crawlers of ad platforms and search engines: which one a request claims to be, and whether that is true.

Whatever the check finds, such a request is routed like an ordinary visitor's: lists become outdated, and a reviewer
must never see another page than people do. The check only decides how the request is counted.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from ipaddress import ip_network
from itertools import chain
from typing import Final, NamedTuple

from msgspec import Struct, json

from tnc.core.clock import HOUR_MS
from tnc.visitors.client_ip import Network, NetworkSet, canonical_ip


class _CrawlerData(Struct):
    name: str
    operator: str
    tokens: list[str]
    ranges: list[str]
    asns: list[int]
    rdns_suffixes: list[str]
    complete: bool


class _Range(Struct):
    prefixes: list[str]


class _File(Struct):
    crawlers: list[_CrawlerData]
    ranges: dict[str, _Range]


class Crawler:
    """One declared crawler, and how its claim can be checked.

    `complete` in the data: the operator publishes all addresses of the crawler, so others are proof of a false claim.
    """

    __slots__ = ("_asns", "_complete", "_networks", "_suffixes", "name", "operator", "tokens")

    def __init__(self, data: _CrawlerData, ranges: Mapping[str, Sequence[Network]]) -> None:
        self.name = data.name
        self.operator = data.operator
        self.tokens = tuple(data.tokens)
        self._networks = NetworkSet(chain.from_iterable(ranges[each] for each in data.ranges))
        self._asns = frozenset(data.asns)
        self._suffixes = tuple(data.rdns_suffixes)
        self._complete = data.complete

    def check_network(self, ip: str, asn: int | None) -> bool | None:
        """Whether the published networks prove the claim; False only if nothing else could prove it, else None."""
        if ip in self._networks or asn in self._asns:
            return True
        only_by_network = self._complete and self._asns and not self._suffixes
        return False if only_by_network and asn is not None else None

    def check_dns(self, ip: str, asn: int | None, answer: "DnsAnswer") -> bool | None:
        """Whether the networks or the DNS name prove the claim; False only if the operator publishes all addresses."""
        if self.check_network(ip, asn) or self._is_confirmed(ip, answer):
            return True
        return False if self._complete else None

    @property
    def has_dns_names(self) -> bool:
        """Whether the DNS name of the address could prove the claim."""
        return bool(self._suffixes)

    def _is_confirmed(self, ip: str, answer: "DnsAnswer") -> bool:
        """Forward-confirmed reverse DNS: the name belongs to the operator's domain and resolves to the address."""
        name = (answer.name or "").rstrip(".").lower()
        belongs = any(name == suffix or name.endswith("." + suffix) for suffix in self._suffixes)
        return belongs and ip in {canonical_ip(each) for each in answer.addresses}


class Crawlers:
    """All declared crawlers. Their tokens must be tried in this order."""

    def __init__(self) -> None:
        read = json.decode(files("tnc.visitors").joinpath("data", "crawlers.json").read_bytes(), type=_File)
        ranges = {name: tuple(map(ip_network, each.prefixes)) for name, each in read.ranges.items()}
        self._all = tuple(Crawler(each, ranges) for each in read.crawlers)
        self.networks: tuple[Network, ...] = tuple(chain.from_iterable(ranges.values()))

    def __iter__(self) -> Iterator[Crawler]:
        return iter(self._all)

    def find_claimed(self, user_agent: str) -> Crawler | None:
        """The crawler that a user agent claims to be."""
        for crawler in self._all:
            for token in crawler.tokens:
                if token in user_agent:
                    return crawler
        return None

    def find(self, name: str) -> Crawler | None:
        return next((each for each in self._all if each.name == name), None)


# ----------------------------------------------------------------------------------------- checks by DNS

DNS_TIMEOUT_S: Final = 2.0
_KNOWN_MS: Final = 24 * HOUR_MS
_FAILED_MS: Final = HOUR_MS
_MAX_ANSWERS: Final = 10_000


class DnsAnswer(NamedTuple):
    """The name of an IP address, and the addresses of that name."""

    name: str | None
    addresses: tuple[str, ...] = ()


Resolve = Callable[[str], Awaitable[DnsAnswer]]


async def resolve(ip: str) -> DnsAnswer:
    """Look up with the system's resolver. Raises OSError.

    It runs in a daemon thread: a resolver that hangs then blocks neither other look-ups nor a server that stops.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[DnsAnswer] = loop.create_future()

    def resolve_future(answer: DnsAnswer | None, error: OSError | None) -> None:
        if answered.done():  # cancelled or timed out
            return
        if answer is None:
            answered.set_exception(error or OSError("no answer"))
        else:
            answered.set_result(answer)

    def look_up() -> None:
        answer, failed = None, None
        try:
            answer = _reverse_and_forward(ip)
        except OSError as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(resolve_future, answer, failed)

    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    return await answered


def _reverse_and_forward(ip: str) -> DnsAnswer:
    name, _ = socket.getnameinfo((ip, 0), socket.NI_NAMEREQD)
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return DnsAnswer(name, tuple(str(address[0]) for *_, address in found))


class CrawlerVerifier:
    """Checks claims by networks and reverse DNS. Remembers a DNS answer for a day, a failed look-up for an hour."""

    def __init__(self, resolve: Resolve = resolve) -> None:
        self._resolve = resolve
        self._answers: dict[str, tuple[int, DnsAnswer | None]] = {}

    async def verify(self, crawler: Crawler, ip: str, asn: int | None, now_ms: int) -> bool | None:
        """Whether the claim is true; None when that cannot be known."""
        known = crawler.check_network(ip, asn)
        if known is not None or not crawler.has_dns_names:
            return known
        answer = await self._answer(ip, now_ms)
        return None if answer is None else crawler.check_dns(ip, asn, answer)

    async def _answer(self, ip: str, now_ms: int) -> DnsAnswer | None:
        until_ms, answer = self._answers.get(ip, (0, None))
        if now_ms < until_ms:
            return answer
        try:
            answer = await asyncio.wait_for(self._resolve(ip), DNS_TIMEOUT_S)
        except socket.gaierror as error:
            # "No such name" is an answer of a working resolver; every other error is a failed look-up.
            answer = DnsAnswer(None) if error.errno == socket.EAI_NONAME else None
        except (OSError, TimeoutError):
            answer = None
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        self._answers[ip] = (now_ms + (_FAILED_MS if answer is None else _KNOWN_MS), answer)
        return answer
