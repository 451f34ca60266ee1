"""File system, swap and disk encryption: can an overwritten key, or memory, be found on the disk?

Measured with images of each file system and the two slots of keyring files: on ext4 (ordered) and xfs no former key was
found again; the others keep copies.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Final

_KEEPING: Final = {
    "btrfs": "btrfs writes changed blocks elsewhere and keeps the old ones for a while",
    "zfs": "zfs writes changed blocks elsewhere and keeps the old ones for a while",
    "bcachefs": "bcachefs writes changed blocks elsewhere and keeps the old ones for a while",
    "overlay": "an overlay may contain an older copy of the file in a lower layer",
}


def mount_of(mounts: str, path: PurePosixPath) -> tuple[str, str]:
    """File system and options of the mount of a path, from the text of /proc/mounts."""
    found = ("", "", "")
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        place = PurePosixPath(point.replace("\\040", " "))
        if (place == path or place in path.parents) and len(point) >= len(found[0]):
            found = (point, kind, options)
    return found[1], found[2]


def keeps_what_is_overwritten(mounts: str, path: PurePosixPath) -> str | None:
    """Why an overwritten key may still be on the disk; None if it is not."""
    kind, options = mount_of(mounts, path)
    if kind == "ext4" and "data=journal" in options.split(","):
        return "ext4 with data=journal writes everything to its journal first"
    return _KEEPING.get(kind)


def has_swap(swaps: str) -> bool:
    """Whether there is swap, from the text of /proc/swaps."""
    return len(swaps.strip().splitlines()) > 1


BLOCK_DEVICES: Final = Path("/sys/dev/block")


def is_encrypted(path: Path, *, devices: Path = BLOCK_DEVICES) -> bool:
    """Whether the disk of a path is encrypted by dm-crypt, also below LVM and RAID."""
    number = path.stat().st_dev
    return _is_encrypted_device(devices / f"{os.major(number)}:{os.minor(number)}")


def _is_encrypted_device(device: Path) -> bool:
    """A device on several others is encrypted if all of them are."""
    try:
        if (device / "dm" / "uuid").read_text(encoding="ascii").startswith("CRYPT-"):
            return True
    except OSError:
        pass
    try:
        below = list((device / "slaves").iterdir())
    except OSError:
        return False
    return bool(below) and all(map(_is_encrypted_device, below))


def read_proc(name: str) -> str:
    """The text of a file in /proc; empty if it cannot be read."""
    try:
        return Path("/proc", name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
