"""Opening a data directory."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.records import canary_click
from tnc.core.clock import World
from tnc.core.errors import FailedError
from tnc.core.models import Click
from tnc.core.settings import Settings
from tnc.store.days.history import ClickHistories
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace, served_workspace


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    found = Settings(data=tmp_path / "data", key=key)
    Workspace.create(found, World()).close()
    return found


def overwrite_table(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        (page,) = database.execute("select rootpage from sqlite_master where name = ?", (table,)).fetchone()
        (size,) = database.execute("pragma page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))


def other_threads() -> set[threading.Thread]:
    for thread in threading.enumerate():
        if thread.name != "MainThread":
            thread.join(0.2)
    return {thread for thread in threading.enumerate() if thread.name != "MainThread"}


def test_a_start_looks_at_few_imported_clicks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for the newest click that was decided here; behind a large import that took half a minute."""
    given = 0

    def endless(_self: ClickHistories, *, since_ms: int) -> Iterator[Click]:
        nonlocal given
        imported = replace(canary_click(), imported=True)
        while given < 100_000:
            given += 1
            yield imported

    monkeypatch.setattr(ClickHistories, "newest_clicks", endless)
    with Workspace(settings, World(), to_write=True) as workspace:
        workspace.recover_versions()

    assert 0 < given <= 2_000


@pytest.mark.parametrize("to_write", [True, False])
def test_a_damaged_table_is_reported_in_one_sentence_and_no_thread_is_left(settings: Settings, to_write: bool) -> None:
    before = other_threads()
    overwrite_table(settings.data / "control.db", "terms")

    with pytest.raises(FailedError, match=r"control database .*control\.db is damaged .* restore it from a backup"):
        Workspace(settings, World(), to_write=to_write)

    assert other_threads() == before


async def test_the_running_loop_serves_the_control_database_until_the_workspace_is_closed(settings: Settings) -> None:
    before = other_threads()
    async with served_workspace(settings, World()) as workspace:
        assert workspace.database.loop is asyncio.get_running_loop()
        assert await workspace.versions.latest(workspace.id) == 0
        assert (await workspace.load_configuration())[0] == 0
        with pytest.raises(RuntimeError, match="await the operation"):
            workspace.apply_terms()

    pool = {thread for thread in other_threads() - before if not thread.name.startswith("asyncio")}
    assert pool == set()
