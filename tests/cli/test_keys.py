"""The key as a systemd credential, and as a file that cannot be changed."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Tnc
from tnc.core.settings import Settings


@pytest.fixture
def credential(tnc: Tnc, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key as a systemd credential; its key file is deleted."""
    folder = tmp_path / "credentials" / "tnc.service"
    folder.mkdir(parents=True)
    handed = folder / "tnc-key"
    handed.write_bytes(settings.key.read_bytes())
    handed.chmod(0o400)
    settings.key.unlink()
    config = settings.data / "config.toml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join('key = "credential:tnc-key"' if line.startswith("key =") else line for line in lines))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return handed


def test_a_systemd_credential_works_as_key(tnc: Tnc, credential: Path) -> None:
    status = tnc("keys", "status", "--json").json

    assert (status["key_file"], status["kind"]) == (str(credential), "file")
    assert tnc("keys", "verify").code == 0
    assert key_file(tnc)["state"] == "ok"


def test_a_credential_readable_by_the_service_only_is_not_reported_as_open(tnc: Tnc, credential: Path) -> None:
    if os.getuid():
        pytest.skip("only root makes files of root's group")
    os.chown(credential, 0, 0)
    credential.chmod(0o440)
    assert key_file(tnc)["state"] == "ok"

    os.chown(credential, 0, 12345)
    assert key_file(tnc)["state"] == "failed"


def key_file(tnc: Tnc) -> dict[str, str]:
    (found,) = (each for each in tnc("doctor", "--json").json if each["check"] == "key file")
    return dict(found)


def test_a_missing_credential_is_refused_with_its_path(
    tnc: Tnc, credential: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")

    done = tnc("keys", "status")

    assert done.code == 4
    assert "/run/credentials/tnc.service/tnc-key is missing" in done.err


def test_a_passphrase_may_be_a_credential(
    tnc: Tnc, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TNC_KEY_SECRET", "correct horse battery")
    from_input = tmp_path / "passphrase"
    from_input.write_text("correct horse battery\n")
    result = tnc("keys", "rotate", "--to", "split", "--json")
    assert result.code == 0

    monkeypatch.delenv("TNC_KEY_SECRET")
    assert tnc("keys", "verify").code == 4
    handed = tmp_path / "other-half"
    handed.write_text(result.json["other_half"] + "\n")
    monkeypatch.setenv("TNC_KEY_SECRET_FILE", str(handed))
    assert tnc("keys", "verify").code == 0


def test_a_key_file_that_cannot_be_written_is_not_rotated(tnc: Tnc, credential: Path) -> None:
    (credential.parent / "tnc-key.new").mkdir()  # a read-only folder
    before = credential.read_bytes()

    done = tnc("keys", "rotate")

    assert done.code == 4
    assert "Nothing was changed" in done.err
    assert credential.read_bytes() == before
    assert tnc("keys", "verify").code == 0
