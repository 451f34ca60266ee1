"""What lies below the files is told by the lines of the kernel."""

from pathlib import PurePosixPath

import pytest

from tnc.store.ground import has_swap, keeps_what_is_overwritten, mount_of

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
def test_file_systems_that_keep_what_is_overwritten_are_named(path: str, word: str | None) -> None:
    why = keeps_what_is_overwritten(MOUNTS, PurePosixPath(path))

    assert (why is None) if word is None else (why is not None and word in why)


def test_the_nearest_mount_counts() -> None:
    assert mount_of(MOUNTS, PurePosixPath("/srv/tnc/ring/main")) == ("ext4", "rw,relatime,data=journal")


def test_swap_is_seen() -> None:
    head = "Filename Type Size Used Priority\n"
    assert not has_swap(head)
    assert has_swap(head + "/swapfile file 1048572 0 -2\n")
