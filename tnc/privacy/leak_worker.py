"""The child process that searches for words in the clear: `python -m tnc.scanchild CONFIG all|changed`.

A process of its own, because it opens columns and what it looks for fills memory. What was `changed` since the last
time is looked through at night and with low priority; for `all` of it somebody waits.
"""

import sys
from pathlib import Path
from typing import Final

from tnc.core import settings
from tnc.core.clock import World
from tnc.core.logging import set_up_logs
from tnc.core.process import lower_priority
from tnc.privacy.leak_report import last_leak_report
from tnc.privacy.leak_search import LeakSearch, vaults_to_search
from tnc.store.workspace import Workspace

_SECONDS: Final = 3 * 3600.0  # of a night


def main() -> None:
    config, which = sys.argv[1:]
    nightly = which == "changed"
    if nightly:
        lower_priority()
    loaded = settings.load(Path(config))
    set_up_logs(loaded.log_level)
    with Workspace(loaded, World(), to_write=False) as workspace:
        since = last_leak_report(workspace.paths.inspection) if nightly else None
        LeakSearch(workspace, vaults_to_search(workspace), since=since, seconds=_SECONDS if nightly else None).run()


if __name__ == "__main__":
    main()
