"""The child process that searches for words in the clear: `python -m tnc.scanchild CONFIG all|changed`.

A process of its own, because it opens columns and what it looks for fills memory. What was `changed` since the last
time is looked through at night and with low priority; for `all` of it somebody waits.
"""

import sys
from pathlib import Path
from typing import Final

from tnc import settings
from tnc.house import House
from tnc.logs import set_up_logs
from tnc.niceness import stand_back
from tnc.searching import Search, vaults_to_search
from tnc.store.leaks import last_inspection
from tnc.world import World

_SECONDS: Final = 3 * 3600.0  # of a night


def main() -> None:
    config, which = sys.argv[1:]
    nightly = which == "changed"
    if nightly:
        stand_back()
    loaded = settings.load(Path(config))
    set_up_logs(loaded.log_level)
    with House(loaded, World(), to_write=False) as house:
        since = last_inspection(house.rooms.inspection) if nightly else None
        Search(house, vaults_to_search(house), since=since, seconds=_SECONDS if nightly else None).run()


if __name__ == "__main__":
    main()
