"""Low priority for processes that work beside clicks."""

import os
from contextlib import suppress
from typing import Final

_LOWEST: Final = 19


def stand_back() -> None:
    """Let everybody else go first; where a hardened service may not even do that, go on all the same."""
    with suppress(OSError):
        os.nice(_LOWEST)
