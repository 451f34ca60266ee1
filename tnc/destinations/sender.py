"""Sends deliveries to their platform and says what became of each."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import urlencode

import aiohttp

from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.messages import Answer, Grant, HttpRequest
from tnc.campaigns.platforms.outcome import Outcome, OutcomeKind, by_status, retry, stop, throttled, without_answer
from tnc.core.clock import MINUTE_MS, World
from tnc.destinations.http import send

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


def read_token(answer: Answer, now_ms: int) -> Token | Outcome:
    found = answer.json() or {}
    token, seconds = found.get("access_token"), found.get("expires_in", 3600)
    if answer.status == 200 and isinstance(token, str) and isinstance(seconds, int):
        return Token(text=token, until_ms=now_ms + seconds * 1000 - _EARLY_MS)
    error = found.get("error")
    if isinstance(error, str) and error in _OPERATOR:
        return stop(f"oauth-{error}: the refresh token or the OAuth client is not accepted; replace them")
    if answer.status == 429:
        return throttled("oauth-429", answer)
    outcome = by_status(answer)
    return retry("oauth-not-json", answer) if outcome.kind in ("done", "drop") else outcome


class Tokens:
    """Access tokens that are valid now, by grant."""

    def __init__(self) -> None:
        self._tokens: dict[Grant, Token] = {}

    async def get(self, grant: Grant, send: SendRequest, now_ms: int) -> Token | Outcome:
        token = self._tokens.get(grant)
        if token is not None and now_ms < token.until_ms:
            return token
        found = read_token(await send(token_request(grant)), now_ms)
        if isinstance(found, Token):
            self._tokens[grant] = found
        return found

    def forget(self, grant: Grant) -> None:
        """After the receiver refused the token: the next request fetches a new one."""
        self._tokens.pop(grant, None)


LONGEST: Final = 2048
"""Characters of a request and of an answer that are stored."""

RECEIVER_FAILED: Final[frozenset[OutcomeKind]] = frozenset({"retry", "throttled", "stop"})
"""Outcomes after which nothing more is sent to the destination for now."""


class Exchange(NamedTuple):
    """What is stored of a request and its answer, without secrets.

    Texts are stored only of a request for one delivery: those of a batch hold data of other visitors.
    """

    status: int | None = None
    request: str | None = None
    answer: str | None = None


class DeliveryResult(NamedTuple):
    delivery: Delivery
    outcome: Outcome
    exchange: Exchange


class Sender:
    """Holds access tokens; everything else is passed in. Stores nothing."""

    def __init__(self, session: aiohttp.ClientSession, world: World, allow_hosts: Collection[str]) -> None:
        self._session = session
        self._world = world
        self._allow_hosts = allow_hosts
        self._tokens = Tokens()

    async def deliver(self, batch: Sequence[Delivery]) -> list[DeliveryResult]:
        """Deliveries of one destination and request group, at most `Platform.batch_size`. Results in their order.

        A batch that is refused because of one bad event is halved until that one is found.
        """
        platform = batch[0].platform
        request, answer = await self._request(platform.build(batch, self._world.now_ms()))
        outcome = answer if isinstance(answer, Outcome) else _read_answer(answer, batch[0])
        outcome = outcome.for_batch(len(batch))
        if outcome.kind == "split":
            return await self._deliver_halves(batch)
        exchange = _exchange(request, answer, alone=len(batch) == 1, succeeded=outcome.of_row(0).kind == "done")
        return [DeliveryResult(each, outcome.of_row(index), exchange) for index, each in enumerate(batch)]

    async def _deliver_halves(self, batch: Sequence[Delivery]) -> list[DeliveryResult]:
        """If the receiver fails at the first half, the second is not sent and gets the same outcome."""
        middle = len(batch) // 2
        first = await self.deliver(batch[:middle])
        failed = next((each.outcome for each in first if each.outcome.kind in RECEIVER_FAILED), None)
        if failed is not None:
            return [*first, *(DeliveryResult(each, failed, Exchange()) for each in batch[middle:])]
        return [*first, *await self.deliver(batch[middle:])]

    async def confirm(self, delivery: Delivery, receipt: str, size: int) -> Outcome:
        """What became of an accepted request that carried `size` deliveries, of which this is one."""
        confirmation = delivery.platform.confirmation
        if confirmation is None:
            return Outcome(kind="done")
        _, answer = await self._request(confirmation.build(delivery, receipt))
        if isinstance(answer, Outcome):
            outcome, answered = answer, False
        else:
            outcome = without_answer(answer) if answer.trouble else confirmation.read_answer(answer)
            answered = answer.status == 200
        if outcome.kind == "retry" and not answered:
            return replace(outcome, kind="accepted")  # asking failed, not the delivery
        return outcome.for_batch(size)

    async def _request(self, request: HttpRequest) -> tuple[HttpRequest, Answer | Outcome]:
        """What was sent, and the answer; an Outcome if no access token was given. A refused token is replaced once."""
        if request.grant is None:
            return request, await self._send(request)
        sent, answer = await self._request_with_token(request, request.grant)
        if isinstance(answer, Outcome) or answer.status != 401:
            return sent, answer
        self._tokens.forget(request.grant)
        return await self._request_with_token(request, request.grant)

    async def _request_with_token(self, request: HttpRequest, grant: Grant) -> tuple[HttpRequest, Answer | Outcome]:
        token = await self._tokens.get(grant, self._send, self._world.now_ms())
        if not isinstance(token, Token):
            return request, token
        request = request.with_bearer(token.text)
        return request, await self._send(request)

    async def _send(self, request: HttpRequest) -> Answer:
        return await send(request, self._session, self._allow_hosts)


def _read_answer(answer: Answer, delivery: Delivery) -> Outcome:
    return without_answer(answer) if answer.trouble else delivery.platform.read_answer(answer, delivery.destination)


def _exchange(request: HttpRequest, answer: Answer | Outcome, *, alone: bool, succeeded: bool) -> Exchange:
    """A request that succeeded is not stored: it can be built again, and it would be one more copy of personal data."""
    status = None if isinstance(answer, Outcome) else answer.status or None
    if not alone:
        return Exchange(status)
    text = "" if isinstance(answer, Outcome) else request.masked(answer.text)
    sent = None if succeeded else json.dumps(request.shown(), ensure_ascii=False)[:LONGEST]
    return Exchange(status, sent, text[:LONGEST] or None)
