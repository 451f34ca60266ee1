"""Inbox, destinations and templates: what is shown, and what pressing a button does."""

import re
import tomllib
from typing import Any

import pytest

from tests.web.dashboard.conftest import EMAIL, Client, Open
from tests.web.dashboard.invented import InventedAppliance
from tests.web.dashboard.invented_mail import META, invent_delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.destinations.preview import DestinationTest
from tnc.destinations.worker import DestinationStatus

FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


async def text_of(client: Client, path: str) -> str:
    answer = await client.get(path)
    assert answer.status == 200, path
    return await answer.text()


async def post(client: Client, path: str, **form: Any) -> str:
    """Where it leads to."""
    answer = await client.post(path, data=form, headers=FROM_HERE, allow_redirects=False)
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"]


# ------------------------------------------------------------------------------------------------- inbox


async def test_calls_stand_with_what_became_of_them(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    everything, unmatched = await text_of(client, "/inbox"), await text_of(client, "/inbox?outcome=unmatched")

    assert [note in everything for note in ("A new conversion.", "Known already.", "No click here")] == [True] * 3
    assert "A new conversion." not in unmatched
    assert everything.count(">Hear again<") == 2  # of those that did not match
    assert "***" in everything


async def test_calls_are_heard_again_one_or_all(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    one, everything = await post(client, "/inbox/replay", call="20261123-2"), await post(client, "/inbox/replay")

    assert appliance.mail.done == [("hear", "20261123-2"), ("hear", "all")]
    assert "1 call was heard again" in await text_of(client, one)
    assert "4 calls were heard again" in await text_of(client, everything)


async def test_nothing_that_a_call_comes_to_is_refused(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    assert (await client.get("/inbox?outcome=nonsense")).status == 422
    assert "heard again." not in await text_of(client, "/inbox?heard=%3Cb%3E")


async def test_an_empty_inbox_says_what_to_do(owner: Open, appliance: InventedAppliance) -> None:
    appliance.mail.rows.clear()
    client = await owner(appliance)

    assert "postback address" in await text_of(client, "/inbox")
    assert "Show all calls" in await text_of(client, "/inbox?outcome=new")


# ------------------------------------------------------------------------------------------ destinations


async def test_each_destination_stands_with_its_state_in_words(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await text_of(client, "/destinations")

    assert "Stopped, and nothing is lost: meta-190: put a new token." in text
    assert "1 queued, 1 done, 1 dead" in text
    assert "Sends." in text


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (DestinationStatus(state="active"), "Sends."),
        (DestinationStatus(state="paused", waiting=7), "Paused: conversions wait in line. 7 in line."),
        (DestinationStatus(state="waiting", until_ms=1_795_442_706_123), "it is asked again at 23 Nov 2026, 14:05:06."),
    ],
)
async def test_a_destination_says_how_it_stands(
    owner: Open, appliance: InventedAppliance, standing: DestinationStatus, words: str
) -> None:
    appliance.mail.stands[META] = standing
    client = await owner(appliance)

    assert words in await text_of(client, "/destinations/meta-main")


async def test_a_destination_shows_its_log_its_answers_and_no_secret(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await text_of(client, "/destinations/meta-main")

    assert "cv_conv-2" in text
    assert "meta-100/2804003" in text
    assert "events_received" in text
    assert "(kept)" in text
    assert "EAAsecret" not in text
    assert "http://127.0.0.1:8080/-/feed/secret.csv" in await text_of(client, "/destinations/google-file")


async def test_what_is_dead_is_found_behind_whatever_waits(owner: Open, appliance: InventedAppliance) -> None:
    now_ms = appliance.mail.now_ms
    waiting = [invent_delivery(number, now_ms=now_ms, state="queued") for number in range(10, 100)]
    appliance.mail.sent = [*waiting, invent_delivery(2, now_ms=now_ms, state="dead", reason="meta-100/2804003")]
    client = await owner(appliance)

    everything = await text_of(client, "/destinations/meta-main")
    dead = await text_of(client, "/destinations/meta-main?state=dead")

    assert "dead (1)" in everything
    assert "Send all dead deliveries again" in everything
    assert "20261123-2" in dead.partition("Deliveries</h2>")[2]
    assert "cv_conv-10" not in dead
    assert (await client.get("/destinations/meta-main?state=nonsense")).status == 422


async def test_its_buttons_do_what_they_say(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    await post(client, "/destinations/meta-main/resume")
    await post(client, "/destinations/meta-main/replay")
    await post(client, "/destinations/meta-main/replay", delivery="20261123-2")

    assert appliance.mail.done == [
        ("resume", "meta-main"), ("replay", "meta-main", "dead"), ("replay", "meta-main", "20261123-2"),
    ]  # fmt: skip


async def test_a_test_event_is_told_with_its_answer(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    taken = await (await client.post("/destinations/meta-main/test", headers=FROM_HERE)).text()
    appliance.mail.tested = DestinationTest(
        event_id="cv_test2", outcome="stop", status=400, error="meta-190", answer="no", note=None
    )

    refused = await (await client.post("/destinations/meta-main/test", headers=FROM_HERE)).text()

    assert "The test event was taken" in taken
    assert "was not taken" in refused
    assert "meta-190" in refused


async def test_what_changes_something_needs_a_form(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    statuses = [
        (await client.get(path)).status
        for path in ("/inbox/replay", *(f"/destinations/meta-main/{each}" for each in ("test", "resume", "replay")))
    ]

    assert statuses == [405] * 4
    assert (await client.get("/destinations/nobody")).status == 404


# ---------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize("kind", PLATFORMS)
async def test_the_form_asks_for_what_a_type_needs(owner: Open, appliance: InventedAppliance, kind: Any) -> None:
    client = await owner(appliance)

    text = await text_of(client, f"/destinations/new?type={kind}")

    needed = [key for key, each in PLATFORMS[kind].keys.items() if each.needed]
    assert [key for key in needed if not re.search(rf'name="{key}"[^>]* required', text)] == []


async def test_a_new_destination_is_applied_with_its_campaigns(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    form = [
        ("type", "tiktok"), ("id", "tt"), ("name", "TikTok"), ("pixel", "ABC"), ("access_token", "secret"),
        ("on", "sale, deposit"), ("share", "0.5"), ("consent", "require-granted"), ("first", "1"),
        ("campaigns", "summer"), ("campaigns", "autumn"),
    ]  # fmt: skip

    answer = await client.post("/destinations/new", data=form, headers=FROM_HERE, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, "/destinations/tt")
    [(_, text, by)] = appliance.mail.done
    said = tomllib.loads(text)
    [made] = said["destination"]
    assert by == EMAIL
    assert made == {
        "id": "tt", "type": "tiktok", "name": "TikTok", "pixel": "ABC", "access_token": "secret",
        "on": ["sale", "deposit"], "share": 0.5, "consent": "require-granted", "first": True, "paused": False,
    }  # fmt: skip
    told = {campaign["id"]: campaign["destinations"] for campaign in said["campaign"]}
    assert told == {"summer": ["meta-main", "tt"], "autumn": ["tt"]}


async def test_a_change_keeps_the_secret_that_is_not_shown(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    shown = await text_of(client, "/destinations/meta-main/edit")
    form = {"name": "Meta", "pixel": "999", "access_token": "", "on": "sale", "share": "1", "consent": "unless-denied"}

    await post(client, "/destinations/meta-main/edit", **form)

    assert "EAAsecret" not in shown
    said = tomllib.loads(appliance.mail.done[0][1])
    [changed] = said["destination"]
    assert (changed["pixel"], changed["access_token"], changed["id"]) == ("999", "(kept)", "meta-main")
    assert [campaign["id"] for campaign in said["campaign"]] == ["summer"]  # whose box was not ticked


async def test_a_refusal_stands_in_the_form_with_what_was_written(owner: Open, appliance: InventedAppliance) -> None:
    appliance.mail.refusal = "pixel must be letters and digits."
    client = await owner(appliance)

    answer = await client.post(
        "/destinations/new", data={"type": "meta", "id": "m2", "pixel": "!!", "share": "1"}, headers=FROM_HERE
    )
    text = await answer.text()

    assert answer.status == 422
    assert "Pixel must be letters and digits." in text or "pixel must be letters and digits." in text
    assert 'value="!!"' in text
    taken = await client.post("/destinations/new", data={"type": "meta", "id": "meta-main"}, headers=FROM_HERE)
    assert taken.status == 422
    share = await client.post(
        "/destinations/new", data={"type": "meta", "id": "m3", "share": "half"}, headers=FROM_HERE
    )
    assert share.status == 422


# --------------------------------------------------------------------------------------------- templates


async def test_templates_are_found_by_kind_and_by_the_address_of_an_offer(
    owner: Open, appliance: InventedAppliance
) -> None:
    client = await owner(appliance)

    assert (await text_of(client, "/templates")).count('<tr><th scope="row">') > 150
    assert "PropellerAds" not in await text_of(client, "/templates?type=network")
    assert "MaxBounty" in await text_of(client, "/templates?url=https%3A%2F%2Ftrk.maxbounty.com%2F%3Faid%3D1")
    assert "No network is known" in await text_of(client, "/templates?url=https%3A%2F%2Fx.example%2F")


async def test_a_template_is_made_ones_own_when_its_words_are_filled_in(
    owner: Open, appliance: InventedAppliance
) -> None:
    client = await owner(appliance)

    refused = await client.post("/templates/propellerads", data={"YOUR_AID": "1"}, headers=FROM_HERE)
    await post(client, "/templates/propellerads", YOUR_AID="1", YOUR_TID="2")

    assert refused.status == 422
    assert "YOUR_TID" in await refused.text()
    [(_, text, by)] = appliance.mail.done
    assert 'id = "propellerads"' in text
    assert "YOUR_" not in text.partition("[[source]]")[2]
    assert by == EMAIL
    assert (await client.get("/templates/nobody")).status == 404
