"""One running server for all attacks of a worker process: attacks from outside, over its two listeners."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.target import CAMPAIGNS, EMAIL, PASSWORD, Target
from tnc.admin.bench.server_process import ServerProcess


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("attacked")
    with ServerProcess(folder / "data") as server:
        server.init("--owner-email", EMAIL, "--owner-password-stdin", given=PASSWORD)
        file = folder / "campaigns.toml"
        file.write_text(CAMPAIGNS)
        server.apply(file)
        server.serve()
        yield Target(server)


@pytest.fixture(autouse=True)
def _still_healthy(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each attack the server answers clicks and has logged no traceback."""
    yield
    if "target" in request.fixturenames:
        target: Target = request.getfixturevalue("target")
        assert target.get("/go").status == 302
        assert "Traceback" not in target.server.log.read_text()
