"""Real servers over real data directories; each server is killed when its test is over."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import SHOP
from tnc.admin.bench.server_process import ServerProcess


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data directory, its key file and the campaigns of SHOP, to be copied by each test."""
    folder = tmp_path_factory.mktemp("initialised")
    server = ServerProcess(folder / "data")
    server.init()
    file = folder / "shop.toml"
    file.write_text(SHOP)
    server.apply(file)
    return folder


def copy_of(initialised: Path, folder: Path) -> ServerProcess:
    shutil.copytree(initialised, folder, dirs_exist_ok=True)
    return ServerProcess(folder / "data")


@pytest.fixture
def stopped(initialised: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A data directory of the test's own, without a running server."""
    with copy_of(initialised, tmp_path) as server:
        yield server


@pytest.fixture
def server(stopped: ServerProcess) -> ServerProcess:
    """A running server of the test's own."""
    stopped.serve()
    return stopped


@pytest.fixture(scope="module")
def shared(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running server for all tests of a file that look at nothing but their own clicks."""
    with copy_of(initialised, tmp_path_factory.mktemp("shared")) as server:
        server.serve()
        yield server
