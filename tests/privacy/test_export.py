"""The export of a person's data: complete by the data map, the same bytes each time, safe to open."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.privacy.small_workspace import CANARY_VISITOR, DAYS, SmallWorkspace, noon_ms, small_workspace
from tests.store.records import PERSONAL, canary_click
from tnc.core.clock import HOUR_MS
from tnc.core.fields import click_json
from tnc.core.models import LabelChange
from tnc.privacy.data_map import MAP
from tnc.privacy.export import TABLES, export_zip
from tnc.privacy.requests import PrivacyRequests
from tnc.privacy.subject import Subject

ME = Subject(kind="visitor", value=CANARY_VISITOR)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(5)
        made.canary_clicks(2)
        yield made


def copied(full: SmallWorkspace, subject: Subject = ME) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(export_zip(full.workspace, full.eraser().vaults, subject)))


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"{name}.json"))
    return found


def test_the_export_has_every_table_and_file(full: SmallWorkspace) -> None:
    with copied(full) as archive:
        names = set(archive.namelist())
        assert {"clicks.json", "conversions.json", "readme.txt", "clicks.csv", "conversions.csv"} <= names
        assert len(table(archive, "clicks")) == 6
        assert len(table(archive, "conversions")) == 3
        assert len(table(archive, "deliveries")) == 3
        assert len(table(archive, "postbacks")) == 3
        assert {click["ip"] for click in table(archive, "clicks")} == {PERSONAL["ip"]}


def test_the_export_is_complete_by_the_data_map(full: SmallWorkspace) -> None:
    records = {
        "record Click": "clicks",
        "record ConversionChange": "conversions",
        "record LanderClick": "lander_clicks",
        "record DeliveryRecord": "deliveries",
        "record Call": "postbacks",
    }
    with copied(full) as archive:
        for record, name in records.items():
            held = set(table(archive, name)[0])
            assert {entry.column for entry in MAP if entry.table == record} <= held


def test_the_export_has_every_field_that_the_command_shows(full: SmallWorkspace) -> None:
    with copied(full) as archive:
        copy = {click["click_id"]: click for click in table(archive, "clicks")}

    for history in full.workspace.histories.newest():
        shown = click_json(history, destination=full.workspace.destination(history.click))
        copied_click = copy.pop(history.click.click_id, None)
        if copied_click is not None:
            assert {name: copied_click.get(name, "not there") for name in shown} == json.loads(json.dumps(shown))
            assert (copied_click["lander_clicked_at"] is None) == (history.lander_clicked_at_ms is None)
    assert copy == {}


def test_the_export_says_what_was_recorded_before_a_change_of_traffic(full: SmallWorkspace) -> None:
    click = canary_click("canary-relabelled", at_ms=noon_ms(DAYS[0]))
    full.record(click, LabelChange(at_ms=noon_ms(DAYS[0]) + 1, traffic="bot", reasons=("js_webdriver",)))

    with copied(full) as archive:
        (found,) = (each for each in table(archive, "clicks") if each["click_id"] == click.click_id)

    assert (found["traffic"], found["before_change"]["traffic"]) == ("bot", "human")


def test_the_export_has_the_persons_own_privacy_requests_only(full: SmallWorkspace) -> None:
    requests = PrivacyRequests(full.workspace, full.eraser())
    requests.submit("question", text="Who are you?", contact="ann@example.com", browser_id=PERSONAL["browser_id"])
    requests.add("access", channel="letter", text="A copy, please.", who={"visitor": CANARY_VISITOR})
    requests.submit("question", text="Somebody else asks.", contact="bob@example.com", browser_id="5" * 32)
    requests.submit("question", text="Somebody without a cookie asks.", contact="")

    with copied(full) as archive:
        asked = table(archive, "requests")
    with copied(full, Subject(kind="browser", value=PERSONAL["browser_id"])) as archive:
        of_browser = table(archive, "requests")

    assert sorted(each["text"] for each in asked) == ["A copy, please.", "Who are you?"]
    assert [(each["text"], each["contact"]) for each in of_browser] == [("Who are you?", "ann@example.com")]
    assert [step["state"] for step in of_browser[0]["steps"]] == ["received"]


def test_two_exports_of_the_same_data_are_equal(full: SmallWorkspace) -> None:
    first = export_zip(full.workspace, full.eraser().vaults, ME)
    full.now_ms += HOUR_MS

    assert export_zip(full.workspace, full.eraser().vaults, ME) == first


def test_csv_and_json_have_the_same_content(full: SmallWorkspace) -> None:
    with copied(full) as archive:
        for name in TABLES:
            rows = list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode())))
            assert len(rows) == len(table(archive, name))
        ids = [row["click_id"] for row in csv.DictReader(io.StringIO(archive.read("clicks.csv").decode()))]
        assert ids == [click["click_id"] for click in table(archive, "clicks")]


def test_no_cell_is_a_formula(full: SmallWorkspace) -> None:
    hostile = canary_click("canary-hostile", at_ms=noon_ms(DAYS[0]), user_agent="=cmd|'/c calc'!A0", referrer="@SUM(1)")
    full.record(hostile)

    with copied(full) as archive:
        text = archive.read("clicks.csv").decode()
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert "=cmd|'/c calc'!A0" in json.dumps(table(archive, "clicks"))
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []


def test_the_export_has_no_data_of_others(full: SmallWorkspace) -> None:
    with copied(full) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"stranger" not in whole
    assert b"198.51.100" not in whole


def test_an_ip_exports_no_clicks_stored_with_its_network_only(full: SmallWorkspace) -> None:
    cut = {"ip": "203.0.113.0/24", "mode": "cookieless", "visitor": "7" * 32}
    full.record(canary_click("neighbour", at_ms=noon_ms(DAYS[0]), **cut))

    with copied(full, Subject(kind="ip", value=PERSONAL["ip"])) as archive:
        assert {click["ip"] for click in table(archive, "clicks")} == {PERSONAL["ip"]}


def test_an_unknown_subject_gets_empty_tables_and_the_readme(full: SmallWorkspace) -> None:
    with copied(full, Subject(kind="visitor", value="nobody")) as archive:
        assert [table(archive, name) for name in TABLES] == [[]] * len(TABLES)
        assert "90 days from each visit" in archive.read("readme.txt").decode()


def test_restricted_clicks_are_exported(full: SmallWorkspace) -> None:
    eraser = full.eraser()
    eraser.restrict(ME)

    with copied(full) as archive:
        assert {click["restricted"] for click in table(archive, "clicks")} == {True}
        assert len(table(archive, "clicks")) == 6


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Check a value by the keywords of JSON Schema that the exports use."""
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    types = schema.get("type", [*kinds, "null"])
    types = [types] if isinstance(types, str) else types
    if value is None:
        return "null" in types
    if not any(isinstance(value, kinds[each]) for each in types if each != "null"):
        return False
    if isinstance(value, list):
        return all(fits(each, schema.get("items", {})) for each in value)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return set(value) == set(known) and all(fits(each, known[name]) for name, each in value.items())
    return True


def test_the_export_matches_its_schemas_and_manifest(full: SmallWorkspace) -> None:
    requests = PrivacyRequests(full.workspace, full.eraser())
    requests.submit("question", text="Who are you?", contact="", browser_id=PERSONAL["browser_id"])

    with copied(full) as archive:
        digests = json.loads(archive.read("manifest.json"))["sha256"]
        assert set(digests) == set(archive.namelist()) - {"manifest.json"}
        assert all(sha256(archive.read(name)).hexdigest() == digest for name, digest in digests.items())
        for name in TABLES:
            schema = json.loads(archive.read(f"schema/{name}.json"))
            assert fits(table(archive, name), schema), name
            assert not fits([{"click_id": 1}], schema)


def test_default_values_are_exported(full: SmallWorkspace) -> None:
    """Fields that are not encoded because they have their default are in the export."""
    with copied(full) as archive:
        (call, *_), (conversion, *_) = table(archive, "postbacks"), table(archive, "conversions")
    assert (call["status"], call["origin"], call["replays"]) == (200, "postback", 0)
    assert conversion["origin"] == "postback"
