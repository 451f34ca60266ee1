"""`tnc init` creates a complete data directory or leaves nothing behind."""

from pathlib import Path

import pytest

from tests.cli.conftest import Tnc
from tnc.store.keys.keyring import new_key_text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--owner-email", "nobody"), "not an e-mail address"),
        (("--listen", "everywhere"), "an address and a port"),
        (("--key", "{folder}/broken"), "it must contain 64 hexadecimal digits"),
        (("--key", "{folder}/broken/key"), "broken cannot be created: File exists; choose another place"),
    ],
)
def test_a_failed_init_leaves_nothing_behind(tnc: Tnc, tmp_path: Path, given: tuple[str, str], said: str) -> None:
    (tmp_path / "broken").write_text("no key")
    before = set(tmp_path.rglob("*"))

    done = tnc("init", "--data", str(tmp_path / "new"), *(word.format(folder=tmp_path) for word in given))

    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert set(tmp_path.rglob("*")) == before


def test_init_leaves_an_existing_file_alone(tnc: Tnc, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("mine")

    done = tnc("init", "--data", str(tmp_path / "new"))

    assert (done.code, done.out) == (2, "")
    assert "new cannot be created: Not a directory" in done.err
    assert (tmp_path / "new").read_text() == "mine"


def test_a_failed_init_keeps_an_existing_key(tnc: Tnc, tmp_path: Path) -> None:
    key = tmp_path / "shared.key"
    key.write_text(new_key_text())
    before = key.read_bytes()

    done = tnc("init", "--data", str(tmp_path / "new"), "--key", str(key), "--owner-email", "nobody")

    assert done.code == 2
    assert key.read_bytes() == before
    assert not (tmp_path / "new").exists()
