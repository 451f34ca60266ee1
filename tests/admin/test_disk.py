"""Disk encryption is detected from the kernel's files in /proc and /sys."""

import os
from pathlib import Path, PurePosixPath

import pytest

from tnc.admin.disk import has_swap, is_encrypted, keeps_what_is_overwritten, mount_of

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
/dev/vdb1 /srv btrfs rw,compress=zstd 0 0
/dev/vdc1 /srv/tnc ext4 rw,relatime,data=journal 0 0
tank/x /pool zfs rw 0 0
overlay /container overlay rw,lowerdir=/a 0 0
/dev/vdd1 /with\\040space xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/var/lib/tnc/ring", None),
        ("/srv/data/ring", "btrfs"),
        ("/srv/tnc/ring", "journal"),
        ("/pool/tnc", "zfs"),
        ("/container/data", "overlay"),
        ("/with space/tnc", None),
        ("/srvother/tnc", None),
    ],
)
def test_file_systems_that_keep_overwritten_data_are_named(path: str, word: str | None) -> None:
    why = keeps_what_is_overwritten(MOUNTS, PurePosixPath(path))

    assert (why is None) if word is None else (why is not None and word in why)


def test_the_nearest_mount_counts() -> None:
    assert mount_of(MOUNTS, PurePosixPath("/srv/tnc/ring/main")) == ("ext4", "rw,relatime,data=journal")


def device(devices: Path, name: str, *below: Path, uuid: str | None = None) -> Path:
    """Write the files by which the kernel describes a device."""
    made = devices / name
    (made / "slaves").mkdir(parents=True)
    for each in below:
        (made / "slaves" / each.name).symlink_to(each)
    if uuid is not None:
        (made / "dm").mkdir()
        (made / "dm" / "uuid").write_text(uuid + "\n")
    return made


@pytest.mark.parametrize(
    ("below", "encrypted"),
    [
        ((), False),
        (("CRYPT-LUKS2-0123-tnc",), True),
        (("LVM-abc", "CRYPT-LUKS2-0123-tnc"), True),
        (("LVM-abc", None), False),
        ((None,), False),
    ],
    ids=["nothing is known", "LUKS", "LVM on LUKS, as Debian makes it", "LVM", "a disk"],
)
def test_a_disk_is_encrypted_when_its_devices_are(
    tmp_path: Path, below: tuple[str | None, ...], encrypted: bool
) -> None:
    number = tmp_path.stat().st_dev
    made: tuple[Path, ...] = ()
    for at, uuid in reversed(list(enumerate(below))):
        name = f"{os.major(number)}:{os.minor(number)}" if at == 0 else f"{at}"
        made = (device(tmp_path, name, *made, uuid=uuid),)

    assert is_encrypted(tmp_path, devices=tmp_path) is encrypted


def test_of_two_disks_both_must_be_encrypted(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    first, second = device(tmp_path, "first", uuid="CRYPT-LUKS2-1"), device(tmp_path, "second")
    device(tmp_path, f"{os.major(number)}:{os.minor(number)}", first, second)

    assert not is_encrypted(tmp_path, devices=tmp_path)


def test_swap_is_detected() -> None:
    head = "Filename Type Size Used Priority\n"
    assert not has_swap(head)
    assert has_swap(head + "/swapfile file 1048572 0 -2\n")
