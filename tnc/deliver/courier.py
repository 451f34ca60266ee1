"""Takes deliveries of one destination to its receiver and says what became of each."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import aiohttp

from tnc.deliver.delivery import Delivery
from tnc.deliver.oauth import Token, Tokens
from tnc.deliver.platform import Platform
from tnc.deliver.request import Answer, Grant, HttpRequest
from tnc.deliver.send import send
from tnc.deliver.verdict import Outcome, Verdict, without_answer
from tnc.world import World

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


class Fate(NamedTuple):
    delivery: Delivery
    verdict: Verdict
    told: Told


class Courier:
    """Holds the tokens; the session, the clock and the rest come from outside. Knows no store."""

    def __init__(self, session: aiohttp.ClientSession, world: World, allow_hosts: Collection[str]) -> None:
        self._session = session
        self._world = world
        self._allow_hosts = allow_hosts
        self._tokens = Tokens()

    async def deliver(self, platform: Platform, batch: Sequence[Delivery]) -> list[Fate]:
        """One destination, one lane, at most `platform.room`. A batch with a bad one is halved until it is found."""
        request, answer = await self._ask(platform.build(batch, self._world.now_ms()))
        verdict = answer if isinstance(answer, Verdict) else _judge(platform, answer, batch[0])
        verdict = verdict.for_batch(len(batch))
        if verdict.outcome == "split":
            return await self._deliver_halves(platform, batch)
        told = _told(request, answer, alone=len(batch) == 1, ended_well=verdict.of_row(0).outcome == "done")
        return [Fate(each, verdict.of_row(place), told) for place, each in enumerate(batch)]

    async def _deliver_halves(self, platform: Platform, batch: Sequence[Delivery]) -> list[Fate]:
        """When the receiver fails at the first half, the second is not even tried: it shares the wait."""
        middle = len(batch) // 2
        first = await self.deliver(platform, batch[:middle])
        halted = next((fate.verdict for fate in first if fate.verdict.outcome in HALTING), None)
        if halted is not None:
            return [*first, *(Fate(each, halted, Told()) for each in batch[middle:])]
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
