"""Files that were tampered with: backups and geo data write nothing outside, and end in a sentence."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.security.target import Target

pytestmark = pytest.mark.e2e

MEMBERS = (
    "../evil", "../../../../tmp/evil", "/tmp/evil", "days/../../evil", "days/main/../../../evil", "days/..",
    "days/main/2026-11-22/../../evil", "C:\\evil", "..\\evil", "days/m\x00ain/2026-11-22",
)  # fmt: skip


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def backup_of(target: Target, folder: Path) -> Path:
    done = target.tnc("backup", "create", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.tncbackup")
    return file


@pytest.mark.parametrize("member", MEMBERS, ids=ascii)
def test_a_member_with_a_path_of_its_own_writes_nothing(target: Target, tmp_path: Path, member: str) -> None:
    whole = zipfile.ZipFile(backup_of(target, tmp_path / "backups"))
    members = {name: whole.read(name) for name in whole.namelist()}
    file = tmp_path / "tampered.tncbackup"
    file.write_bytes(zipped(members | {member: b"evil"}))
    place = tmp_path / "restored"

    for words in (("backup", "verify", str(file)), ("backup", "restore", str(file), "--data", str(place))):
        done = target.tnc(*words)
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000, zipped({}), zipped({"manifest.json": b"{" * 9})])
def test_what_is_no_backup_is_refused_in_a_sentence(target: Target, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "no.tncbackup"
    file.write_bytes(content)

    for words in (("backup", "verify", str(file)), ("backup", "restore", str(file), "--data", str(tmp_path / "r"))):
        done = target.tnc(*words)
        assert done.returncode in (1, 2, 4), done.stdout
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_address_data_from_a_tampered_archive_is_refused(target: Target, tmp_path: Path) -> None:
    link = tmp_path / "link.tar.gz"
    with tarfile.open(link, "w:gz") as archive:
        entry = tarfile.TarInfo("../evil.mmdb")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    slip = tmp_path / "slip.zip"
    slip.write_bytes(zipped({"../evil.mmdb": b"evil", "evil2.mmdb": b"evil"}))

    for file in (link, slip):
        done = target.tnc("ipdb", "add", str(file))
        assert done.returncode in (1, 2), done.stdout
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("evil*"))
