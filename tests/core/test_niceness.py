"""What works beside clicks, from outside and within."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tnc.core.process import BEHIND, background
from tnc.privacy.byte_scan import Scanner

LOWEST = 19  # of priorities; the tests may run under `nice` themselves

WORK = """
import os
from tnc.core.process import lower_priority
lower_priority()
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""


def test_who_stands_back_is_the_last_to_get_a_core() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["19", str(os.SCHED_IDLE)]


@pytest.mark.usefixtures("real_priority")
def test_long_work_within_a_server_stands_behind_and_nothing_else_does() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    with background() as thread:
        theirs = thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result()

    assert (theirs, os.getpriority(os.PRIO_PROCESS, 0)) == (min(ours + BEHIND, LOWEST), ours)


@pytest.mark.usefixtures("real_priority")
def test_the_scan_of_an_erasure_stands_behind_and_tells_what_went_wrong(tmp_path: Path) -> None:
    seen: list[int] = []

    def paths() -> Iterator[Path]:
        seen.append(os.getpriority(os.PRIO_PROCESS, 0))
        yield tmp_path  # a folder: no file that could be read

    with pytest.raises(IsADirectoryError):
        Scanner([b"needle"]).look(paths())

    assert seen == [min(os.getpriority(os.PRIO_PROCESS, 0) + BEHIND, LOWEST)]
