"""Real appliances, killed when their test is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import SHOP
from tnc.admin.bench.appliance import Appliance


def made(folder: Path) -> Appliance:
    """With the shop's campaigns, and not started."""
    appliance = Appliance(folder / "data")
    appliance.init()
    file = folder / "shop.toml"
    file.write_text(SHOP)
    appliance.apply(file)
    return appliance


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Appliance]:
    with made(tmp_path) as appliance:
        yield appliance


@pytest.fixture
def appliance(stopped: Appliance) -> Appliance:
    """One of the test's own."""
    stopped.serve()
    return stopped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """One for all tests of a file that look at nothing but their own clicks."""
    with made(tmp_path_factory.mktemp("shared")) as appliance:
        appliance.serve()
        yield appliance
