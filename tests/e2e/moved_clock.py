"""`tnc` on a machine whose clock is wrong: the first word is by how many hours."""

import sys
import time

HOURS = float(sys.argv.pop(1))
_right = time.time_ns
time.time_ns = lambda: _right() + int(HOURS * 3_600_000_000_000)

from tnc.cli.main import main  # noqa: E402 - with the clock as it is

main()
