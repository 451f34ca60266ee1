"""The copy that a person gets: complete by the data map, the same bytes each time, safe to open."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.privacy.small_workspace import CANARY_SUBJECT, DAYS, Estate, estate, noon_ms
from tests.store.records import PERSONAL, canary_click
from tnc.core.clock import HOUR_MS
from tnc.privacy.data_map import MAP
from tnc.privacy.export import TABLES, export_zip
from tnc.privacy.subject import Subject

ME = Subject(kind="visitor", value=CANARY_SUBJECT)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Estate]:
    with estate(tmp_path) as made:
        made.strangers(5)
        made.canary_clicks(2)
        yield made


def copied(full: Estate, subject: Subject = ME) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(export_zip(full.workspace, full.eraser().vaults, subject)))


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"{name}.json"))
    return found


def test_it_holds_what_the_contract_says(full: Estate) -> None:
    with copied(full) as archive:
        names = set(archive.namelist())
        assert {"clicks.json", "conversions.json", "readme.txt", "clicks.csv", "conversions.csv"} <= names
        assert len(table(archive, "clicks")) == 6
        assert len(table(archive, "conversions")) == 3
        assert len(table(archive, "deliveries")) == 3
        assert len(table(archive, "postbacks")) == 3
        assert {click["ip"] for click in table(archive, "clicks")} == {PERSONAL["ip"]}


def test_it_is_complete_by_the_data_map(full: Estate) -> None:
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


def test_made_twice_it_is_the_same_to_the_byte(full: Estate) -> None:
    first = export_zip(full.workspace, full.eraser().vaults, ME)
    full.now_ms += HOUR_MS

    assert export_zip(full.workspace, full.eraser().vaults, ME) == first


def test_the_tables_say_the_same_as_the_json(full: Estate) -> None:
    with copied(full) as archive:
        for name in TABLES:
            rows = list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode())))
            assert len(rows) == len(table(archive, name))
        ids = [row["click_id"] for row in csv.DictReader(io.StringIO(archive.read("clicks.csv").decode()))]
        assert ids == [click["click_id"] for click in table(archive, "clicks")]


def test_no_cell_is_a_formula(full: Estate) -> None:
    hostile = canary_click("canary-hostile", at_ms=noon_ms(DAYS[0]), user_agent="=cmd|'/c calc'!A0", referrer="@SUM(1)")
    full.record(hostile)

    with copied(full) as archive:
        text = archive.read("clicks.csv").decode()
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert "=cmd|'/c calc'!A0" in json.dumps(table(archive, "clicks"))
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []


def test_nobody_else_is_in_it(full: Estate) -> None:
    with copied(full) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"stranger" not in whole
    assert b"198.51.100" not in whole


def test_an_address_gives_no_clicks_that_may_be_a_neighbours(full: Estate) -> None:
    cut = {"ip": "203.0.113.0/24", "mode": "cookieless", "visitor": "7" * 32}
    full.record(canary_click("neighbour", at_ms=noon_ms(DAYS[0]), **cut))

    with copied(full, Subject(kind="ip", value=PERSONAL["ip"])) as archive:
        assert {click["ip"] for click in table(archive, "clicks")} == {PERSONAL["ip"]}


def test_somebody_unknown_gets_empty_tables_and_the_plain_words(full: Estate) -> None:
    with copied(full, Subject(kind="visitor", value="nobody")) as archive:
        assert [table(archive, name) for name in TABLES] == [[]] * len(TABLES)
        assert "90 days from each visit" in archive.read("readme.txt").decode()


def test_restricted_clicks_are_still_the_persons(full: Estate) -> None:
    eraser = full.eraser()
    eraser.restrict(ME)

    with copied(full) as archive:
        assert {click["restricted"] for click in table(archive, "clicks")} == {True}
        assert len(table(archive, "clicks")) == 6


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """The words of JSON Schema that the copies use."""
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


def test_it_is_as_its_own_schemas_and_manifest_say(full: Estate) -> None:
    with copied(full) as archive:
        digests = json.loads(archive.read("manifest.json"))["sha256"]
        assert set(digests) == set(archive.namelist()) - {"manifest.json"}
        assert all(sha256(archive.read(name)).hexdigest() == digest for name, digest in digests.items())
        for name in TABLES:
            schema = json.loads(archive.read(f"schema/{name}.json"))
            assert fits(table(archive, name), schema), name
            assert not fits([{"click_id": 1}], schema)


def test_what_is_as_usual_is_told_as_it_is(full: Estate) -> None:
    """Fields that a record does not say because they are as usual are not unknown."""
    with copied(full) as archive:
        (call, *_), (conversion, *_) = table(archive, "postbacks"), table(archive, "conversions")
    assert (call["status"], call["origin"], call["replays"]) == (200, "postback", 0)
    assert conversion["origin"] == "postback"
