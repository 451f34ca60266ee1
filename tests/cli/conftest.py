"""Commands that run in this process, on a data directory of the test's own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tnc.cli.main import group
from tnc.core.clock import World
from tnc.core.settings import Settings, render
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tnc = Callable[..., Done]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", key=tmp_path / "key")


@pytest.fixture
def tnc(settings: Settings) -> Tnc:
    """Runs a command."""
    settings.key.write_text(new_key_text())
    settings.key.chmod(0o600)
    Workspace.create(settings, World()).close()
    config = settings.data / "config.toml"
    config.write_text(render(settings, settings.data))

    def run(*words: str) -> Done:
        done = CliRunner().invoke(group, ["--config", str(config), *words], catch_exceptions=False)
        return Done(done.exit_code, done.stdout, done.stderr)

    return run
