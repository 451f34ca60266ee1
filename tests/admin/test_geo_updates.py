"""A child process of the server updates geo data when it is due and the settings allow it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.publisher import Publisher, in_a_thread, standard_pages
from tnc.admin.geo_updates import GeoUpdates, is_due
from tnc.core.clock import World
from tnc.core.settings import Settings, render
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.visitors.geo.sources import standard_sources


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    return Settings(data=tmp_path / "data", key=key)


@pytest.fixture
def workspace(settings: Settings) -> Iterator[Workspace]:
    with Workspace.create(settings, World()) as made:
        yield made


def renewal(workspace: Workspace, settings: Settings) -> GeoUpdates:
    workspace.settings = settings
    config = settings.data / "config.toml"
    config.write_text(render(settings, settings.data))
    return GeoUpdates(config, workspace)


def until(holds: Callable[[], bool]) -> None:
    end, pause = time.monotonic() + 240, threading.Event()
    while not holds():
        assert time.monotonic() < end
        pause.wait(0.05)


def test_due_data_is_downloaded_by_a_child_and_failures_are_reported(
    workspace: Workspace, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with in_a_thread(Publisher(standard_pages(b"", b"", {"tor": b"9.9.9.9\n"}))) as publisher:
        child = renewal(workspace, replace(settings, base_url=publisher.address))
        child.start_if_due()
        until(lambda: "zscaler" in {each.name for each in workspace.addresses.manifest().items})

        def has_warned() -> bool:
            child.start_if_due()
            return bool(caplog.records)

        with caplog.at_level(logging.WARNING):
            until(has_warned)
        child.stop()

    assert workspace.geo().lookup("9.9.9.9").tor is True
    assert caplog.records[0].getMessage() == "geo data could not be updated"
    assert "dbip-city-ipv4" in vars(caplog.records[0])["why"]


def test_with_renew_off_nothing_is_downloaded(workspace: Workspace, settings: Settings) -> None:
    with in_a_thread(Publisher()) as publisher:
        child = renewal(workspace, replace(settings, base_url=publisher.address, renew=False))
        child.start_if_due()
        child.stop()

    assert publisher.asked == []
    assert is_due(workspace, settings)


def test_due_data_is_known_without_licence_keys(workspace: Workspace, settings: Settings, tmp_path: Path) -> None:
    missing = replace(settings, maxmind_account="7", maxmind_key=f"file:{tmp_path}/nothing")

    assert is_due(workspace, missing)
    assert len(standard_sources(0)) > 10
