"""What works beside clicks, from outside."""

import os
import subprocess
import sys

WORK = """
import os
from tnc.niceness import stand_back
stand_back()
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""


def test_who_stands_back_is_the_last_to_get_a_core() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["19", str(os.SCHED_IDLE)]
