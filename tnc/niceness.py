"""Low priority for processes that work beside clicks."""

import os
from contextlib import suppress
from typing import Final

_LOWEST: Final = 19


def stand_back() -> None:
    """Let everybody else go first; where a hardened service may not even do that, go on all the same.

    Even the nicest process may keep the core to the end of its slice when somebody wakes who wants it; one of the
    idle class leaves at once.
    """
    with suppress(OSError):
        os.nice(_LOWEST)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
