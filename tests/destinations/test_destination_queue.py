"""The queue of a destination: order, requests at once, and a day of outage."""

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
from tests.destinations.harness import DATE, Clocks, Harness, Versions, sending_to
from tests.destinations.test_worker import until
from tests.fakes import postback
from tnc.campaigns.platforms.messages import Answer
from tnc.campaigns.platforms.outcome import Outcome, done, retry, stop, throttled
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.models import DestinationId
from tnc.destinations.destination_queue import LAST_PROBE_MS, PROMPT, DestinationQueue, QueueKey
from tnc.destinations.retry import PER_DESTINATION, wait_ms

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FAILED, DONE = retry("no-answer: connect"), done()
SECOND = 1_000


def queue_of(count: int, *, at_ms: int = 0) -> DestinationQueue:
    made = DestinationQueue()
    for seq in range(count):
        made.add(QueueKey(DATE, seq), at_ms)
    return made


def send(queue: DestinationQueue, now_ms: int, outcome: Outcome, *, took_ms: int = 100) -> list[QueueKey]:
    """Start every request that may start now, with the same outcome for all; returns what was sent."""
    sent: list[list[QueueKey]] = []
    while queue.may_start(now_ms):
        sent.append(queue.take(now_ms, 1))
    for _ in sent:
        queue.learn([outcome], now_ms=now_ms, took_ms=took_ms, scale=1.0)
    return [key for keys in sent for key in keys]


def test_a_delivery_is_queued_once() -> None:
    queue = DestinationQueue()
    queue.add(QueueKey(DATE, 7), 1_000)
    queue.add(QueueKey(DATE, 7), 1_001)
    assert len(queue) == 1

    assert queue.take(2_000, 5) == [QueueKey(DATE, 7)]
    queue.add(QueueKey(DATE, 7), 3_000)
    assert len(queue) == 1


def test_a_day_of_outage_costs_at_most_200_requests_and_the_queue_drains_quickly() -> None:
    queue, now_ms, requests = queue_of(50_000), 0, 0
    attempts: dict[QueueKey, int] = {}
    while now_ms < DAY_MS:
        for key in send(queue, now_ms, FAILED):
            requests += 1
            attempts[key] = attempts.get(key, 0) + 1
            wait = wait_ms(FAILED, attempts=attempts[key], chance=0.5)
            queue.add(key, now_ms + wait)
        starts_ms = queue.starts_ms()
        assert starts_ms is not None
        now_ms = max(starts_ms, now_ms + 1)

    back_ms = now_ms
    while queue:
        send(queue, now_ms, DONE)
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
def test_deliveries_are_taken_in_the_order_of_their_times(added: list[tuple[int, int, int]]) -> None:
    queue = DestinationQueue()
    for at_ms, days, seq in added:
        queue.add(QueueKey(DATE + timedelta(days=days), seq), at_ms)

    assert queue.take(10**13, len(added)) == [
        QueueKey(DATE + timedelta(days=days), seq) for _, days, seq in sorted(added)
    ]


def test_requests_at_once_grow_with_prompt_answers() -> None:
    queue = queue_of(10_000)

    sizes = [len(send(queue, now_ms, DONE)) for now_ms in range(40)]

    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert sizes[-1] == PROMPT


def test_slow_and_failing_receivers_get_fewer_requests_at_once() -> None:
    queue = queue_of(10_000)
    for now_ms in range(40):
        send(queue, now_ms, DONE)
    slow = [len(send(queue, now_ms, DONE, took_ms=5 * SECOND)) for now_ms in range(40, 50)]
    failing = len(send(queue, 60, FAILED)), len(send(queue, 61, FAILED))

    assert slow[-1] == PER_DESTINATION
    assert failing[1] < failing[0]


@given(st.lists(st.sampled_from([DONE, FAILED, stop("x"), throttled("y", Answer(status=429))]), max_size=60))
def test_requests_at_once_stay_within_their_limits_whatever_the_outcomes(outcomes: list[Outcome]) -> None:
    queue, now_ms = queue_of(200), 0
    for outcome in outcomes:
        now_ms += HOUR_MS
        send(queue, now_ms, outcome)
        assert queue.running == 0
        assert 1 <= queue.width <= queue.most
    if queue.breaker.stopped is not None:
        assert send(queue, now_ms + DAY_MS, DONE) == []
        queue.breaker = queue.breaker.resumed()
    assert send(queue, now_ms + DAY_MS, DONE) or not queue


async def test_a_hanging_receiver_does_not_hold_up_others(tmp_path: Path, listen: Listen) -> None:
    clocks, versions = Clocks(), Versions()
    harness, released = Harness(tmp_path, clocks, versions), asyncio.Event()
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

    async with harness.open():
        for _ in range(30):
            await harness.convert(await harness.click())
        await until(lambda: len(good.events) == 30)
        under_way = len(asked)
        released.set()
        await until(lambda: set(harness.states()) == {"done"})

    assert 1 <= under_way <= PER_DESTINATION
    assert len(hung.events) == 30
