"""What lies below the files: does overwriting a key there overwrite it, and can memory reach the disk?

Measured with images of each file system and the A/B slots of the keyring: on ext4 (ordered) and xfs no former
key was found again; the others keep copies.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Final

_KEEPING: Final = {
    "btrfs": "btrfs writes changed blocks elsewhere and keeps the old ones for a while",
    "zfs": "zfs writes changed blocks elsewhere and keeps the old ones for a while",
    "bcachefs": "bcachefs writes changed blocks elsewhere and keeps the old ones for a while",
    "overlay": "an overlay may hold an older copy of the file in a lower layer",
}


def mount_of(mounts: str, path: PurePosixPath) -> tuple[str, str]:
    """File system and options of the mount that a path lies in, by the lines of /proc/mounts."""
    found = ("", "", "")
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        place = PurePosixPath(point.replace("\\040", " "))
        if (place == path or place in path.parents) and len(point) >= len(found[0]):
            found = (point, kind, options)
    return found[1], found[2]


def keeps_what_is_overwritten(mounts: str, path: PurePosixPath) -> str | None:
    """Why an overwritten key may be found again below the file system; None when it is not."""
    kind, options = mount_of(mounts, path)
    if kind == "ext4" and "data=journal" in options.split(","):
        return "ext4 with data=journal copies everything into its journal first"
    return _KEEPING.get(kind)


def has_swap(swaps: str) -> bool:
    """Whether memory may be written to a disk, by the lines of /proc/swaps."""
    return len(swaps.strip().splitlines()) > 1


BLOCK_DEVICES: Final = Path("/sys/dev/block")


def is_encrypted(path: Path, *, devices: Path = BLOCK_DEVICES) -> bool:
    """Whether the disk below is one of dm-crypt, by itself or below volumes that are made of it (LVM, RAID)."""
    number = path.stat().st_dev
    return _is_encrypted_device(devices / f"{os.major(number)}:{os.minor(number)}")


def _is_encrypted_device(device: Path) -> bool:
    """One that is made of several is when all of them are."""
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
    """A file of /proc, empty where there is none."""
    try:
        return Path("/proc", name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
