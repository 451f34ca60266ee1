"""Erase the canary of a workspace in a process that is killed before its n-th write to the disk, for many n.

Run as a module with one folder as argument: `begun` in it is copied to `0`, `2`, ... before each try.
"""

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from tests.privacy.small_workspace import CANARY_VISITOR, small_workspace

WRITES = ("fsync", "pwrite", "unlink", "link", "replace")


def _dies_before(step: int, folder: Path) -> bool:
    child = os.fork()
    if child == 0:
        steps = count()

        def dying(write: Any) -> Any:
            def call(*given: Any, **named: Any) -> Any:
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return write(*given, **named)

            return call

        with small_workspace(folder) as made:
            eraser = made.eraser()
            subject = eraser.subject(visitor=CANARY_VISITOR)
            for name in WRITES:
                setattr(os, name, dying(getattr(os, name)))
            eraser.erase(subject)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def main(folder: Path) -> None:
    for step in count(0, 2):
        shutil.copytree(folder / "begun", folder / str(step))
        if not _dies_before(step, folder / str(step)):
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
