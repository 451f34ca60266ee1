"""The outbox at work: nothing lost, nothing twice without need, nothing that was not allowed."""

import asyncio
from collections.abc import Callable
from math import ceil
from pathlib import Path

import pytest

from tests.destinations.conftest import Listen, at
from tests.destinations.examples import destination
from tests.destinations.office import DATE, Clocks, Office, Versions, sending_to
from tests.fakes import google_data_manager, meta, postback, tiktok, webhook
from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.models import MAIN, Destination, Event, FilterChange, FilterId, LabelChange
from tnc.destinations.batch import LARGEST_BATCH
from tnc.store.days.writer import DayWriter
from tnc.store.keys.puncturable import PuncturedError


async def until(holds: Callable[[], bool]) -> None:
    """The test's own time limit is what ends it."""
    while not holds():
        await asyncio.sleep(0.005)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def versions() -> Versions:
    return Versions()


@pytest.fixture
def office(tmp_path: Path, clocks: Clocks, versions: Versions) -> Office:
    (tmp_path / "ring").mkdir()
    return Office(tmp_path, clocks, versions)


@pytest.fixture
def source(clocks: Clocks) -> postback.Postback:
    return postback.Postback(now=lambda: clocks.wall_ms / 1000)


@pytest.fixture
async def to_source(listen: Listen, source: postback.Postback, versions: Versions) -> Destination:
    """A postback destination at a fake, live in every campaign."""
    found = at(destination("postback", on=("sale", "rejected")), await listen(postback.app(source)))
    versions.all.append(sending_to(found))
    return found


# ------------------------------------------------------------------------------------------ on the way


async def test_a_conversion_is_sent_at_once_and_known_to_be(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["done"])

    [row] = office.rows()
    assert source.events == [{"id": "ext-4711", "rev": "12.5", "st": "sale"}]
    assert (row.attempts, row.record.status, row.record.answer, row.record.request) == (1, 200, "OK", None)


async def test_every_destination_of_the_campaign_is_told(office: Office, listen: Listen, versions: Versions) -> None:
    now = lambda: office.clocks.wall_ms / 1000  # noqa: E731 - what a clock is here
    receivers = [meta.Meta(now=now), tiktok.TikTok(now=now), webhook.Webhook(now=now)]
    apps = [meta.app, tiktok.app, webhook.app]
    addresses = [await listen(app(fake)) for app, fake in zip(apps, receivers, strict=True)]  # type: ignore[operator]
    kinds = ("meta", "tiktok", "webhook")
    found = [at(destination(kind), address) for kind, address in zip(kinds, addresses, strict=True)]
    versions.all.append(sending_to(*found))

    async with office.open():
        recorded = await office.say(await office.click())
        await until(lambda: office.states() == ["done"] * 3)

    assert recorded.outcome is not None
    assert recorded.outcome.after is not None
    event_id = f"cv_{recorded.outcome.after.conversion_id}"
    assert [fake.refusals for fake in receivers] == [[], [], []]
    assert [list(receivers[0].ids("event_id")), list(receivers[1].ids("event_id"))] == [[event_id], [event_id]]
    assert receivers[2].events[0]["id"] == event_id


async def test_many_go_together_where_the_platform_takes_many(
    office: Office, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: office.clocks.wall_ms / 1000)
    versions.all.append(sending_to(at(destination("meta"), await listen(meta.app(receiver)))))

    async with office.open():
        clicks = [await office.click() for _ in range(60)]
        for each in clicks:
            await office.say(each, wake=False)
    async with office.open():
        await until(lambda: office.states() == ["done"] * 60)

    assert len(receiver.events) == 60
    assert receiver.requests <= ceil(60 / LARGEST_BATCH)


async def test_what_was_left_open_goes_after_the_next_start(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    async with office.open():
        await office.say(await office.click(), wake=False)
        [row] = office.rows()
        # As a process leaves it that is killed while it sends.
        await office.log.run((MAIN, DATE), lambda writer: writer.deliveries.claim([row.seq]))
        assert office.states() == ["sending"]

    async with office.open():
        await until(lambda: office.states() == ["done"])

    assert len(source.events) == 1


async def test_the_same_word_said_fifty_times_at_once_is_told_once(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    async with office.open():
        click = await office.click()
        said = await asyncio.gather(*(office.say(click, txid="T-1") for _ in range(50)))
        await until(lambda: office.states() == ["done"])

    answers = [each.outcome.answer for each in said if each.outcome is not None]
    assert sorted(answers) == ["duplicate"] * 49 + ["ok"]
    assert len(source.events) == 1


async def test_a_later_word_waits_for_the_earlier_one(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500, times=1)
    async with office.open():
        click = await office.click()
        await office.say(click, txid="T-1")
        await until(lambda: source.requests == 1 and office.states() == ["queued"])
        await office.say(click, txid="T-1", status_words=("rejected",))
        await until(lambda: office.states() == ["queued", "queued"])
        assert source.requests == 1

        await office.later(10_000)
        await until(lambda: office.states() == ["done", "done"])

    assert [event["st"] for event in source.events] == ["sale", "rejected"]


# ------------------------------------------------------------------------------------------ in trouble


async def test_what_failed_goes_again_later_with_the_same_id(
    office: Office, listen: Listen, versions: Versions, clocks: Clocks
) -> None:
    receiver = webhook.Webhook(now=lambda: clocks.wall_ms / 1000)
    seen: list[str] = []
    receiver.answer_next(503, times=2)
    versions.all.append(sending_to(at(destination("webhook"), await listen(webhook.app(receiver)))))

    async with office.open():
        await office.say(await office.click())
        for number in (1, 2):
            await until(lambda number=number: receiver.requests == number and office.states() == ["queued"])  # type: ignore[misc]
            seen.append(office.rows()[0].event_id)
            await office.later(20_000)
        await until(lambda: office.states() == ["done"])

    [row] = office.rows()
    assert (row.attempts, [*seen, receiver.events[0]["id"]]) == (3, [row.event_id] * 3)


async def test_a_refusal_is_dead_with_its_reason_and_what_was_said(
    office: Office, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: office.clocks.wall_ms / 1000)
    receiver.answer_next(400, {"error": {"code": 100, "error_subcode": 2804003, "message": "too old EAAmetatoken"}})
    versions.all.append(sending_to(at(destination("meta"), await listen(meta.app(receiver)))))

    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["dead"])

    [row] = office.rows()
    assert row.record.reason is not None
    assert "2804003" in row.record.reason
    assert row.record.status == 400
    assert row.record.answer is not None
    assert "too old ***" in row.record.answer
    assert row.record.request is not None
    assert "EAAmetatoken" not in row.record.request


async def test_a_refused_token_stops_the_destination_after_one_request(
    office: Office, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: office.clocks.wall_ms / 1000, token="the new one")
    stale = at(destination("meta"), await listen(meta.app(receiver)))
    versions.all.append(sending_to(stale))

    async with office.open():
        for _ in range(20):
            await office.say(await office.click())
        await until(lambda: office.stop_of(stale) is not None)
        requests, states = receiver.requests, set(office.states())

    assert requests <= 2
    assert states == {"queued"}
    assert office.outbox.statuses()[stale.id].state == "stopped"


async def test_a_stop_outlives_a_restart_and_ends_with_a_new_token(
    office: Office, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: office.clocks.wall_ms / 1000, token="the new one")
    address = await listen(meta.app(receiver))
    stale = at(destination("meta"), address)
    versions.all.append(sending_to(stale))
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.stop_of(stale) is not None)
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.outbox.statuses()[stale.id].waiting == 2)
        assert receiver.requests == 1

        versions.all.append(sending_to(at(destination("meta", {"access_token": "the new one"}), address)))
        office.outbox.configured()
        await until(lambda: office.states() == ["done", "done"])
        await until(lambda: office.stop_of(stale) is None)

    assert receiver.refusals == []


async def test_a_token_that_was_renewed_while_nothing_ran_ends_a_stop(
    office: Office, listen: Listen, versions: Versions
) -> None:
    receiver = meta.Meta(now=lambda: office.clocks.wall_ms / 1000, token="the new one")
    address = await listen(meta.app(receiver))
    stale = at(destination("meta"), address)
    versions.all.append(sending_to(stale))
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.stop_of(stale) is not None)

    versions.all.append(sending_to(at(destination("meta", {"access_token": "the new one"}), address)))
    async with office.open():
        await until(lambda: office.states() == ["done"])


async def test_nobody_is_asked_while_he_wants_to_be_left_alone(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.outbox.statuses()[to_source.id].state == "waiting")
        await office.say(await office.click())
        await office.later(29_000)
        await until(lambda: office.outbox.statuses()[to_source.id].waiting == 2)
        assert source.requests == 1

        await office.later(1_000)
        await until(lambda: office.states() == ["done", "done"])


async def test_a_restart_does_not_shorten_the_wait_of_those_behind(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.outbox.statuses()[to_source.id].state == "waiting")
        await office.say(await office.click())
    async with office.open():
        await until(lambda: office.outbox.statuses()[to_source.id].waiting == 2)
        await office.say(await office.click())
        await office.later(29_000)
        standing = office.outbox.statuses()[to_source.id]
        assert (standing.state, standing.until_ms) == ("waiting", office.clocks.wall_ms + 1_000)
        assert source.requests == 1

        await office.later(1_000)
        await until(lambda: office.states() == ["done"] * 3)


async def test_what_merely_failed_keeps_nobody_waiting_after_a_restart(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    source.answer_next(503, headers={"Retry-After": "30"})
    async with office.open():
        await office.say(await office.click())
        await until(lambda: source.requests == 1 and office.states() == ["queued"])
        await office.say(await office.click(), wake=False)
    async with office.open():
        await until(lambda: office.states() == ["queued", "done"])


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
async def test_a_clock_that_jumps_changes_no_wait(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks, jump_ms: int
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.outbox.statuses()[to_source.id].state == "waiting")

        await office.later(0)
        clocks.wall_ms += jump_ms
        await office.later(29_000)
        await asyncio.sleep(0)
        assert source.requests == 1
        await office.later(1_500)
        await until(lambda: office.states() == ["done"])


async def test_what_is_too_late_is_given_up_with_a_reason(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500)
    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["queued"] and source.requests == 1)
        await office.later(80 * HOUR_MS)
        await until(lambda: office.states() == ["dead"])

    assert office.rows()[0].record.reason == "expired"
    assert source.requests == 1


# ------------------------------------------------------------------------------------------ what may go


async def test_a_visitor_who_said_no_is_told_of_to_nobody(
    office: Office, source: postback.Postback, to_source: Destination
) -> None:
    async with office.open():
        await office.say(await office.click(consent="denied"))
        await office.say(await office.click())
        await until(lambda: office.states() == ["dropped", "done"])

    dropped = office.rows()[0].record
    assert (dropped.reason, dropped.request, dropped.answer) == ("consent-denied", None, None)
    assert source.requests == 1


async def test_a_withdrawal_calls_everything_back_at_once(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})

    def withdraw(writer: DayWriter) -> int:
        return sum(writer.deliveries.cancel(row.click_seq, reason="withdrawn", now_ms=0) for row in office.rows())

    async with office.open():
        for _ in range(100):
            await office.say(await office.click())
        await until(lambda: office.outbox.statuses()[to_source.id].state == "waiting")
        await until(lambda: set(office.states()) == {"queued"})

        called_back = await office.log.run((MAIN, DATE), withdraw)
        await office.later(MINUTE_MS)
        await until(lambda: office.outbox.statuses()[to_source.id].waiting == 0)

    assert called_back == 100
    assert set(office.states()) == {"cancelled"}
    assert source.requests == 1


async def test_who_objects_is_told_of_to_nobody_whatever_was_in_line_or_comes(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(429, headers={"Retry-After": "30"})
    async with office.open():
        await office.say(click := await office.click(visitor="aa"))
        await until(lambda: office.outbox.statuses()[to_source.id].state == "waiting")
        office.objecting.add("aa")
        await office.say(click, txid="another")
        await office.say(await office.click(visitor="bb"))
        await office.later(31_000)
        await until(lambda: "queued" not in office.states() and "sending" not in office.states())

    assert office.states() == ["cancelled", "cancelled", "done"]
    assert {row.record.reason for row in office.rows()[:2]} == {"consent-denied"}
    assert source.requests == 2


LATER_WORDS: list[Event] = [
    LabelChange(at_ms=0, traffic="bot", reasons=("webdriver",)),
    FilterChange(at_ms=0, by=FilterId("strict"), filter=FilterId("strict"), stopped=True),
]


@pytest.mark.parametrize("word", LATER_WORDS)
async def test_who_turns_out_to_be_no_person_on_the_way_is_told_of_to_nobody(
    office: Office, source: postback.Postback, to_source: Destination, word: Event
) -> None:
    source.answer_next(500)

    def find_out(writer: DayWriter) -> None:
        [row] = office.rows()
        writer.add_event(row.click_seq, word)

    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["queued"] and source.requests == 1)
        await office.log.run((MAIN, DATE), find_out)
        await office.later(MINUTE_MS)
        await until(lambda: office.states() == ["dropped"])

    assert office.rows()[0].record.reason == "not-human"
    assert source.requests == 1


@pytest.mark.parametrize("word", LATER_WORDS)
async def test_who_turns_out_to_be_no_person_after_his_sale_was_told_is_refunded_there(
    office: Office, source: postback.Postback, to_source: Destination, word: Event
) -> None:
    async with office.open():
        sold = await office.click()
        await office.say(sold, txid="T-1")
        await until(lambda: office.states() == ["done"])
        [row] = office.rows()
        await office.log.run((MAIN, DATE), lambda writer: writer.add_event(row.click_seq, word))
        await office.say(sold, txid="T-1", status_words=("rejected",))
        await office.say(sold, txid="T-2")  # a sale of nobody
        await until(lambda: office.states() == ["done", "done", "dropped"])

    assert [event["st"] for event in source.events] == ["sale", "rejected"]
    assert office.rows()[2].record.reason == "not-human"


async def test_what_was_never_sent_needs_no_refund(
    office: Office, source: postback.Postback, to_source: Destination, versions: Versions
) -> None:
    live = versions.all[-1]
    versions.all.append(
        sending_to(at(destination("postback", on=("sale", "rejected"), paused=True), "https://a.example"))
    )
    async with office.open():
        sold = await office.click()
        await office.say(sold, txid="T-1")
        [row] = office.rows()
        await office.log.run((MAIN, DATE), lambda writer: writer.add_event(row.click_seq, LATER_WORDS[0]))
        await office.say(sold, txid="T-1", status_words=("rejected",))
        versions.all.append(live)
        office.outbox.configured()
        await until(lambda: office.states() == ["dropped", "dropped"])

    assert source.requests == 0


async def test_what_was_erased_on_the_way_leaves_nothing(
    office: Office, source: postback.Postback, to_source: Destination, clocks: Clocks
) -> None:
    source.answer_next(500)

    def erase(writer: DayWriter) -> None:
        [row] = office.rows()
        writer._database.execute("delete from deliveries where seq = ?", (row.seq,))
        assert writer.keys.events.puncture(row.seq)
        with pytest.raises(PuncturedError):
            writer.keys.events.leaf(row.seq)

    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["queued"] and source.requests == 1)
        await office.log.run((MAIN, DATE), erase)
        await office.later(MINUTE_MS)
        await until(lambda: office.outbox.statuses()[to_source.id].waiting == 0)

    assert office.rows() == []
    assert source.requests == 1


async def test_a_pause_holds_what_comes_and_loses_nothing(
    office: Office, source: postback.Postback, to_source: Destination, versions: Versions
) -> None:
    live = versions.all[-1]
    versions.all.append(sending_to(at(destination("postback", paused=True), "https://ads.example")))
    async with office.open():
        await office.say(await office.click())
        assert office.outbox.statuses()[to_source.id].state == "paused"
        assert office.states() == ["queued"]

        versions.all.append(live)
        office.outbox.configured()
        await until(lambda: office.states() == ["done"])


async def test_google_is_asked_what_became_of_what_it_took(
    office: Office, listen: Listen, versions: Versions, clocks: Clocks
) -> None:
    receiver = google_data_manager.DataManager(now=lambda: clocks.wall_ms / 1000)
    address = await listen(google_data_manager.app(receiver))
    versions.all.append(sending_to(at(destination("google-data-manager"), address)))

    async with office.open():
        await office.say(await office.click())
        await until(lambda: office.states() == ["accepted"])
        while office.states() != ["done"]:
            await office.later(HOUR_MS)
            await asyncio.sleep(0.02)

    assert office.rows()[0].attempts == 1
    assert len(receiver.events) == 1
