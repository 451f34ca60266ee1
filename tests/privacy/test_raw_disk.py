"""Below the file system: a disk image has no personal data of an erased person and no old key."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.privacy.small_workspace import CANARY_VISITOR, DAYS, small_workspace
from tests.store.records import NEEDLES
from tnc.core.errors import TncError
from tnc.core.models import MAIN

_MB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image with ext4 on it, and where it is mounted; needs root and a kernel that allows it."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount an image")
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * _MB)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this machine mounts no images")
    try:
        yield image, mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=False, capture_output=True)


def test_a_disk_image_has_no_erased_data(disk: tuple[Path, Path]) -> None:
    image, mounted = disk
    with small_workspace(mounted / "workspace") as made:
        made.clicks_of_others(40)
        made.canary_clicks()
        ring = made.workspace.paths.ring / MAIN
        former = [(ring / date.isoformat()).read_bytes()[64:96] for date in DAYS]
        eraser = made.eraser()

        eraser.erase(eraser.subject(visitor=CANARY_VISITOR))

    subprocess.run(["umount", str(mounted)], check=True)
    raw = image.read_bytes()
    assert [name for name, needle in NEEDLES.items() if len(needle) > 4 and needle in raw] == []
    assert [key for key in former if key in raw] == []


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; needs root."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount one")
    place = tmp_path / "narrow"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("this machine mounts no file systems")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_an_erasure_on_a_full_disk_completes_when_there_is_space(narrow: Path) -> None:
    ballast = narrow / "ballast"
    with small_workspace(narrow / "workspace") as made:
        made.clicks_of_others(40)
        ids = set(made.canary_clicks())
        others = made.click_ids() - ids
        totals = made.report("campaign", "day")["totals"]
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        eraser = made.eraser()
        with pytest.raises(TncError, match="the disk refused"):
            eraser.erase(eraser.subject(visitor=CANARY_VISITOR))
        ballast.unlink()

    with small_workspace(narrow / "workspace") as made:
        made.eraser().resume()
        eraser = made.eraser()
        assert made.click_ids() - ids == others
        eraser.erase(eraser.subject(visitor=CANARY_VISITOR))
        assert made.click_ids() == others
        assert made.leaks() == []
        assert made.report("campaign", "day")["totals"] == totals
