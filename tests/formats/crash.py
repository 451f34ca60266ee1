"""A migration that is killed after its first, second, ... step: `python -m tests.formats.crash STORE FILE FOLDER`.

Makes a folder `FOLDER/N` with what is left of FILE and its log after each step.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from tests.formats.further import FURTHER_CONTROL, FURTHER_DAY
from tnc.store.migrations import replacing

ENDED = 77  # exit code of a migration that had fewer steps


def steps(store: str, file: Path) -> Iterator[str]:
    if store == "control":
        return replacing(file, FURTHER_CONTROL)
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    return FURTHER_DAY.migrating(database)


def die_after(store: str, file: Path, step: int) -> None:
    done = len(list(islice(steps(store, file), step)))
    os._exit(0 if done == step else ENDED)


def main(store: str, file: Path, folder: Path) -> None:
    for step in count(1):
        place = folder / str(step)
        place.mkdir()
        for each in file.parent.glob(f"{file.name}*"):
            shutil.copy(each, place)
        child = os.fork()
        if not child:
            die_after(store, place / file.name, step)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ENDED:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
