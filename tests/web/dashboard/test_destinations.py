"""Conversion forwarding: status and deliveries of destinations, their buttons, and the form that makes one."""

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


# --------------------------------------------------------------------------------------- status and deliveries


async def test_destinations_are_listed_with_their_status(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/destinations")

    assert "Stopped: meta-190: Meta does not accept the access token" in text
    counts = [f"{count(shared, state)} {state}" for state in ("queued", "done", "dropped", "dead")]
    assert ", ".join(counts) in text
    assert "Sending." in text


async def test_the_status_of_a_destination_is_a_sentence(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    assert "<p>Sending.</p>" in await client.text("/destinations/meta-main")

    fresh.meta.answer_next(429, headers={"Retry-After": "90"})
    sell(fresh, from_facebook(fresh, 1))
    fresh.wait_until(lambda: fresh.services.destinations.statuses()[META].state == "waiting")
    assert "Next attempt at 23 Nov 2026, 14:06:36 UTC." in await client.text("/destinations/meta-main")

    fresh.apply(PAUSED.format("meta-main"))
    assert "Paused. 1 delivery is queued." in await client.text("/destinations/meta-main")


async def test_a_destination_shows_deliveries_and_replies_but_no_secret(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/destinations/meta-main")

    assert re.search(r"<code>cv_[0-9a-f]{28}</code>", text)
    assert "meta-100/2804003" in text
    assert "events_received" in text
    assert "set (not shown)" in text
    assert "EAAmetatoken" not in text
    assert "https://track.example/-/feed/" in await client.text("/destinations/google-file")


async def test_deliveries_are_filtered_by_state_behind_however_many_others(owner: Open, fresh: Installation) -> None:
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


async def test_resume_and_replay_send_what_was_held_back(owner: Open, fresh: Installation) -> None:
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


async def test_a_test_event_is_shown_with_its_reply(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    taken = await (await client.post("/destinations/meta-main/test")).text()
    refuse_next(fresh, code=190)

    refused = await (await client.post("/destinations/meta-main/test")).text()

    assert "The test event was accepted" in taken
    assert "events_received" in taken
    assert [event["event_id"] for event in fresh.meta.events] == re.findall(r"<code>(cv_test[0-9a-f]+)</code>", taken)
    assert "The test event was refused" in refused
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


async def test_editing_keeps_a_secret_that_is_left_empty(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    shown = await client.text("/destinations/meta-main/edit")
    form = {"name": "Meta", "pixel": "999", "access_token": "", "on": "sale", "share": "1", "consent": "unless-denied"}

    await client.send("/destinations/meta-main/edit", form)

    changed = fresh.configuration.destinations[META]
    assert "EAAmetatoken" not in shown
    assert changed.name == "Meta"
    assert changed.settings.items() >= {"pixel": "999", "access_token": "EAAmetatoken"}.items()
    assert forwarding_of(fresh) == {}, "the box of its campaign was not ticked"


async def test_mistakes_are_shown_beside_their_fields(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    given = {"type": "meta", "id": "m2", "pixel": "!!", "access_token": "x", "share": "1"}

    answer = await client.post("/destinations/new", given)

    text = await answer.text()
    assert answer.status == 422
    assert "Nothing was saved. Correct the marked fields." in text
    assert '<span class="error" id="error-pixel">Pixel must be letters, digits' in text
    assert 'value="!!" required autocomplete="off" spellcheck="false" aria-invalid="true"' in text
    assert "[[" not in text
    wrong = {
        "id": ({"id": "meta-main"}, {"id": "M 2", "campaigns": "summer"}),
        "share": ({"share": "half"}, {"share": "2"}),
        "on": ({"on": ","},),
    }
    for key, forms in wrong.items():
        for form in forms:
            answer = await client.post("/destinations/new", given | {"pixel": "1"} | form)
            assert answer.status == 422
            assert re.findall(r'<span class="error" id="error-(\w+)">', await answer.text()) == [key]
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
