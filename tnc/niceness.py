"""Low priority for processes and threads that work beside clicks."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

BEHIND: Final = 10
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


def background(threads: int = 1, *, name: str = "background") -> ThreadPoolExecutor:
    """For long work within a server: each thread gets a tenth of what one gets that does not stand back.

    Not the idle class: on a machine that clicks keep busy it is done, too.
    """
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=stand_back, initargs=(BEHIND,))
