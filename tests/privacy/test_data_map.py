"""The data map has every column of every store, and no other."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from tests.store.records import DATE, day_writer
from tnc.core.fields import DIMENSION_FIELDS, FIELDS
from tnc.core.models import MAIN, ConversionChange, FilterChange, LabelChange, LanderClick, Privacy, Withdrawal
from tnc.core.settings import Settings
from tnc.privacy.data_map import MAP, Entry, map_json
from tnc.privacy.journal import Intent
from tnc.privacy.leak_report import LeakReport
from tnc.reports.columns.day_folder import State
from tnc.reports.columns.schema import COLUMNS
from tnc.store import database as control
from tnc.store.clock_check import ClockRecord
from tnc.store.days.deliveries import DeliveryRecord
from tnc.store.days.inbox import Call
from tnc.store.days.writer import day_path
from tnc.store.keys import keyring
from tnc.store.terms import TERMS, describe_terms


def mapped(store: str) -> set[tuple[str, str]]:
    return {(entry.table, entry.column) for entry in MAP if entry.store == store}


def columns_of(database: sqlite3.Connection) -> set[tuple[str, str]]:
    tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    return {(table, row[1]) for table in tables for row in database.execute(f"pragma table_info({table})")}


def fields_of(name: str, struct: type[msgspec.Struct]) -> set[tuple[str, str]]:
    return {(name, field.encode_name) for field in msgspec.structs.fields(struct)}


def test_every_column_of_a_day_file_has_an_entry(tmp_path: Path) -> None:
    day_writer(tmp_path).close()

    with sqlite3.connect(day_path(tmp_path / "days", MAIN, DATE)) as database:
        real = columns_of(database)

    assert real == {each for each in mapped("day files") if not each[0].startswith("record ")}


def test_every_field_of_an_encrypted_record_has_an_entry() -> None:
    click = {("record Click", name) for name in FIELDS if name != "headers"}
    sealed: tuple[type[msgspec.Struct], ...] = (
        LanderClick,
        ConversionChange,
        LabelChange,
        FilterChange,
        Withdrawal,
        DeliveryRecord,
        Call,
    )
    real = click.union(*(fields_of(f"record {struct.__name__}", struct) for struct in sealed))

    assert real == {each for each in mapped("day files") if each[0].startswith("record ")}


def test_every_column_of_the_control_database_has_an_entry(tmp_path: Path) -> None:
    database = control.connect(tmp_path / "control.db")
    control.prepare(database, tmp_path / "control.db")

    assert columns_of(database) == mapped("control database")
    database.close()


def test_every_column_of_the_reports_has_an_entry() -> None:
    real = {(kind, name) for kind, columns in COLUMNS.items() for name in columns} | fields_of("state.json", State)

    assert real == mapped("columns")


def test_every_key_has_an_entry() -> None:
    real = (
        fields_of("installation", keyring._InstallationContent)
        | fields_of("workspace", keyring._WorkspaceContent)
        | fields_of("day", keyring._DayContent)
        | fields_of("intent", Intent)
    )

    assert real == mapped("keyring")


def test_the_leak_report_and_the_clock_record_have_entries() -> None:
    real = fields_of("inspection.json", LeakReport) | fields_of("clock.json", ClockRecord)

    assert real == mapped("files")


def test_report_columns_have_no_personal_data() -> None:
    assert not [entry for entry in MAP if entry.store == "columns" and entry.personal]


def test_a_column_without_an_entry_is_noticed(tmp_path: Path) -> None:
    database = control.connect(tmp_path / "control.db")
    control.prepare(database, tmp_path / "control.db")
    database.execute("alter table users add column shoe_size integer")

    assert columns_of(database) - mapped("control database") == {("users", "shoe_size")}
    database.close()


def test_no_column_has_two_entries() -> None:
    counted: Counter[tuple[str, ...]] = Counter((entry.store, entry.table, entry.column) for entry in MAP)

    assert [name for name, count in counted.items() if count > 1] == []


# The owner's own e-mail address: who may sign in, and who made which change.
ACCOUNTS = {("users", "email"), ("config_versions", "made_by"), ("term_changes", "made_by")}
SETTINGS = Settings(data=Path("data"), key=Path("key"))


@pytest.mark.parametrize("entry", [entry for entry in MAP if entry.personal], ids=lambda entry: "/".join(entry[:3]))
def test_personal_columns_can_be_erased(entry: Entry) -> None:
    if (entry.table, entry.column) in ACCOUNTS:
        assert (entry.erase, entry.keep) == ("with the installation", "installation")
    else:
        assert not entry.erase.startswith("stays")
        assert entry.keep in TERMS or entry.erase == "overwritten"


def test_every_term_in_the_map_exists() -> None:
    assert {entry.keep for entry in MAP} <= describe_terms(SETTINGS).keys()


def test_the_classes_of_fields_are_those_of_the_registry() -> None:
    dimensions: Iterable[Entry] = (entry for entry in MAP if entry.table == "clicks" and entry.store == "columns")
    quasi = {entry.column for entry in dimensions if entry.kind == "quasi"}

    assert quasi == {field.name for field in DIMENSION_FIELDS if field.about.privacy is Privacy.QUASI}


def test_the_map_prints_each_column_with_its_class_erasure_and_time() -> None:
    (first, *_) = map_json(describe_terms(SETTINGS))

    assert list(first) == ["store", "table", "column", "class", "erase", "keep"]
