"""Bring a day up to date in a process that is killed before its n-th rename or removal of a file, for every n.

Run as a module with one folder as argument: `begun` in it is copied to `1`, `2`, ... before each try. The parent
opens no DuckDB itself, because a connection must not be used after a fork.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.reports.invented_days import DATE, Day, any_day
from tnc.core.models import MAIN
from tnc.reports.columns.columns import Columns


def whole_day() -> Day:
    return any_day(8)


def _dies_before(step: int, folder: Path) -> bool:
    child = os.fork()
    if child == 0:
        steps = itertools.count(1)

        def hook(event: str, _: object) -> None:
            if event in ("os.rename", "os.remove") and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        columns = Columns(folder)
        sys.addaudithook(hook)
        columns.catch_up(MAIN, DATE, whole_day(), over=True)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def _main(folder: Path) -> None:
    for step in itertools.count(1):
        shutil.copytree(folder / "begun", folder / str(step))
        if not _dies_before(step, folder / str(step)):
            return


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
