"""The child process that keeps the sums of days: `python -m tnc.sumschild DATA KEY DATE...`.

A process of its own and of low priority: no analytic library ever lives in the one that serves.
"""

import logging
import sys
from datetime import date as Date
from pathlib import Path

from tnc.core.clock import World
from tnc.core.errors import NotFoundError
from tnc.core.logging import set_up_logs
from tnc.core.process import lower_priority
from tnc.core.settings import Settings
from tnc.reports.columns.columns import Columns
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)


def main() -> None:
    lower_priority()
    data, key, *dates = sys.argv[1:]
    set_up_logs("info")
    settings = Settings(data=Path(data), key=Path(key))
    with Workspace(settings, World(), to_write=False) as workspace, Columns(workspace.paths.columns) as columns:
        for text in dates:
            keep(workspace, columns, Date.fromisoformat(text))


def keep(workspace: Workspace, columns: Columns, date: Date) -> None:
    try:
        with workspace.histories.day(date) as reader:
            columns.catch_up(workspace.id, date, reader, over=True)
            columns.roll_up(workspace.id, date, reader.search.people())
    except NotFoundError:
        log.warning("a day went before its sums were made", extra={"date": date.isoformat()})


if __name__ == "__main__":
    main()
