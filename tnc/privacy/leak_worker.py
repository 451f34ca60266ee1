"""The child process of the leak search: `python -m tnc.privacy.leak_worker CONFIG all|changed`.

It is a process of its own because it loads DuckDB and needs memory for what it searches for. `changed` runs every night
with low priority and a time limit; `all` runs for `tnc privacy scan`, whose user waits.
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

_NIGHTLY_SECONDS: Final = 3 * 3600.0


def main() -> None:
    config, which = sys.argv[1:]
    nightly = which == "changed"
    if nightly:
        lower_priority()
    loaded = settings.load(Path(config))
    set_up_logs(loaded.log_level)
    with Workspace(loaded, World(), to_write=False) as workspace:
        since = last_leak_report(workspace.paths.inspection) if nightly else None
        seconds = _NIGHTLY_SECONDS if nightly else None
        LeakSearch(workspace, vaults_to_search(workspace), since=since, seconds=seconds).run()


if __name__ == "__main__":
    main()
