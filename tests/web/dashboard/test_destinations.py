"""Destinations: how they stand, what was sent, what pressing a button does, and the form that makes one."""

import re
from typing import Any

import pytest

from tests.web.dashboard import week as weeks
from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import EMAIL, Installation
from tests.web.dashboard.week import META, from_facebook, refuse_next, sell, send, stop
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.models import CampaignId, Destination, DestinationId

PAUSED = '[[destination]]\nid = "{}"\ntype = "meta"\npixel = "1"\naccess_token = "x"\npaused = true'


def count(installation: Installation, state: str) -> int:
    return weeks.count(installation, state)


def fail(installation: Installation, number: int) -> None:
    """A delivery that Meta refuses for good."""
    before = count(installation, "dead")
    refuse_next(installation, code=100, subcode=2804003)
    sell(installation, from_facebook(installation, number))
    installation.wait_until(lambda: count(installation, "dead") > before)


# ------------------------------------------------------------------------------------------- how they stand


async def test_each_destination_stands_with_its_state_in_words(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/destinations")

    assert "Stopped, and nothing is lost: meta-190: Meta does not accept the access token" in text
    counts = [f"{count(shared, state)} {state}" for state in ("queued", "done", "dropped", "dead")]
    assert ", ".join(counts) in text
    assert "Sends." in text


async def test_a_destination_says_how_it_stands(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    assert "<p>Sends.</p>" in await client.text("/destinations/meta-main")

    fresh.meta.answer_next(429, headers={"Retry-After": "90"})
    sell(fresh, from_facebook(fresh, 1))
    fresh.wait_until(lambda: fresh.server.services.destinations.statuses()[META].state == "waiting")
    assert "it is asked again at 23 Nov 2026, 14:06:36." in await client.text("/destinations/meta-main")

    fresh.apply(PAUSED.format("meta-main"))
    assert "Paused: conversions wait in line. 1 in line." in await client.text("/destinations/meta-main")


async def test_a_destination_shows_its_log_its_answers_and_no_secret(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/destinations/meta-main")

    assert re.search(r"<code>cv_[0-9a-f]{28}</code>", text)
    assert "meta-100/2804003" in text
    assert "events_received" in text
    assert "(kept)" in text
    assert "EAAmetatoken" not in text
    assert "http://127.0.0.1:8080/-/feed/" in await client.text("/destinations/google-file")


async def test_a_state_alone_is_shown_however_many_wait_in_front_of_it(owner: Open, fresh: Installation) -> None:
    fail(fresh, 1)
    stop(fresh)
    for number in range(60):
        sell(fresh, from_facebook(fresh, number + 10))
    client = await owner(fresh)

    everything = await client.text("/destinations/meta-main")
    log = everything.partition("Deliveries</h2>")[2]
    dead = (await client.text("/destinations/meta-main?state=dead")).partition("Deliveries</h2>")[2]

    assert "dead (1)" in everything
    assert "Send all dead deliveries again" in everything
    assert (log.count('class="badge queued"'), log.count('class="badge dead"')) == (50, 0)
    assert (dead.count('class="badge queued"'), dead.count('class="badge dead"')) == (0, 1)
    assert (await client.get("/destinations/meta-main?state=nonsense")).status == 422


async def test_its_buttons_do_what_they_say(owner: Open, fresh: Installation) -> None:
    for number in (1, 2, 3):
        fail(fresh, number)
    stop(fresh)
    client = await owner(fresh)

    await client.send("/destinations/meta-main/resume")

    fresh.wait_until(lambda: count(fresh, "done") == 1)
    dead = re.findall(r'name="delivery" value="([\d-]+)"', await client.text("/destinations/meta-main"))
    assert len(dead) == 3
    await client.send("/destinations/meta-main/replay", {"delivery": dead[0]})
    fresh.wait_until(lambda: count(fresh, "done") == 2)
    assert dead[0] not in re.findall(r'name="delivery" value="([\d-]+)"', await client.text("/destinations/meta-main"))
    await client.send("/destinations/meta-main/replay")
    fresh.wait_until(lambda: count(fresh, "done") == 4)


async def test_a_test_event_is_shown_with_its_answer(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    taken = await (await client.post("/destinations/meta-main/test")).text()
    refuse_next(fresh, code=190)

    refused = await (await client.post("/destinations/meta-main/test")).text()

    assert "The test event was taken" in taken
    assert "events_received" in taken
    assert [event["event_id"] for event in fresh.meta.events] == re.findall(r"<code>(cv_test[0-9a-f]+)</code>", taken)
    assert "The test event was not taken" in refused
    assert "meta-190" in refused


async def test_what_changes_something_needs_a_form(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    paths = [f"/destinations/meta-main/{each}" for each in ("test", "resume", "replay")]

    assert [(await client.get(path)).status for path in paths] == [405] * 3
    assert (await client.get("/destinations/nobody")).status == 404


# ---------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize("kind", PLATFORMS)
async def test_the_form_asks_for_what_a_type_needs(owner: Open, shared: Installation, kind: Any) -> None:
    client = await owner(shared)

    text = await client.text(f"/destinations/new?type={kind}")

    needed = [key for key, each in PLATFORMS[kind].keys.items() if each.needed]
    assert [key for key in needed if not re.search(rf'name="{key}"[^>]* required', text)] == []


def forwarding_of(installation: Installation) -> dict[CampaignId, tuple[DestinationId, ...]]:
    return {each.id: each.destinations for each in installation.configuration.campaigns.values() if each.destinations}


async def test_a_new_destination_is_live_with_its_campaigns(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    form = [
        ("type", "tiktok"), ("id", "tt"), ("name", "TikTok"), ("pixel", "ABC"), ("access_token", "secret"),
        ("on", "sale, deposit"), ("share", "0.5"), ("consent", "require-granted"), ("first", "1"),
        ("campaigns", "summer"), ("campaigns", "autumn"),
    ]  # fmt: skip

    assert await client.send("/destinations/new", form) == "/destinations/tt"

    made = fresh.configuration.destinations[DestinationId("tt")]
    assert made == Destination(
        id=DestinationId("tt"),
        type="tiktok",
        name="TikTok",
        settings={"pixel": "ABC", "access_token": "secret"},
        on=("sale", "deposit"),
        share=0.5,
        consent="require-granted",
        first=True,
    )
    assert forwarding_of(fresh) == {"summer": ("meta-main", "tt"), "autumn": ("tt",)}
    assert fresh.server.tracker.plans.configuration.destinations[made.id] == made
    assert fresh.changed_by == EMAIL


async def test_a_change_keeps_the_secret_that_is_not_shown(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    shown = await client.text("/destinations/meta-main/edit")
    form = {"name": "Meta", "pixel": "999", "access_token": "", "on": "sale", "share": "1", "consent": "unless-denied"}

    await client.send("/destinations/meta-main/edit", form)

    changed = fresh.configuration.destinations[META]
    assert "EAAmetatoken" not in shown
    assert changed.name == "Meta"
    assert changed.settings.items() >= {"pixel": "999", "access_token": "EAAmetatoken"}.items()
    assert forwarding_of(fresh) == {}, "the box of its campaign was not ticked"


async def test_a_refusal_stands_in_the_form_with_what_was_written(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    given = {"type": "meta", "id": "m2", "pixel": "!!", "access_token": "x", "share": "1"}

    answer = await client.post("/destinations/new", given)

    text = await answer.text()
    assert answer.status == 422
    assert "pixel must be letters, digits" in text
    assert 'value="!!"' in text
    for wrong in ({"id": "meta-main"}, {"share": "half"}):
        assert (await client.post("/destinations/new", given | {"pixel": "1"} | wrong)).status == 422
    assert set(fresh.configuration.destinations) == {"meta-main", "google-file"}


async def test_what_waits_is_sent_when_new_credentials_are_saved(owner: Open, fresh: Installation) -> None:
    send(fresh, from_facebook(fresh, 1))
    stop(fresh)
    client = await owner(fresh)
    form = {
        "name": "Meta",
        "pixel": "123456789012345",
        "access_token": "EAAmetatoken",
        "app_secret": "",
        "on": "sale",
        "share": "1.0",
        "consent": "unless-denied",
        "campaigns": "summer",
    }

    await client.send("/destinations/meta-main/edit", form)

    fresh.wait_until(lambda: count(fresh, "done") == 2)
