"""`python -m tnc.admin.demo CONFIG` fills a new data directory with the demo's 30 days."""

import asyncio
import sys
from pathlib import Path

from tnc.admin.demo.month import make_month
from tnc.core.clock import World
from tnc.core.errors import TncError
from tnc.core.settings import Settings, load
from tnc.reports.columns.columns import Columns
from tnc.reports.run import known_parameters
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace


def main(settings: Settings, world: World) -> None:
    now_ms = world.now_ms()
    asyncio.run(make_month(settings, until_ms=now_ms))
    # The columns of reports, so that the first page of the dashboard need not wait for them.
    with Workspace(settings, world, to_write=False) as workspace, Columns(workspace.paths.columns) as columns:
        known = known_parameters(workspace)
        for date in workspace.histories.dates():
            with workspace.histories.day(date) as reader:
                columns.catch_up(workspace.id, date, reader, over=date < utc_date(now_ms), known=known)


if __name__ == "__main__":
    try:
        main(load(Path(sys.argv[1])), World())
    except TncError as error:
        sys.exit(f"tnc: {error}")
