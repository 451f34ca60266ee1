"""The child process that archives days: `python -m tnc.reports.rollup_worker DATA KEY DATE...`.

It is a process of its own, with low priority, so that DuckDB is never loaded into the process that serves clicks.
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
from tnc.reports.run import known_parameters
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)


def main() -> None:
    lower_priority()
    data, key, *dates = sys.argv[1:]
    set_up_logs("info")
    settings = Settings(data=Path(data), key=Path(key))
    with Workspace(settings, World(), to_write=False) as workspace, Columns(workspace.paths.columns) as columns:
        for text in dates:
            archive(workspace, columns, Date.fromisoformat(text))


def archive(workspace: Workspace, columns: Columns, date: Date) -> None:
    try:
        with workspace.histories.stored_day(date) as reader:
            columns.catch_up(workspace.id, date, reader, over=True, known=known_parameters(workspace))
            columns.roll_up(workspace.id, date, reader.search.visitor_numbers())
    except NotFoundError:
        log.warning("a day was deleted before it was archived", extra={"date": date.isoformat()})


if __name__ == "__main__":
    main()
