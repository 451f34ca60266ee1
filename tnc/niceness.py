"""Low priority for processes and threads that work beside clicks."""

import os
from contextlib import suppress
from typing import Final

_LOWEST: Final = 19


def stand_back(by: int = _LOWEST) -> None:
    """Let everybody else go first: the thread that asks, on Linux, and what it starts. Where a hardened service may not
    even do that, go on all the same.

    Even the nicest may keep the core to the end of its slice when somebody wakes who wants it; one of the idle class
    leaves at once.
    """
    with suppress(OSError):
        os.nice(by)
    if by >= _LOWEST:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
