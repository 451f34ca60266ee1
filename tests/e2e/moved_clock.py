"""`tnc` on a machine whose clock is wrong by the number of hours in the first argument."""

import sys
import time

HOURS = float(sys.argv.pop(1))
_right = time.time_ns
time.time_ns = lambda: _right() + int(HOURS * 3_600_000_000_000)

from tnc.cli.main import main  # noqa: E402 - after the clock is changed

main()
