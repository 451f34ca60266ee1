"""Low priority for processes and threads that work beside clicks."""

import os
from contextlib import suppress
from typing import Final

_LOWEST: Final = 19


def stand_back(by: int = _LOWEST) -> None:
    """Let everybody else go first: the thread that asks, on Linux, and what it starts. Where a hardened service may not
    even do that, go on all the same.
    """
    with suppress(OSError):
        os.nice(by)
