"""Real servers over real data directories; each server is killed when its test is over."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import SHOP
from tnc.admin.bench.appliance import Appliance


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data directory, its key file and the campaigns of SHOP, to be copied by each test."""
    folder = tmp_path_factory.mktemp("initialised")
    appliance = Appliance(folder / "data")
    appliance.init()
    file = folder / "shop.toml"
    file.write_text(SHOP)
    appliance.apply(file)
    return folder


def copy_of(initialised: Path, folder: Path) -> Appliance:
    shutil.copytree(initialised, folder, dirs_exist_ok=True)
    return Appliance(folder / "data")


@pytest.fixture
def stopped(initialised: Path, tmp_path: Path) -> Iterator[Appliance]:
    """A data directory of the test's own, without a running server."""
    with copy_of(initialised, tmp_path) as appliance:
        yield appliance


@pytest.fixture
def appliance(stopped: Appliance) -> Appliance:
    """A running server of the test's own."""
    stopped.serve()
    return stopped


@pytest.fixture(scope="module")
def shared(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A running server for all tests of a file that look at nothing but their own clicks."""
    with copy_of(initialised, tmp_path_factory.mktemp("shared")) as appliance:
        appliance.serve()
        yield appliance
