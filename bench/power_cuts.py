"""Counts lost clicks after simulated power cuts under load: everything that was not synced is gone.

    python bench/power_cuts.py [--cuts 20]      (as root)

The data directory is on an ext4 file system of its own, in a file. Under load the file system is shut down with
EXT4_IOC_SHUTDOWN and NOLOGFLUSH: from then on nothing is written to it, and what was only in the page cache is lost. This
does not test disks that report a flush that they did not do. When it is mounted again, the journal is replayed, and e2fsck
must find no errors.
"""

import argparse
import fcntl
import os
import random
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from kills import Life, recorded
from servers import machine, prepared_server

from tnc.admin.bench.server_process import ServerProcess

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


def cut(mounted: Path) -> None:
    descriptor = os.open(mounted, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cuts", type=int, default=20)
    given = options.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("only root may mount: run it as root.")
    chance = random.Random(20)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        image, mounted = Path(folder) / "image", Path(folder) / "disk"
        mounted.mkdir()
        with image.open("wb") as file:
            file.truncate(512 << 20)
        run("mkfs.ext4", "-q", "-F", image)
        run("mount", "-o", "loop", image, mounted)
        try:
            lost = cuts(given.cuts, chance, image, mounted, Path(folder))
        finally:
            subprocess.run(["umount", mounted], check=False, capture_output=True)
    raise SystemExit(1 if lost else 0)


def cuts(number: int, chance: random.Random, image: Path, mounted: Path, outside: Path) -> int:
    answered: list[str] = []
    with prepared_server(mounted, before=(), options=("--key", str(outside / "key")), log=outside / "log") as made:
        for each in range(number):
            made.serve()
            life = Life(made, each)
            life.thread.join(chance.uniform(0.3, 1.2))
            before = time.perf_counter()
            cut(mounted)
            made.kill()
            answered += life.end(before)  # later ones may have been sent on by a server that saw its disk fail
            run("umount", mounted)
            run("e2fsck", "-p", image)  # replays the journal; ends with 0 or it raises
            run("e2fsck", "-f", "-n", image)
            run("mount", "-o", "loop", image, mounted)
            lost = lost_of(made, answered)
            print(f"cut {each + 1}: {len(answered)} answered so far, {lost} lost", flush=True)
        made.serve()
        made.stop()
        stored = recorded(made)
        lost = len(set(answered) - set(stored))
        print(
            f"{number} cuts, {len(answered)} answered, {len(stored)} stored, {lost} lost, {len(stored) - len(set(stored))} doubled"
        )
    return lost


def lost_of(made: ServerProcess, answered: list[str]) -> int:
    return len(set(answered) - set(recorded(made)))


if __name__ == "__main__":
    main()
