"""Work beside clicks has a lower priority, in other processes and in threads."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tnc.core.process import BACKGROUND_NICENESS, background_pool
from tnc.privacy.byte_scan import Scanner

LOWEST = 19  # of priorities; the tests may run under `nice` themselves

WORK = """
import os
from tnc.core.process import lower_priority
lower_priority()
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""


def test_lower_priority_sets_the_lowest_nice_value_and_the_idle_class() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["19", str(os.SCHED_IDLE)]


@pytest.mark.usefixtures("real_priority")
def test_background_threads_have_a_lower_priority_than_the_server() -> None:
    of_server = os.getpriority(os.PRIO_PROCESS, 0)

    with background_pool() as thread:
        of_thread = thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result()

    assert (of_thread, os.getpriority(os.PRIO_PROCESS, 0)) == (min(of_server + BACKGROUND_NICENESS, LOWEST), of_server)


@pytest.mark.usefixtures("real_priority")
def test_the_byte_scan_runs_in_the_background_and_raises_errors(tmp_path: Path) -> None:
    seen: list[int] = []

    def paths() -> Iterator[Path]:
        seen.append(os.getpriority(os.PRIO_PROCESS, 0))
        yield tmp_path  # a folder: no file that could be read

    with pytest.raises(IsADirectoryError):
        Scanner([b"needle"]).scan(paths())

    assert seen == [min(os.getpriority(os.PRIO_PROCESS, 0) + BACKGROUND_NICENESS, LOWEST)]
