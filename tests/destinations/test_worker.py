"""The delivery worker: no delivery is lost, sent twice without need, or sent without consent."""

import asyncio
from collections.abc import Callable
from math import ceil
from pathlib import Path

import pytest

from tests.destinations.conftest import Listen, at
from tests.destinations.examples import destination
from tests.destinations.harness import DATE, Clocks, Harness, Versions, sending_to
from tests.fakes import google_data_manager, meta, postback, tiktok, webhook
from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.models import MAIN, Destination, Event, FilterChange, FilterId, LabelChange
from tnc.destinations.batch import LARGEST_BATCH
from tnc.store.days.writer import DayWriter
from tnc.store.keys.puncturable import PuncturedError


async def until(holds: Callable[[], bool]) -> None:
    """Wait; the timeout of the test ends it."""
    while not holds():
        await asyncio.sleep(0.005)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def versions() -> Versions:
    return Versions()


@pytest.fixture
def harness(tmp_path: Path, clocks: Clocks, versions: Versions) -> Harness:
    (tmp_path / "ring").mkdir()
    return Harness(tmp_path, clocks, versions)


@pytest.fixture
def source(clocks: Clocks) -> postback.Postback:
    return postback.Postback(now=lambda: clocks.wall_ms / 1000)


@pytest.fixture
async def to_source(listen: Listen, source: postback.Postback, versions: Versions) -> Destination:
    """A postback destination at a fake receiver, configured for the campaign."""
    found = at(destination("postback", on=("sale", "rejected")), await listen(postback.app(source)))
    versions.all.append(sending_to(found))
    return found


# ------------------------------------------------------------------------------------------ sending


async def test_a_conversion_is_sent_at_once_and_marked_done(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["done"])

    [row] = harness.rows()
    assert source.events == [{"id": "ext-4711", "rev": "12.5", "st": "sale"}]
    assert (row.attempts, row.record.status, row.record.answer, row.record.request) == (1, 200, "OK", None)


async def test_a_conversion_is_sent_to_every_destination_of_the_campaign(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    now = lambda: harness.clocks.wall_ms / 1000  # noqa: E731 - the fakes take a clock as a function
    receivers = [meta.Meta(now=now), tiktok.TikTok(now=now), webhook.Webhook(now=now)]
    apps = [meta.app, tiktok.app, webhook.app]
    addresses = [await listen(app(fake)) for app, fake in zip(apps, receivers, strict=True)]  # type: ignore[operator]
    kinds = ("meta", "tiktok", "webhook")
    found = [at(destination(kind), address) for kind, address in zip(kinds, addresses, strict=True)]
    versions.all.append(sending_to(*found))

    async with harness.open():
        recorded = await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["done"] * 3)

    assert recorded.outcome is not None
    assert recorded.outcome.after is not None
    event_id = f"cv_{recorded.outcome.after.conversion_id}"
    assert [fake.refusals for fake in receivers] == [[], [], []]
    assert [list(receivers[0].ids("event_id")), list(receivers[1].ids("event_id"))] == [[event_id], [event_id]]
    assert receivers[2].events[0]["id"] == event_id


async def test_deliveries_are_batched_where_the_platform_takes_batches(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: harness.clocks.wall_ms / 1000)
    versions.all.append(sending_to(at(destination("meta"), await listen(meta.app(receiver)))))

    async with harness.open():
        clicks = [await harness.click() for _ in range(60)]
        for each in clicks:
            await harness.convert(each, notify=False)
    async with harness.open():
        await until(lambda: harness.states() == ["done"] * 60)

    assert len(receiver.events) == 60
    assert receiver.requests <= ceil(60 / LARGEST_BATCH)


async def test_a_delivery_that_was_being_sent_at_a_kill_is_sent_after_the_next_start(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    async with harness.open(sending=False):
        await harness.convert(await harness.click(), notify=False)
        [row] = harness.rows()
        # The state after a kill while it is being sent.
        await harness.click_log.run((MAIN, DATE), lambda writer: writer.deliveries.claim([row.seq]))
        assert harness.states() == ["sending"]

    async with harness.open():
        await until(lambda: harness.states() == ["done"])

    assert len(source.events) == 1


async def test_fifty_equal_postbacks_at_once_are_one_delivery(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    async with harness.open():
        click = await harness.click()
        recorded = await asyncio.gather(*(harness.convert(click, txid="T-1") for _ in range(50)))
        await until(lambda: harness.states() == ["done"])

    answers = [each.outcome.answer for each in recorded if each.outcome is not None]
    assert sorted(answers) == ["duplicate"] * 49 + ["ok"]
    assert len(source.events) == 1


async def test_a_refund_waits_for_the_delivery_of_its_sale(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500, times=1)
    async with harness.open():
        click = await harness.click()
        await harness.convert(click, txid="T-1")
        await until(lambda: source.requests == 1 and harness.states() == ["queued"])
        await harness.convert(click, txid="T-1", status_words=("rejected",))
        await until(lambda: harness.states() == ["queued", "queued"])
        assert source.requests == 1

        await harness.pass_time(10_000)
        await until(lambda: harness.states() == ["done", "done"])

    assert [event["st"] for event in source.events] == ["sale", "rejected"]


# ------------------------------------------------------------------------------------------ failures


async def test_a_failed_delivery_is_sent_again_later_with_the_same_id(
    harness: Harness, listen: Listen, versions: Versions, clocks: Clocks
) -> None:
    receiver = webhook.Webhook(now=lambda: clocks.wall_ms / 1000)
    seen: list[str] = []
    receiver.answer_next(503, times=2)
    versions.all.append(sending_to(at(destination("webhook"), await listen(webhook.app(receiver)))))

    async with harness.open():
        await harness.convert(await harness.click())
        for number in (1, 2):
            await until(lambda number=number: receiver.requests == number and harness.states() == ["queued"])  # type: ignore[misc]
            seen.append(harness.rows()[0].event_id)
            await harness.pass_time(20_000)
        await until(lambda: harness.states() == ["done"])

    [row] = harness.rows()
    assert (row.attempts, [*seen, receiver.events[0]["id"]]) == (3, [row.event_id] * 3)


async def test_a_refused_delivery_is_dead_with_reason_request_and_answer(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: harness.clocks.wall_ms / 1000)
    receiver.answer_next(400, {"error": {"code": 100, "error_subcode": 2804003, "message": "too old EAAmetatoken"}})
    versions.all.append(sending_to(at(destination("meta"), await listen(meta.app(receiver)))))

    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["dead"])

    [row] = harness.rows()
    assert row.record.reason is not None
    assert "2804003" in row.record.reason
    assert row.record.status == 400
    assert row.record.answer is not None
    assert "too old ***" in row.record.answer
    assert row.record.request is not None
    assert "EAAmetatoken" not in row.record.request


async def test_a_refused_token_stops_the_destination_after_one_request(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: harness.clocks.wall_ms / 1000, token="the new one")
    stale = at(destination("meta"), await listen(meta.app(receiver)))
    versions.all.append(sending_to(stale))

    async with harness.open():
        for _ in range(20):
            await harness.convert(await harness.click())
        await until(lambda: harness.stop_of(stale) is not None)
        requests, states = receiver.requests, set(harness.states())

    assert requests <= 2
    assert states == {"queued"}
    assert harness.worker.statuses()[stale.id].state == "stopped"


async def test_a_stopped_destination_stays_stopped_over_a_restart_until_it_has_a_new_token(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: harness.clocks.wall_ms / 1000, token="the new one")
    address = await listen(meta.app(receiver))
    stale = at(destination("meta"), address)
    versions.all.append(sending_to(stale))
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.stop_of(stale) is not None)
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.worker.statuses()[stale.id].waiting == 2)
        assert receiver.requests == 1

        versions.all.append(sending_to(at(destination("meta", {"access_token": "the new one"}), address)))
        harness.worker.configured()
        await until(lambda: harness.states() == ["done", "done"])
        await until(lambda: harness.stop_of(stale) is None)

    assert receiver.refusals == []


async def test_a_token_renewed_while_nothing_ran_resumes_the_destination(
    harness: Harness, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: harness.clocks.wall_ms / 1000, token="the new one")
    address = await listen(meta.app(receiver))
    stale = at(destination("meta"), address)
    versions.all.append(sending_to(stale))
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.stop_of(stale) is not None)

    versions.all.append(sending_to(at(destination("meta", {"access_token": "the new one"}), address)))
    async with harness.open():
        await until(lambda: harness.states() == ["done"])


async def test_nothing_is_sent_before_retry_after_is_over(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")
        await harness.convert(await harness.click())
        await harness.pass_time(29_000)
        await until(lambda: harness.worker.statuses()[to_source.id].waiting == 2)
        assert source.requests == 1

        await harness.pass_time(1_000)
        await until(lambda: harness.states() == ["done", "done"])


async def test_a_restart_does_not_shorten_retry_after_for_queued_deliveries(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")
        await harness.convert(await harness.click())
    async with harness.open():
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")
        await harness.convert(await harness.click())
        await harness.pass_time(29_000)
        status = harness.worker.statuses()[to_source.id]
        assert (status.state, status.until_ms) == ("waiting", harness.clocks.wall_ms + 1_000)
        assert source.requests == 1

        await harness.pass_time(1_000)
        await until(lambda: harness.states() == ["done"] * 3)


async def test_after_a_restart_a_failed_delivery_does_not_hold_up_others(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    source.answer_next(503, headers={"Retry-After": "30"})
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: source.requests == 1 and harness.states() == ["queued"])
        await harness.convert(await harness.click(), notify=False)
    async with harness.open():
        await until(lambda: harness.states() == ["queued", "done"])


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
async def test_a_changed_wall_clock_changes_no_wait(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks, jump_ms: int
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")

        await harness.pass_time(0)
        clocks.wall_ms += jump_ms
        await harness.pass_time(29_000)
        await asyncio.sleep(0)
        assert source.requests == 1
        await harness.pass_time(1_500)
        await until(lambda: harness.states() == ["done"])


async def test_an_expired_delivery_is_dead_with_a_reason(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500)
    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["queued"] and source.requests == 1)
        await harness.pass_time(80 * HOUR_MS)
        await until(lambda: harness.states() == ["dead"])

    assert harness.rows()[0].record.reason == "expired"
    assert source.requests == 1


# ------------------------------------------------------------------------------------------ eligibility


async def test_without_consent_nothing_is_sent(
    harness: Harness, source: postback.Postback, to_source: Destination
) -> None:
    async with harness.open():
        await harness.convert(await harness.click(consent="denied"))
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["dropped", "done"])

    dropped = harness.rows()[0].record
    assert (dropped.reason, dropped.request, dropped.answer) == ("consent-denied", None, None)
    assert source.requests == 1


async def test_withdrawn_consent_cancels_all_queued_deliveries(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})

    def withdraw(writer: DayWriter) -> int:
        return sum(writer.deliveries.cancel(row.click_seq, reason="withdrawn", now_ms=0) for row in harness.rows())

    async with harness.open():
        for _ in range(100):
            await harness.convert(await harness.click())
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")
        await until(lambda: set(harness.states()) == {"queued"})

        cancelled = await harness.click_log.run((MAIN, DATE), withdraw)
        await harness.pass_time(MINUTE_MS)
        await until(lambda: harness.worker.statuses()[to_source.id].waiting == 0)

    assert cancelled == 100
    assert set(harness.states()) == {"cancelled"}
    assert source.requests == 1


async def test_after_an_opt_out_neither_queued_nor_new_conversions_are_sent(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with harness.open():
        await harness.convert(click := await harness.click(visitor="aa"))
        await until(lambda: harness.worker.statuses()[to_source.id].state == "waiting")
        harness.opted_out.add("aa")
        await harness.convert(click, txid="another")
        await harness.convert(await harness.click(visitor="bb"))
        await harness.pass_time(31_000)
        await until(lambda: "queued" not in harness.states() and "sending" not in harness.states())

    assert harness.states() == ["cancelled", "cancelled", "done"]
    assert {row.record.reason for row in harness.rows()[:2]} == {"consent-denied"}
    assert source.requests == 2


LATER_LABELS: list[Event] = [
    LabelChange(at_ms=0, traffic="bot", reasons=("webdriver",)),
    FilterChange(at_ms=0, by=FilterId("strict"), filter=FilterId("strict"), stopped=True),
]


@pytest.mark.parametrize("label", LATER_LABELS)
async def test_a_click_labelled_as_bot_while_queued_is_not_sent(
    harness: Harness, source: postback.Postback, to_source: Destination, label: Event
) -> None:
    source.answer_next(500)

    def add_label(writer: DayWriter) -> None:
        [row] = harness.rows()
        writer.add_event(row.click_seq, label)

    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["queued"] and source.requests == 1)
        await harness.click_log.run((MAIN, DATE), add_label)
        await harness.pass_time(MINUTE_MS)
        await until(lambda: harness.states() == ["dropped"])

    assert harness.rows()[0].record.reason == "not-human"
    assert source.requests == 1


@pytest.mark.parametrize("label", LATER_LABELS)
async def test_a_click_labelled_as_bot_after_its_sale_was_sent_can_still_be_refunded(
    harness: Harness, source: postback.Postback, to_source: Destination, label: Event
) -> None:
    async with harness.open():
        click_id = await harness.click()
        await harness.convert(click_id, txid="T-1")
        await until(lambda: harness.states() == ["done"])
        [row] = harness.rows()
        await harness.click_log.run((MAIN, DATE), lambda writer: writer.add_event(row.click_seq, label))
        await harness.convert(click_id, txid="T-1", status_words=("rejected",))
        await harness.convert(click_id, txid="T-2")  # a new sale of a bot
        await until(lambda: harness.states() == ["done", "done", "dropped"])

    assert [event["st"] for event in source.events] == ["sale", "rejected"]
    assert harness.rows()[2].record.reason == "not-human"


async def test_a_refund_of_a_bots_sale_that_was_never_sent_is_not_sent(
    harness: Harness, source: postback.Postback, to_source: Destination, versions: Versions
) -> None:
    live = versions.all[-1]
    versions.all.append(
        sending_to(at(destination("postback", on=("sale", "rejected"), paused=True), "https://a.example"))
    )
    async with harness.open():
        click_id = await harness.click()
        await harness.convert(click_id, txid="T-1")
        [row] = harness.rows()
        await harness.click_log.run((MAIN, DATE), lambda writer: writer.add_event(row.click_seq, LATER_LABELS[0]))
        await harness.convert(click_id, txid="T-1", status_words=("rejected",))
        versions.all.append(live)
        harness.worker.configured()
        await until(lambda: harness.states() == ["dropped", "dropped"])

    assert source.requests == 0


async def test_a_queued_delivery_that_was_erased_is_not_sent(
    harness: Harness, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500)

    def erase(writer: DayWriter) -> None:
        [row] = harness.rows()
        writer._database.execute("delete from deliveries where seq = ?", (row.seq,))
        assert writer.keys.events.puncture(row.seq)
        with pytest.raises(PuncturedError):
            writer.keys.events.leaf(row.seq)

    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["queued"] and source.requests == 1)
        await harness.click_log.run((MAIN, DATE), erase)
        await harness.pass_time(MINUTE_MS)
        await until(lambda: harness.worker.statuses()[to_source.id].waiting == 0)

    assert harness.rows() == []
    assert source.requests == 1


async def test_a_paused_destination_queues_conversions_until_it_is_resumed(
    harness: Harness, source: postback.Postback, to_source: Destination, versions: Versions
) -> None:
    live = versions.all[-1]
    versions.all.append(sending_to(at(destination("postback", paused=True), "https://ads.example")))
    async with harness.open():
        await harness.convert(await harness.click())
        assert harness.worker.statuses()[to_source.id].state == "paused"
        assert harness.states() == ["queued"]

        versions.all.append(live)
        harness.worker.configured()
        await until(lambda: harness.states() == ["done"])


async def test_an_accepted_delivery_is_done_once_google_confirms_it(
    harness: Harness, listen: Listen, versions: Versions, clocks: Clocks
) -> None:
    receiver = google_data_manager.DataManager(now=lambda: clocks.wall_ms / 1000)
    address = await listen(google_data_manager.app(receiver))
    versions.all.append(sending_to(at(destination("google-data-manager"), address)))

    async with harness.open():
        await harness.convert(await harness.click())
        await until(lambda: harness.states() == ["accepted"])
        while harness.states() != ["done"]:
            await harness.pass_time(HOUR_MS)
            await asyncio.sleep(0.02)

    assert harness.rows()[0].attempts == 1
    assert len(receiver.events) == 1
