"""`tnc doctor` on geo data, declared crawlers, postbacks, destinations, keys and disks."""

import json
import resource
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tnc
from tests.visitors.shared import DATA, needed
from tnc.core.clock import DAY_MS, World
from tnc.core.models import MAIN, DestinationId
from tnc.core.settings import Settings
from tnc.store.days.click_log import Days
from tnc.store.days.inbox import Call, InboxRow
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.stopped import StoppedDestination
from tnc.store.workspace import Workspace
from tnc.visitors.geo.catalog import MANIFEST

CAMPAIGN = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
[[offer]]
id = "boots"
url = "https://shop.example/boots"
[[filter]]
id = "standard"
when = [ { fact = "traffic", is = ["bot"] }, { fact = "vpn", is = [true] } ]
[[campaign]]
id = "summer"
filter = "standard"
[[campaign.flow]]
id = "phones"
when = [ WHEN ]
offers = [ { id = "shoes" } ]
[[campaign.flow]]
id = "rest"
offers = [ { id = "boots" } ]
"""


def applied(tnc: Tnc, folder: Path, when: str) -> None:
    file = folder / "shop.toml"
    file.write_text(CAMPAIGN.replace("WHEN", when))
    done = tnc("apply", str(file))
    assert done.code == 0, done.err


def findings(tnc: Tnc, check: str) -> list[dict[str, Any]]:
    return [each for each in tnc("doctor", "--json").json if each["check"] == check]


def test_doctor_recommends_geo_data_on_a_fresh_installation(tnc: Tnc) -> None:
    (found,) = findings(tnc, "geo data")

    assert found == {
        "check": "geo data",
        "state": "ok",
        "text": "Installed: countries.",
        "fix": "For cities, networks and VPNs type: tnc ipdb update",
    }


def test_doctor_names_facts_without_data_and_the_flows_that_need_them(tnc: Tnc, tmp_path: Path) -> None:
    if not DATA.exists():
        pytest.skip("needs the shared data")
    tnc("ipdb", "add", str(needed("geo/dbip-city-sample-ipv4.mmdb")))
    applied(tnc, tmp_path, '{ fact = "city", is = ["Oslo"] }')
    tnc("ipdb", "remove", "dbip-city-sample-ipv4")

    texts = [each["text"] for each in findings(tnc, "geo data") if each["state"] == "warning"]

    places = {"vpn": "filter 'standard'", "city": "flow 'phones' of campaign 'summer'"}
    assert texts == [
        f"No installed geo data knows {fact}, so it is unknown for {place}; visitors are still redirected."
        for fact, place in places.items()
    ]


def test_doctor_names_stale_data_and_failed_updates(tnc: Tnc, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("9.9.9.0/24\n")
    tnc("ipdb", "add", str(file), "--kind", "tor")
    manifest = settings.data / "ipdb" / MANIFEST
    result = json.loads(manifest.read_text())
    result["items"][0]["added_at_ms"] -= 3 * DAY_MS
    result["problems"] = {"mine": "the server answered 500"}
    manifest.write_text(json.dumps(result))

    found = findings(tnc, "geo data")

    assert [each["text"] for each in found] == [
        "Geo data mine (tor) is 3 days old; it is still used.",
        "mine could not be updated: the server answered 500.",
        "Installed: countries, tor.",
    ]


def test_doctor_reports_a_damaged_manifest(tnc: Tnc, settings: Settings) -> None:
    (settings.data / "ipdb" / MANIFEST).write_text("{")

    (found,) = findings(tnc, "geo data")

    assert found["state"] == "failed"
    assert "is damaged" in found["text"]
    assert tnc("ip", "81.2.69.142", "--json").json["country"] == "GB"


def test_doctor_confirms_that_reviewers_see_what_visitors_see(tnc: Tnc, tmp_path: Path) -> None:
    applied(tnc, tmp_path, '{ fact = "device", is = ["mobile"] }, { fact = "unique_campaign", is = [true] }')

    assert [each["state"] for each in findings(tnc, "reviewers")] == ["ok"]


@pytest.mark.parametrize(
    "condition",
    [
        '{ fact = "user_agent", contains = "Mobile" }',
        '{ fact = "user_agent", is = ["unknown"] }',
        '{ fact = "header.accept", is = ["unknown"] }',
        '{ fact = "language", is = ["unknown"] }',
        '{ fact = "browser", contains = "bot" }',
        '{ fact = "device", is = ["other"] }',
    ],
)
def test_values_that_reviewers_do_not_send_do_not_change_their_destination(
    tnc: Tnc, tmp_path: Path, condition: str
) -> None:
    applied(tnc, tmp_path, condition)

    assert [each["state"] for each in findings(tnc, "reviewers")] == ["ok"]


def test_doctor_names_a_campaign_that_sends_a_reviewer_elsewhere(tnc: Tnc, tmp_path: Path) -> None:
    applied(tnc, tmp_path, '{ fact = "ip", is = ["192.0.2.1"] }')

    (found,) = findings(tnc, "reviewers")

    assert found["state"] == "failed"
    assert found["text"].startswith("In campaign summer declared crawlers would not go where ordinary visitors go: ")


@pytest.mark.parametrize("fact", ["vpn", "tor", "datacenter"])
def test_a_filter_that_can_match_no_visit_is_refused_by_name(tnc: Tnc, tmp_path: Path, fact: str) -> None:
    file = tmp_path / "filter.toml"
    file.write_text(f'[[filter]]\nid = "f"\nwhen = [ {{ fact = "{fact}", is = [true] }} ]\n')

    done = tnc("apply", str(file))

    assert done.code == 2
    assert f"filter 'f': no installed geo data knows {fact}" in done.err


def test_the_standard_filter_applies_and_only_logs(tnc: Tnc) -> None:
    file = Path(__file__).parents[2] / "tnc" / "campaigns" / "templates" / "standard.toml"

    assert tnc("apply", str(file)).code == 0
    assert 'mode = "monitor"' in tnc("export").out


# ------------------------------------------------------------------------------------------ postbacks and deliveries


def store_postbacks(settings: Settings, **outcomes: int) -> None:
    """Store so many postbacks with each outcome, at the current time."""
    world = World()
    now_ms = world.now_ms()
    with (
        Workspace(settings, world, to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring)) as days,
    ):

        def add(writer: DayWriter) -> None:
            for outcome, count in outcomes.items():
                call = Call(method="GET", path="/postback", params={})
                row = InboxRow(seq=-1, at_ms=now_ms, outcome=outcome.replace("_", "-"), click=None, call=call)  # type: ignore[arg-type]
                for _ in range(count):
                    writer.inbox.add(row)

        days.transact((MAIN, utc_date(now_ms)), add)


def test_many_unmatched_postbacks_are_an_alert_with_the_main_reason(tnc: Tnc, settings: Settings) -> None:
    store_postbacks(settings, new=30, unmapped=3)
    before = findings(tnc, "postbacks")
    store_postbacks(settings, unknown_click=9)

    (alert,) = findings(tnc, "postbacks")

    assert [each["state"] for each in before] == ["ok"]
    assert (alert["state"], alert["fix"]) == ("warning", "Type: tnc conversion inbox --unmatched")
    assert "29% of 42" in alert["text"]
    assert "mostly unknown-click" in alert["text"]


def test_a_few_unmatched_postbacks_are_no_alert(tnc: Tnc, settings: Settings) -> None:
    store_postbacks(settings, unknown_click=5, new=5)

    assert [each["state"] for each in findings(tnc, "postbacks")] == ["ok"]


def test_doctor_reports_a_stopped_destination_with_its_fix(tnc: Tnc, settings: Settings) -> None:
    with Workspace(settings, World(), to_write=True) as workspace:
        stop = StoppedDestination(destination=DestinationId("meta-main"), reason="meta-190", at_ms=0, config_version=1)
        workspace.stopped_destinations.put(MAIN, stop).wait()

    (found,) = findings(tnc, "destinations")

    assert (found["state"], "meta-190" in found["text"]) == ("failed", True)
    assert "tnc destination resume meta-main" in found["fix"]


# ------------------------------------------------------------------------------------- keys and disks


def test_doctor_names_a_keyring_copy_from_before_an_erasure(tnc: Tnc, settings: Settings, tmp_path: Path) -> None:
    (none,) = findings(tnc, "key backup")
    assert none["state"] == "ok"
    assert "lost data" in none["text"]

    applied(tnc, tmp_path, '{ fact = "country", is = ["US"] }')
    past = tmp_path / "past.jsonl"
    click = {"click_id": "somebodys", "clicked_at": f"{utc_date(World().now_ms())}T00:00:00Z", "campaign": "summer"}
    past.write_text(json.dumps(click | {"visitor": "7" * 32}))
    assert tnc("import", "clicks", str(past)).code == 0
    assert tnc("keys", "escrow", str(tmp_path / "ring.escrow")).code == 0
    assert findings(tnc, "key backup")[0]["text"] == "The copy of the keyring is up to date."

    assert tnc("privacy", "erase", "--click", "somebodys").code == 0

    (old,) = findings(tnc, "key backup")
    assert old["state"] == "warning"
    assert "can still decrypt what 1 erasures made unreadable" in old["text"]
    assert "tnc keys escrow FILE" in old["fix"]


@pytest.mark.parametrize(("most", "state"), [(0, "ok"), (1 << 20, "warning")])
def test_doctor_warns_of_core_dumps_that_would_hold_keys(tnc: Tnc, most: int, state: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] != resource.RLIM_INFINITY and before[1] < most:
        pytest.skip("this process may not have core dumps at all")
    resource.setrlimit(resource.RLIMIT_CORE, (most, before[1]))
    try:
        (found,) = findings(tnc, "core dumps")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)

    assert found["state"] == state


@pytest.mark.parametrize(("encrypted", "expected"), [(True, ("ok", "")), (False, ("warning", "LUKS"))])
def test_doctor_warns_when_disk_encryption_is_not_detected(
    tnc: Tnc, settings: Settings, monkeypatch: pytest.MonkeyPatch, encrypted: bool, expected: tuple[str, str]
) -> None:
    disks = {settings.data: encrypted}
    monkeypatch.setattr("tnc.admin.doctor.is_encrypted", disks.__getitem__)

    (found,) = findings(tnc, "disk encryption")

    assert found["state"] == expected[0]
    assert expected[1] in found["fix"]
