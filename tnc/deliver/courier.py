"""Takes deliveries of one destination to its receiver and says what became of each."""

from collections.abc import Collection, Sequence

import aiohttp

from tnc.deliver.delivery import Delivery
from tnc.deliver.oauth import Token, Tokens
from tnc.deliver.platform import Platform
from tnc.deliver.request import Answer, Grant, HttpRequest
from tnc.deliver.send import send
from tnc.deliver.verdict import Verdict, without_answer
from tnc.world import World

Fate = tuple[Delivery, Verdict]


class Courier:
    """Holds the tokens; the session, the clock and the rest come from outside. Knows no store."""

    def __init__(self, session: aiohttp.ClientSession, world: World, allow_hosts: Collection[str]) -> None:
        self._session = session
        self._world = world
        self._allow_hosts = allow_hosts
        self._tokens = Tokens()

    async def deliver(self, platform: Platform, batch: Sequence[Delivery]) -> list[Fate]:
        """One destination, one lane, at most `platform.room`. A batch with a bad one is halved until it is found."""
        request = platform.build(batch, self._world.now_ms())
        answer = await self._ask(request)
        verdict = answer if isinstance(answer, Verdict) else _judge(platform, answer, batch[0])
        verdict = verdict.for_batch(len(batch))
        if verdict.outcome == "split":
            middle = len(batch) // 2
            return [*await self.deliver(platform, batch[:middle]), *await self.deliver(platform, batch[middle:])]
        return [(each, verdict.of_row(place)) for place, each in enumerate(batch)]

    async def confirm(self, platform: Platform, delivery: Delivery, receipt: str, size: int) -> Verdict:
        """What became of an accepted request that carried `size` deliveries, of which this is one."""
        if platform.confirmation is None:
            return Verdict(outcome="done")
        answer = await self._ask(platform.confirmation.build(delivery, receipt))
        if isinstance(answer, Verdict):
            return answer
        return (without_answer(answer) if answer.trouble else platform.confirmation.judge(answer)).for_batch(size)

    async def _ask(self, request: HttpRequest) -> Answer | Verdict:
        """The answer; a Verdict when no token could be had. A token that is refused is replaced once."""
        if request.grant is None:
            return await self._send(request)
        answer = await self._ask_with_token(request, request.grant)
        if isinstance(answer, Verdict) or answer.status != 401:
            return answer
        self._tokens.forget(request.grant)
        return await self._ask_with_token(request, request.grant)

    async def _ask_with_token(self, request: HttpRequest, grant: Grant) -> Answer | Verdict:
        token = await self._tokens.get(grant, self._send, self._world.now_ms())
        return await self._send(request.with_bearer(token.text)) if isinstance(token, Token) else token

    async def _send(self, request: HttpRequest) -> Answer:
        return await send(request, self._session, self._allow_hosts)


def _judge(platform: Platform, answer: Answer, delivery: Delivery) -> Verdict:
    return without_answer(answer) if answer.trouble else platform.judge(answer, delivery.destination)
