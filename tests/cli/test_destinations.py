"""`tnc destination` without a server: list, show, log, preview, test, replay and resume."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as amended

from tests.cli.conftest import Tnc
from tests.fakes import webhook
from tests.fakes.receiver import in_a_thread
from tnc.core.clock import World
from tnc.core.models import (
    MAIN,
    CampaignId,
    Click,
    ClickId,
    DestinationId,
    Event,
    FilterChange,
    FilterId,
    LabelChange,
    OfferId,
    Visit,
)
from tnc.core.settings import Settings
from tnc.store.days.click_log import Days
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.stopped import StoppedDestination
from tnc.store.workspace import Workspace

SECRET = "whsec_YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw=="
SHOP = """
[[source]]
id = "ads"
postback = { url = "https://ads.example/pb?id={external_id}" }
[[offer]]
id = "shoes"
url = "https://shop.example/"
payout = 12.5
[[destination]]
id = "meta-main"
type = "meta"
pixel = "123"
access_token = "EAAsecret"
[[destination]]
id = "file"
type = "google-csv"
conversion_name = "Sale"
[[destination]]
id = "quiet"
type = "tiktok"
pixel = "ABC"
access_token = "TTsecret"
paused = true
[[campaign]]
id = "summer"
source = "ads"
destinations = ["meta-main", "file", "quiet"]
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]
"""
HOOK = f"""
[[destination]]
id = "hook"
type = "webhook"
url = "{{url}}"
secret = "{SECRET}"
"""
LOGGED = [
    "delivery_id", "destination", "conversion_id", "event_id", "kind", "state", "attempts", "next_at", "status",
    "error", "created_at", "done_at",
]  # fmt: skip

Clicked = Callable[..., ClickId]


@pytest.fixture
def shop(tnc: Tnc, tmp_path: Path) -> Tnc:
    file = tmp_path / "shop.toml"
    file.write_text(SHOP)
    assert tnc("apply", str(file)).code == 0
    return tnc


@pytest.fixture
def clicked(shop: Tnc, settings: Settings) -> Clicked:
    """Record a click like that of a visit, at the current time."""

    def click(**visit: Any) -> ClickId:
        world = World()
        now_ms = world.now_ms()
        facts: dict[str, Any] = {
            "country": "US",
            "ip": "203.0.113.7",
            "user_agent": "Mozilla/5.0",
            "domain": "go.example",
            "external_id": "e-1",
            "params": {"fbclid": "AbC", "gclid": "Cj0KCQ"},
        }
        made = Click(
            click_id=world.new_click_id(now_ms),
            clicked_at_ms=now_ms,
            campaign=CampaignId("summer"),
            offer=OfferId("shoes"),
            visit=Visit(visited_at_ms=now_ms, **facts | visit),
        )
        with Workspace(settings, world, to_write=True) as workspace:
            days = Days(workspace.paths.days, workspace.keyring)
            days.transact((MAIN, utc_date(now_ms)), lambda writer: writer.add_click(made))
            days.close()
        return made.click_id

    return click


@pytest.fixture
def converted(shop: Tnc, clicked: Clicked) -> Clicked:
    def convert(**visit: Any) -> ClickId:
        click_id = clicked(**visit)
        assert shop("conversion", "add", "--click", click_id).code == 0
        return click_id

    return convert


def logged(shop: Tnc, destination: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shop("destination", "log", destination, "--json").out.splitlines()]


def test_destinations_are_listed_with_status_and_queue(shop: Tnc, converted: Clicked) -> None:
    converted()

    result = {each["id"]: each for each in shop("destination", "list", "--json").json}

    assert {name: each["state"] for name, each in result.items()} == {
        "meta-main": "active", "file": "active", "quiet": "paused", "source-ads": "active",
    }  # fmt: skip
    assert result["meta-main"]["deliveries"] == {"queued": 1}
    assert result["file"]["deliveries"] == {"done": 1}
    assert "active" in shop("destination", "list").out


def test_a_delivery_is_logged_with_all_details(shop: Tnc, converted: Clicked) -> None:
    converted()
    converted(consent="denied")

    dropped, queued = logged(shop, "meta-main")

    assert list(queued) == LOGGED
    assert (queued["state"], queued["kind"], queued["attempts"], queued["error"]) == ("queued", "convert", 0, None)
    assert queued["event_id"] == f"cv_{queued['conversion_id']}"
    assert (dropped["state"], dropped["error"], dropped["next_at"]) == ("dropped", "consent-denied", None)
    assert shop("destination", "log", "meta-main", "--limit", "1").out.count("\n") == 1


def test_a_preview_shows_the_request_without_secrets(shop: Tnc, clicked: Clicked, converted: Clicked) -> None:
    bare = shop("destination", "preview", "meta-main", "--click", clicked(), "--json").json
    real = shop("destination", "preview", "meta-main", "--click", converted(), "--json").json
    quiet = shop("destination", "preview", "quiet", "--click", converted(), "--json").json

    assert bare["event_id"] == "cv_preview"
    assert real["event_id"].startswith("cv_0")
    assert (real["send"], real["method"], real["body"]["access_token"]) == (True, "POST", "***")
    assert real["body"]["data"][0]["custom_data"] == {"value": 12.5, "currency": "USD"}
    assert (quiet["send"], quiet["why"]) == (False, "paused")


@pytest.mark.parametrize(
    "word",
    [
        LabelChange(at_ms=0, traffic="bot", reasons=("webdriver",)),
        FilterChange(at_ms=0, by=FilterId("strict"), filter=FilterId("strict"), stopped=True),
    ],
)
def test_a_preview_uses_the_current_traffic_class(shop: Tnc, clicked: Clicked, settings: Settings, word: Event) -> None:
    click_id = clicked()
    with (
        Workspace(settings, World(), to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring)) as days,
    ):

        def find_out(writer: DayWriter) -> None:
            found = writer.find(click_id)
            assert found is not None
            writer.add_event(found[0], word)

        days.transact((MAIN, workspace.histories.dates()[0]), find_out)

    result = shop("destination", "preview", "meta-main", "--click", click_id, "--json").json

    assert (result["send"], result["why"]) == (False, "not-human")


def test_a_preview_shows_the_selected_conversion(shop: Tnc, converted: Clicked) -> None:
    click_id = converted()
    [first] = [each["conversion_id"] for each in shop("click", click_id, "--json").json["conversions"]]
    result = shop("click", click_id).out
    assert f"  {first}  sale" in result  # as words, and not as Python prints them
    assert not {"True", "False", "None"} & set(result.split())
    assert "{'" not in result
    shop("conversion", "add", "--click", click_id, "--event", "deposit", "--payout", "50")

    words = ("destination", "preview", "meta-main", "--click", click_id, "--json")

    assert shop(*words, "--conversion", first).json["event_id"] == f"cv_{first}"
    assert shop(*words).json["event_id"] != f"cv_{first}"
    assert shop(*words, "--conversion", "nothing").code == 3


def test_a_destination_shows_its_settings_and_file_and_no_secret(shop: Tnc) -> None:
    meta, file = (shop("destination", "show", each, "--json") for each in ("meta-main", "file"))

    assert meta.json["settings"] == {"pixel": "123", "access_token": "(kept)"}
    assert "EAAsecret" not in meta.out
    assert meta.json["file"] is None
    assert file.json["file"] == shop("destination", "show", "file", "--json").json["file"]
    assert file.json["file"].startswith("/-/feed/")
    assert file.json["file"] in shop("destination", "show", "file").out


def test_a_dead_delivery_is_queued_again_with_the_same_id(shop: Tnc, converted: Clicked, settings: Settings) -> None:
    converted()
    [before] = logged(shop, "meta-main")
    on_its_way = shop("destination", "replay", "meta-main", "--delivery", before["delivery_id"])
    with Workspace(settings, World(), to_write=True) as workspace:
        days = Days(workspace.paths.days, workspace.keyring)
        for date in workspace.histories.dates():
            days.transact((MAIN, date), lambda writer: writer._database.execute("update deliveries set state = 'dead'"))
        days.close()

    done = shop("destination", "replay", "meta-main", "--dead", "--json").json

    assert on_its_way.code == 4
    assert done == {"destination": "meta-main", "replayed": 1}
    [after] = logged(shop, "meta-main")
    assert (after["state"], after["event_id"]) == ("queued", before["event_id"])


def test_the_last_deliveries_are_shown_beside_a_long_queue(shop: Tnc, converted: Clicked, settings: Settings) -> None:
    converted()
    with (
        Workspace(settings, World(), to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring)) as days,
    ):

        def refuse(writer: DayWriter) -> None:
            [row] = writer.deliveries.newest(DestinationId("meta-main"))
            record = amended(row.record, status=400, reason="meta-100/2804003", answer="too old")
            writer.deliveries.change(
                replace(row, state="dead", attempts=1, done_at_ms=row.created_at_ms, record=record)
            )

        days.transact((MAIN, workspace.histories.dates()[0]), refuse)
    for _ in range(12):
        converted()

    [last] = shop("destination", "show", "meta-main", "--json").json["last"]

    assert (last["state"], last["status"], last["answer"]) == ("dead", 400, "too old")


def test_a_stopped_destination_shows_its_reason_until_it_is_resumed(shop: Tnc, settings: Settings) -> None:
    with Workspace(settings, World(), to_write=True) as workspace:
        workspace.stopped_destinations.put(
            MAIN,
            StoppedDestination(destination=DestinationId("meta-main"), reason="meta-190", at_ms=0, config_version=1),
        ).wait()
    assert "stopped: meta-190" in shop("destination", "list").out

    assert shop("destination", "resume", "meta-main", "--json").json == {"destination": "meta-main", "state": "active"}

    assert "stopped" not in shop("destination", "list").out


def test_a_test_event_is_sent_marked_and_its_reply_shown(shop: Tnc, tmp_path: Path, settings: Settings) -> None:
    receiver = webhook.Webhook()
    with in_a_thread(webhook.app(receiver)) as address:
        config = settings.data / "config.toml"
        config.write_text(config.read_text().replace("# allow_hosts = []", 'allow_hosts = ["127.0.0.1"]'))
        file = tmp_path / "hook.toml"
        file.write_text(
            f'[[destination]]\nid = "hook"\ntype = "webhook"\nurl = "{address}/hook"\nsecret = "{SECRET}"\n'
        )
        assert shop("apply", str(file)).code == 0

        result = shop("destination", "test", "hook", "--json")
        receiver.answer_next(400, "no")
        refused = shop("destination", "test", "hook")

    assert (result.code, result.json["ok"], result.json["status"]) == (0, True, 204)
    assert [each["id"] for each in receiver.events] == [result.json["event_id"]]
    assert refused.code == 1
    assert "http-400" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nobody"),
        ("log", "nobody"),
        ("preview", "nobody", "--click", "x"),
        ("preview", "meta-main", "--click", "x"),
        ("test", "nobody"),
        ("replay", "nobody", "--dead"),
        ("replay", "meta-main", "--delivery", "20200101-1"),
        ("replay", "meta-main", "--delivery", "nonsense"),
        ("resume", "nobody"),
    ],
)
def test_an_unknown_destination_exits_3(shop: Tnc, words: tuple[str, ...]) -> None:
    assert shop("destination", *words).code == 3


def test_replay_needs_a_delivery_and_does_not_apply_to_csv_files(shop: Tnc, converted: Clicked) -> None:
    converted()
    [row] = logged(shop, "file")

    assert shop("destination", "replay", "meta-main").code == 2
    assert shop("destination", "replay", "meta-main", "--dead", "--delivery", "x-1").code == 2
    assert shop("destination", "replay", "file", "--delivery", row["delivery_id"]).code == 2
    assert shop("destination", "test", "file").code == 2
