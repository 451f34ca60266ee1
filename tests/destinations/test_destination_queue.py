"""Who goes next: a day of outage, a stranger, a crowd, and a receiver that hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.destinations.conftest import Listen, at
from tests.destinations.examples import destination
from tests.destinations.office import DATE, Clocks, Office, Versions, sending_to
from tests.destinations.test_worker import until
from tests.fakes import postback
from tnc.campaigns.platforms.messages import Answer
from tnc.campaigns.platforms.outcome import Outcome, done, retry, stop, throttled
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.models import DestinationId
from tnc.destinations.destination_queue import LAST_PROBE_MS, PROMPT, DestinationQueue, QueueKey
from tnc.destinations.retry import PER_DESTINATION, wait_ms

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FAILED, TAKEN = retry("no-answer: connect"), done()
SECOND = 1_000


def line(count: int, *, at_ms: int = 0) -> DestinationQueue:
    made = DestinationQueue()
    for seq in range(count):
        made.add(QueueKey(DATE, seq), at_ms)
    return made


def go(waiting: DestinationQueue, now_ms: int, outcome: Outcome, *, took_ms: int = 100) -> list[QueueKey]:
    """Everything that may start now is answered alike; returns what was sent."""
    sent: list[list[QueueKey]] = []
    while waiting.may_start(now_ms):
        sent.append(waiting.take(now_ms, 1))
    for _ in sent:
        waiting.learn([outcome], now_ms=now_ms, took_ms=took_ms, scale=1.0)
    return [place for places in sent for place in places]


def test_who_is_in_line_already_does_not_come_a_second_time() -> None:
    waiting = DestinationQueue()
    waiting.add(QueueKey(DATE, 7), 1_000)
    waiting.add(QueueKey(DATE, 7), 1_001)
    assert len(waiting) == 1

    assert waiting.take(2_000, 5) == [QueueKey(DATE, 7)]
    waiting.add(QueueKey(DATE, 7), 3_000)
    assert len(waiting) == 1


def test_a_day_of_outage_costs_few_requests_and_a_return_is_quick() -> None:
    waiting, now_ms, requests = line(50_000), 0, 0
    attempts: dict[QueueKey, int] = {}
    while now_ms < DAY_MS:
        for place in go(waiting, now_ms, FAILED):
            requests += 1
            attempts[place] = attempts.get(place, 0) + 1
            wait = wait_ms(FAILED, attempts=attempts[place], chance=0.5)
            waiting.add(place, now_ms + wait)
        starts_ms = waiting.starts_ms()
        assert starts_ms is not None
        now_ms = max(starts_ms, now_ms + 1)

    back_ms = now_ms
    while waiting:
        go(waiting, now_ms, TAKEN)
        now_ms += 100  # what each answer takes

    assert requests <= 200
    assert max(attempts.values()) <= 40
    assert now_ms - back_ms <= 15 * 60 * SECOND + LAST_PROBE_MS


@given(
    st.lists(
        st.tuples(st.integers(-(10**12), 10**13), st.integers(0, 400), st.integers(0, 10**9)),
        max_size=30,
        unique_by=lambda each: each[1:],
    )
)
def test_what_waits_comes_back_in_the_order_of_its_times(added: list[tuple[int, int, int]]) -> None:
    waiting = DestinationQueue()
    for at_ms, days, seq in added:
        waiting.add(QueueKey(DATE + timedelta(days=days), seq), at_ms)

    assert waiting.take(10**13, len(added)) == [
        QueueKey(DATE + timedelta(days=days), seq) for _, days, seq in sorted(added)
    ]


def test_a_stranger_gets_one_request_and_a_prompt_receiver_many() -> None:
    waiting = line(10_000)

    sizes = [len(go(waiting, now_ms, TAKEN)) for now_ms in range(40)]

    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert sizes[-1] == PROMPT


def test_a_slow_receiver_gets_few_and_one_that_fails_fewer() -> None:
    waiting = line(10_000)
    for now_ms in range(40):
        go(waiting, now_ms, TAKEN)
    slow = [len(go(waiting, now_ms, TAKEN, took_ms=5 * SECOND)) for now_ms in range(40, 50)]
    failing = len(go(waiting, 60, FAILED)), len(go(waiting, 61, FAILED))

    assert slow[-1] == PER_DESTINATION
    assert failing[1] < failing[0]


@given(st.lists(st.sampled_from([TAKEN, FAILED, stop("x"), throttled("y", Answer(status=429))]), max_size=60))
def test_a_line_lends_out_no_more_than_it_may_and_gets_everything_back(outcomes: list[Outcome]) -> None:
    waiting, now_ms = line(200), 0
    for outcome in outcomes:
        now_ms += HOUR_MS
        go(waiting, now_ms, outcome)
        assert waiting.running == 0
        assert 1 <= waiting.width <= waiting.most
    if waiting.breaker.stopped is not None:
        assert go(waiting, now_ms + DAY_MS, TAKEN) == []
        waiting.breaker = waiting.breaker.resumed()
    assert go(waiting, now_ms + DAY_MS, TAKEN) or not waiting


async def test_a_receiver_that_hangs_keeps_nobody_else_waiting(tmp_path: Path, listen: Listen) -> None:
    clocks, versions = Clocks(), Versions()
    office, released = Office(tmp_path, clocks, versions), asyncio.Event()
    good, hung = postback.Postback(), postback.Postback()
    hanging, asked = postback.app(hung), list[web.Request]()

    @web.middleware
    async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append(request)
        await released.wait()
        return await handler(request)

    hanging.middlewares.insert(0, hang)
    addresses = {"good": await listen(postback.app(good)), "hung": await listen(hanging)}
    both = [replace(at(destination("postback"), to), id=DestinationId(name)) for name, to in addresses.items()]
    versions.all.append(sending_to(*both))

    async with office.open():
        for _ in range(30):
            await office.say(await office.click())
        await until(lambda: len(good.events) == 30)
        under_way = len(asked)
        released.set()
        await until(lambda: set(office.states()) == {"done"})

    assert 1 <= under_way <= PER_DESTINATION
    assert len(hung.events) == 30
