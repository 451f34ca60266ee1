"""Migrations: an old database ends up like a new one, or is not changed at all."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.formats.further import FURTHER_CONTROL, FURTHER_DAY
from tnc.admin.bench.server_process import ServerProcess
from tnc.core.errors import FailedError, RefusedError
from tnc.store import migrations
from tnc.store.database import CONTROL
from tnc.store.days.schema import DAY
from tnc.store.migrations import Migration, Schema, copy_in_memory, previous_files, remove_previous, replacing, upgrade

SCHEMAS = (CONTROL, DAY, FURTHER_CONTROL, FURTHER_DAY)
NAMES = ("control", "day", "further control", "further day")


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])


def tables(database: sqlite3.Connection) -> dict[str, str]:
    """The SQL of everything in a database, with single spaces and without comments, which may be reworded."""
    made = database.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    return {name: " ".join(re.sub("--[^\n]*", "", sql).replace('"', "").split()) for name, sql in made}


def rows(database: sqlite3.Connection) -> dict[str, list[Any]]:
    names = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    return {name: sorted(database.execute(f"select * from {name}"), key=repr) for name in names}


def opened(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None))


@pytest.fixture
def control(old: ServerProcess) -> Path:
    return old.data / "control.db"


@pytest.fixture
def day(old: ServerProcess) -> Path:
    return old.data / "days" / "main" / "2026-11-30.db"


@pytest.mark.parametrize("schema", SCHEMAS, ids=NAMES)
def test_a_new_database_has_the_same_tables_as_a_migrated_one_of_each_older_format(schema: Schema) -> None:
    new = memory()
    schema.migrate(new)

    for older in schema.migrations:
        database = memory()
        schema.migrate(database, up_to=older.number)
        assert version(database) == older.number
        schema.migrate(database)
        assert (version(database), tables(database)) == (schema.version, tables(new))


@pytest.mark.parametrize("schema", SCHEMAS, ids=NAMES)
def test_migrations_are_numbered_without_a_gap(schema: Schema) -> None:
    assert [each.number for each in schema.migrations] == list(range(1, len(schema.migrations) + 1))


def test_the_old_directory_is_migrated_to_the_tables_of_a_new_one(control: Path, day: Path) -> None:
    """Fails when the statements of a released migration are edited."""
    upgrade(control, CONTROL)
    with opened(day) as database:
        DAY.migrate(database)

    for path, schema in ((control, CONTROL), (day, DAY)):
        new = memory()
        schema.migrate(new)
        with opened(path) as database:
            assert (version(database), tables(database)) == (schema.version, tables(new))


def test_every_row_is_there_after_a_migration(control: Path) -> None:
    with opened(control) as database:
        before = rows(database)

    upgrade(control, FURTHER_CONTROL)

    with opened(control) as database:
        after = rows(database)
    assert after.pop("users") == [(*row, "en") for row in before.pop("users")]
    assert after == before
    assert before["requests"]


def test_tables_that_some_databases_of_format_1_lack_are_created(control: Path) -> None:
    with opened(control) as database:
        for table in ("alerts", "escrow_epochs", "term_changes"):
            database.execute(f"drop table {table}")
    new = memory()
    CONTROL.migrate(new)

    upgrade(control, CONTROL)

    with opened(control) as database:
        assert tables(database) == tables(new)


@pytest.mark.parametrize("store", ["control", "day"])
def test_a_crash_at_any_step_leaves_the_old_file_or_the_new_one(store: str, old: ServerProcess, tmp_path: Path) -> None:
    file = old.data / {"control": "control.db", "day": "days/main/2026-11-30.db"}[store]
    schema = {"control": FURTHER_CONTROL, "day": FURTHER_DAY}[store]
    crashes = tmp_path / "crashes"
    crashes.mkdir()
    subprocess.run((sys.executable, "-m", "tests.formats.crash", store, str(file), str(crashes)), check=True)
    with opened(file) as database:
        before = tables(database), {name: len(found) for name, found in rows(database).items()}
    new = memory()
    schema.migrate(new)

    left = [crashes / str(step) / file.name for step in range(1, len(list(crashes.iterdir())))]
    found = []
    for path in left:
        with opened(path) as database:
            found.append(version(database))
            counts = {name: len(each) for name, each in rows(database).items() if name in before[1]}
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            assert counts == before[1]
            assert tables(database) == (before[0] if found[-1] == 1 else tables(new))
            if store == "day":
                schema.migrate(database)
        if store == "control":
            remove_previous(previous_files(path))  # which may still be the file itself
            upgrade(path, schema)
        with opened(path) as database:
            assert (version(database), tables(database)) == (schema.version, tables(new))
        assert not list(path.parent.glob("*.new*"))

    assert found == sorted(found)
    assert set(found) == {1, schema.version}
    assert len(found) >= 4


def failing(statement: str) -> Schema:
    bad = Migration(number=CONTROL.version + 1, name="a mistake", statements=(statement,))
    return replace(CONTROL, migrations=(*CONTROL.migrations, bad))


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from users", "the number of rows has changed in: users"),
        ("drop table config_versions", "the number of rows has changed in: config_versions"),
        (
            "update request_steps set request_id = 'none'",
            "a row of request_steps refers to a row of requests that is missing",
        ),
        ("select * from missing", "no such table: missing"),
    ],
)
def test_a_migration_that_loses_rows_or_fails_changes_nothing(statement: str, why: str, control: Path) -> None:
    with opened(control) as database:
        before = version(database), rows(database)

    with pytest.raises(FailedError, match=f"from format 1 to 3 .{why}.*It was not changed"):
        upgrade(control, failing(statement))

    with opened(control) as database:
        assert (version(database), rows(database)) == before
    assert sorted(each.name for each in control.parent.glob("control.db*")) == ["control.db"]


def test_a_database_that_another_process_reads_is_not_migrated(control: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_PATIENCE_SECONDS", 0.05)
    with closing(sqlite3.connect(f"file:{control}?mode=ro", uri=True)) as reader:
        assert version(reader) == 1
        with pytest.raises(RefusedError, match="another command is still reading"):
            upgrade(control, CONTROL)
        assert version(reader) == 1

    upgrade(control, CONTROL)
    with opened(control) as database:
        assert version(database) == CONTROL.version


def test_the_previous_file_is_kept_and_its_bytes_are_overwritten_when_it_is_removed(control: Path) -> None:
    with opened(control) as database:
        before = rows(database)

    upgrade(control, CONTROL)

    (previous,) = previous_files(control)
    with opened(previous) as database:
        assert (previous.name, version(database), rows(database)) == ("control.db.v1", 1, before)
    assert b"owner@example.com" in previous.read_bytes()
    with previous.open("rb") as file:
        remove_previous([previous, previous.with_name("gone")])
        assert previous_files(control) == []
        assert b"owner@example.com" not in file.read()


def test_a_database_of_the_current_format_is_not_touched(control: Path) -> None:
    upgrade(control, CONTROL)
    remove_previous(previous_files(control))
    with opened(control) as database:
        database.execute("pragma journal_mode = wal")
    stamp = control.stat()

    upgrade(control, CONTROL)

    assert (control.stat().st_ino, control.stat().st_mtime_ns) == (stamp.st_ino, stamp.st_mtime_ns)
    assert previous_files(control) == []


def test_a_reader_of_an_older_database_gets_the_current_format_and_changes_nothing(control: Path) -> None:
    with opened(control) as database:
        users = database.execute("select email from users").fetchall()
    stamp = control.stat()

    with closing(copy_in_memory(control, FURTHER_CONTROL)) as database:
        assert database.execute("select email, language from users").fetchall() == [(*row, "en") for row in users]
    assert (control.stat().st_ino, control.stat().st_mtime_ns) == (stamp.st_ino, stamp.st_mtime_ns)


def test_a_reader_of_an_older_day_file_sees_the_columns_of_every_later_format(day: Path) -> None:
    with closing(sqlite3.connect(f"file:{day}?mode=ro", uri=True)) as reader:
        there = reader.execute("select count(*) from clicks").fetchone()
        notes = Migration(
            number=FURTHER_DAY.version + 1,
            name="there are notes",
            statements=("create table notes (seq integer primary key, sealed blob not null) strict",),
            shown={"notes": "select null as seq, null as sealed where false"},
        )
        replace(FURTHER_DAY, migrations=(*FURTHER_DAY.migrations, notes)).show_as_current(reader, version(reader))

        assert reader.execute("select count(*) from clicks where lane is null and depth is null").fetchone() == there
        assert reader.execute("select * from notes").fetchall() == []
        for search in (
            "select sealed, lane from clicks where seq = 1",
            "select sealed, lane from clicks where click = 1",
        ):
            plan = reader.execute(f"explain query plan {search}").fetchall()
            assert "SEARCH main.clicks" in plan[-1][3], plan


def test_a_day_file_stays_readable_when_it_is_migrated_meanwhile(day: Path) -> None:
    with closing(sqlite3.connect(f"file:{day}?mode=ro", uri=True)) as reader, opened(day) as writer:
        FURTHER_DAY.show_as_current(reader, version(reader))
        reader.execute("select lane, depth from clicks").fetchall()

        FURTHER_DAY.migrate(writer)
        writer.execute("update clicks set lane = 7, depth = 8 where seq = 2")

        assert reader.execute("select lane, depth from clicks where seq = 2").fetchone() == (7, 8)


@pytest.mark.parametrize("migration", FURTHER_DAY.migrations[1:], ids=lambda each: each.name)
def test_migrations_of_day_files_do_not_touch_the_rows(migration: Migration) -> None:
    """So that its writer and its readers do not wait, however many clicks a day has."""
    schema = replace(FURTHER_DAY, migrations=FURTHER_DAY.migrations[: migration.number])

    def steps_of(clicks: int) -> int:
        database, steps = memory(), 0
        schema.migrate(database, up_to=migration.number - 1)
        rows = ((seq, b"sealed", seq) for seq in range(clicks))
        database.executemany("insert into clicks (seq, sealed, click) values (?, ?, ?)", rows)

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        database.set_progress_handler(count, 10)
        schema.migrate(database)
        return steps

    assert steps_of(5_000) < steps_of(10) + 20


def test_replacing_names_its_steps(control: Path) -> None:
    named = list(replacing(control, CONTROL))

    assert named[:2] == ["alone", "copied"]
    assert named[-5:] == ["checked", "synced", "kept", "replaced", "done"]
