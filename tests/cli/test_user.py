"""`tnc user`: a new password for the dashboard, set on the owner's machine."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Done, Tnc
from tnc.cli.main import group
from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.core.settings import Settings
from tnc.store.workspace import Workspace

EMAIL = "owner@example.com"
NEW = "four plain words together"


@pytest.fixture
def owner(tnc: Tnc, settings: Settings) -> Settings:
    world = World()
    with Workspace(settings, world, to_write=True) as workspace:
        user = workspace.accounts.add_user(email=EMAIL, verifier="v1", now_ms=world.now_ms()).wait()
        for token in (b"a" * 32, b"b" * 32):
            workspace.accounts.open_session(user, token_hash=token, now_ms=world.now_ms()).wait()
    return settings


def typed(settings: Settings, *words: str, text: str) -> Done:
    config = str(Path(settings.data) / "config.toml")
    done = CliRunner().invoke(group, ["--config", config, *words], input=text, catch_exceptions=False)
    return Done(done.exit_code, done.stdout, done.stderr)


def test_a_new_password_works_and_every_session_is_ended(owner: Settings) -> None:
    done = typed(owner, "user", "password", "Owner@Example.com", "--stdin", "--json", text=f"{NEW}\n")

    assert done.json == {"email": EMAIL, "sessions_ended": 2}
    world = World()
    with Workspace(owner, world, to_write=False) as workspace:
        found = workspace.accounts.find_user(EMAIL).wait()
        assert found is not None
        assert Passwords(workspace.keys.pepper).matches(NEW, found[1])
        assert workspace.accounts.find_session(b"a" * 32, now_ms=world.now_ms()).wait() is None


@pytest.mark.parametrize("text", ["", "short\n", "aaaaaaaaaaaaaaaaaaaa\n", f"{EMAIL} again\n"])
def test_a_weak_password_is_refused_and_changes_nothing(owner: Settings, text: str) -> None:
    done = typed(owner, "user", "password", EMAIL, "--stdin", text=text)

    assert done.code == 2
    assert "password" in done.err
    with Workspace(owner, World(), to_write=False) as workspace:
        found = workspace.accounts.find_user(EMAIL).wait()
    assert found is not None
    assert found[1] == "v1"


def test_an_unknown_user_is_named(owner: Settings) -> None:
    done = typed(owner, "user", "password", "nobody@example.com", "--stdin", text=f"{NEW}\n")

    assert done.code == 3
    assert "no user has this e-mail address" in done.err


def test_without_stdin_a_pipe_is_not_read(owner: Settings) -> None:
    done = typed(owner, "user", "password", EMAIL, text=f"{NEW}\n")

    assert done.code == 2
    assert "--stdin" in done.err
