"""A data directory as the tnc of commit b349870 left it; `make.py` says how it was made."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tnc.admin.bench.server_process import ServerProcess

HERE: Final = Path(__file__).parent


@pytest.fixture
def facts() -> Any:
    """What the commands of that version told."""
    return json.loads((HERE / "facts.json").read_text())


@pytest.fixture
def old(tmp_path: Path) -> Iterator[ServerProcess]:
    with tarfile.open(HERE / "v1.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    with ServerProcess(tmp_path / "data") as server:
        yield server
