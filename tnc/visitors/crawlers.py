"""The crawlers by which ad platforms and search engines look at a page: who claims to be one, and is it true.

Whatever the check says, such a request is routed like an ordinary visitor's: lists age, and a reviewer must
never see another page than people do. The check only decides what the request is called in the numbers.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, NamedTuple

from msgspec import Struct, json

from tnc.core.clock import HOUR_MS
from tnc.visitors.client_ip import Addresses, canonical


class DnsAnswer(NamedTuple):
    """What the resolver said: the name of an address, and the addresses of that name."""

    name: str | None
    addresses: tuple[str, ...] = ()


class _Described(Struct):
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
    crawlers: list[_Described]
    ranges: dict[str, _Range]


class Crawler:
    """One declared crawler, and how its claim can be checked."""

    __slots__ = ("_addresses", "_asns", "_complete", "_suffixes", "name", "operator", "tokens")

    def __init__(self, described: _Described, ranges: dict[str, _Range]) -> None:
        self.name = described.name
        self.operator = described.operator
        self.tokens = tuple(described.tokens)
        self._addresses = Addresses(ip_network(prefix) for each in described.ranges for prefix in ranges[each].prefixes)
        self._asns = frozenset(described.asns)
        self._suffixes = tuple(described.rdns_suffixes)
        self._complete = described.complete

    def verified(self, ip: str, asn: int | None) -> bool | None:
        """What is known at once, by published networks; false only where nothing else could prove the claim."""
        if ip in self._addresses or asn in self._asns:
            return True
        only_by_network = self._complete and self._asns and not self._suffixes
        return False if only_by_network and asn is not None else None

    def judge(self, ip: str, asn: int | None, answer: DnsAnswer) -> bool | None:
        """What is known after the resolver answered. False only where the operator publishes a complete check."""
        if self.verified(ip, asn) or self._is_confirmed(ip, answer):
            return True
        return False if self._complete else None

    @property
    def asks_dns(self) -> bool:
        """Whether the name of an address could prove the claim."""
        return bool(self._suffixes)

    def _is_confirmed(self, ip: str, answer: DnsAnswer) -> bool:
        """Forward-confirmed: the name ends with the operator's, at a dot, and leads back to the address."""
        name = (answer.name or "").rstrip(".").lower()
        belongs = any(name == suffix or name.endswith("." + suffix) for suffix in self._suffixes)
        return belongs and ip in {canonical(each) for each in answer.addresses}


class Crawlers:
    """All declared crawlers, in the order in which their tokens must be tried."""

    def __init__(self) -> None:
        read = json.decode(files("tnc.visitors").joinpath("data", "crawlers.json").read_bytes(), type=_File)
        self._all = tuple(Crawler(each, read.ranges) for each in read.crawlers)
        self.networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(prefix) for each in read.ranges.values() for prefix in each.prefixes
        )

    def __iter__(self) -> Iterator[Crawler]:
        return iter(self._all)

    def claimed(self, user_agent: str) -> Crawler | None:
        """The crawler that a user agent says it is."""
        for crawler in self._all:
            for token in crawler.tokens:
                if token in user_agent:
                    return crawler
        return None

    def named(self, name: str) -> Crawler | None:
        return next((each for each in self._all if each.name == name), None)


LIMIT_S: Final = 2.0
_KNOWN_MS: Final = 24 * HOUR_MS
_FAILED_MS: Final = HOUR_MS
_MOST: Final = 10_000

Resolve = Callable[[str], Awaitable[DnsAnswer]]


async def resolve(ip: str) -> DnsAnswer:
    """The name of an address and the addresses of that name, by the system's resolver. Raises OSError.

    Asked in a thread of its own: a resolver that hangs keeps nobody waiting, not even a server that stops.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[DnsAnswer] = loop.create_future()

    def settle(answer: DnsAnswer | None, error: OSError | None) -> None:
        if answered.done():  # nobody waits for it any more
            return
        if answer is None:
            answered.set_exception(error or OSError("no answer"))
        else:
            answered.set_result(answer)

    def ask() -> None:
        answer, failed = None, None
        try:
            answer = _look_up(ip)
        except OSError as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, answer, failed)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return await answered


def _look_up(ip: str) -> DnsAnswer:
    name, _ = socket.getnameinfo((ip, 0), socket.NI_NAMEREQD)
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return DnsAnswer(name, tuple(str(address[0]) for *_, address in found))


class Verifier:
    """Checks claims by reverse DNS, each address once a day, a failed one once an hour."""

    def __init__(self, resolve: Resolve = resolve) -> None:
        self._resolve = resolve
        self._answers: dict[str, tuple[int, DnsAnswer | None]] = {}

    async def verify(self, crawler: Crawler, ip: str, asn: int | None, now_ms: int) -> bool | None:
        """Whether the claim holds; None when it cannot be known, now or ever."""
        known = crawler.verified(ip, asn)
        if known is not None or not crawler.asks_dns:
            return known
        answer = await self._answer(ip, now_ms)
        return None if answer is None else crawler.judge(ip, asn, answer)

    async def _answer(self, ip: str, now_ms: int) -> DnsAnswer | None:
        until_ms, answer = self._answers.get(ip, (0, None))
        if now_ms < until_ms:
            return answer
        try:
            answer = await asyncio.wait_for(self._resolve(ip), LIMIT_S)
        except socket.gaierror as error:
            # The resolver works and knows no name: that is an answer. That it did not answer is none.
            answer = DnsAnswer(None) if error.errno == socket.EAI_NONAME else None
        except (OSError, TimeoutError):
            answer = None
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[ip] = (now_ms + (_FAILED_MS if answer is None else _KNOWN_MS), answer)
        return answer
