"""Takes deliveries of one destination to its receiver and says what became of each."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import urlencode

import aiohttp

from tnc.core.clock import MINUTE_MS, World
from tnc.destinations.delivery import Delivery
from tnc.destinations.http import Answer, Grant, HttpRequest, send
from tnc.destinations.platforms.base import Platform
from tnc.destinations.verdict import Outcome, Verdict, by_status, retry, stop, throttled, without_answer

_EARLY_MS: Final = MINUTE_MS
_OPERATOR: Final = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"})

SendRequest = Callable[[HttpRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    text: str
    until_ms: int


def token_request(grant: Grant) -> HttpRequest:
    form = {
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "refresh_token": grant.refresh_token,
        "grant_type": "refresh_token",
    }
    return HttpRequest(
        method="POST",
        url=grant.token_url,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
        secrets=(grant.client_secret, grant.refresh_token),
    )


def read_token(answer: Answer, now_ms: int) -> Token | Verdict:
    found = answer.json() or {}
    token, seconds = found.get("access_token"), found.get("expires_in", 3600)
    if answer.status == 200 and isinstance(token, str) and isinstance(seconds, int):
        return Token(text=token, until_ms=now_ms + seconds * 1000 - _EARLY_MS)
    error = found.get("error")
    if isinstance(error, str) and error in _OPERATOR:
        return stop(f"oauth-{error}: the refresh token or the client is not accepted; put new ones")
    if answer.status == 429:
        return throttled("oauth-429", answer)
    verdict = by_status(answer)
    return retry("oauth-not-json", answer) if verdict.outcome in ("done", "drop") else verdict


class Tokens:
    """The tokens that are good now, by grant."""

    def __init__(self) -> None:
        self._tokens: dict[Grant, Token] = {}

    async def get(self, grant: Grant, send: SendRequest, now_ms: int) -> Token | Verdict:
        token = self._tokens.get(grant)
        if token is not None and now_ms < token.until_ms:
            return token
        found = read_token(await send(token_request(grant)), now_ms)
        if isinstance(found, Token):
            self._tokens[grant] = found
        return found

    def forget(self, grant: Grant) -> None:
        """The receiver did not take it: the next request fetches another."""
        self._tokens.pop(grant, None)


LONGEST: Final = 2048
"""Characters of a request and of an answer that are kept."""

HALTING: Final[frozenset[Outcome]] = frozenset({"retry", "throttled", "stop"})


class Told(NamedTuple):
    """What was said and answered, without secrets; texts only of a request for one delivery alone.

    A request for many, and the answer to it, say something about others: they are kept nowhere.
    """

    status: int | None = None
    request: str | None = None
    answer: str | None = None


class DeliveryResult(NamedTuple):
    delivery: Delivery
    verdict: Verdict
    told: Told


class Sender:
    """Holds the tokens; the session, the clock and the rest come from outside. Knows no store."""

    def __init__(self, session: aiohttp.ClientSession, world: World, allow_hosts: Collection[str]) -> None:
        self._session = session
        self._world = world
        self._allow_hosts = allow_hosts
        self._tokens = Tokens()

    async def deliver(self, platform: Platform, batch: Sequence[Delivery]) -> list[DeliveryResult]:
        """One destination, one lane, at most `platform.room`. A batch with a bad one is halved until it is found."""
        request, answer = await self._ask(platform.build(batch, self._world.now_ms()))
        verdict = answer if isinstance(answer, Verdict) else _judge(platform, answer, batch[0])
        verdict = verdict.for_batch(len(batch))
        if verdict.outcome == "split":
            return await self._deliver_halves(platform, batch)
        told = _told(request, answer, alone=len(batch) == 1, ended_well=verdict.of_row(0).outcome == "done")
        return [DeliveryResult(each, verdict.of_row(place), told) for place, each in enumerate(batch)]

    async def _deliver_halves(self, platform: Platform, batch: Sequence[Delivery]) -> list[DeliveryResult]:
        """When the receiver fails at the first half, the second is not even tried: it shares the wait."""
        middle = len(batch) // 2
        first = await self.deliver(platform, batch[:middle])
        halted = next((fate.verdict for fate in first if fate.verdict.outcome in HALTING), None)
        if halted is not None:
            return [*first, *(DeliveryResult(each, halted, Told()) for each in batch[middle:])]
        return [*first, *await self.deliver(platform, batch[middle:])]

    async def confirm(self, platform: Platform, delivery: Delivery, receipt: str, size: int) -> Verdict:
        """What became of an accepted request that carried `size` deliveries, of which this is one."""
        if platform.confirmation is None:
            return Verdict(outcome="done")
        _, answer = await self._ask(platform.confirmation.build(delivery, receipt))
        if isinstance(answer, Verdict):
            verdict, answered = answer, False
        else:
            verdict = without_answer(answer) if answer.trouble else platform.confirmation.judge(answer)
            answered = answer.status == 200
        if verdict.outcome == "retry" and not answered:
            return replace(verdict, outcome="accepted")  # it was the question that failed
        return verdict.for_batch(size)

    async def _ask(self, request: HttpRequest) -> tuple[HttpRequest, Answer | Verdict]:
        """What was sent, and the answer; a Verdict when no token could be had. A refused token is replaced once."""
        if request.grant is None:
            return request, await self._send(request)
        sent, answer = await self._ask_with_token(request, request.grant)
        if isinstance(answer, Verdict) or answer.status != 401:
            return sent, answer
        self._tokens.forget(request.grant)
        return await self._ask_with_token(request, request.grant)

    async def _ask_with_token(self, request: HttpRequest, grant: Grant) -> tuple[HttpRequest, Answer | Verdict]:
        token = await self._tokens.get(grant, self._send, self._world.now_ms())
        if not isinstance(token, Token):
            return request, token
        request = request.with_bearer(token.text)
        return request, await self._send(request)

    async def _send(self, request: HttpRequest) -> Answer:
        return await send(request, self._session, self._allow_hosts)


def _judge(platform: Platform, answer: Answer, delivery: Delivery) -> Verdict:
    return without_answer(answer) if answer.trouble else platform.judge(answer, delivery.destination)


def _told(request: HttpRequest, answer: Answer | Verdict, *, alone: bool, ended_well: bool) -> Told:
    """What went well is not kept: the request can be made again, and holds what a person would have to be told."""
    status = None if isinstance(answer, Verdict) else answer.status or None
    if not alone:
        return Told(status)
    text = "" if isinstance(answer, Verdict) else request.masked(answer.text)
    asked = None if ended_well else json.dumps(request.shown(), ensure_ascii=False)[:LONGEST]
    return Told(status, asked, text[:LONGEST] or None)
