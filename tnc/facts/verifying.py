"""Proof for crawlers that only a name can prove: asked of the resolver after the answer, never before.

What it finds corrects the label of a click in the numbers and nothing else.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tnc.facts.crawlers import Crawler, DnsAnswer

LIMIT_S: Final = 2.0
_KNOWN_MS: Final = 24 * 3_600_000
_FAILED_MS: Final = 3_600_000
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
