"""The child process that keeps the sums of days: `python -m tnc.sumschild DATA KEY DATE...`.

A process of its own and of low priority: no analytic library ever lives in the one that serves.
"""

import logging
import sys
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from pathlib import Path

from tnc.core.clock import World
from tnc.core.errors import NotFoundError
from tnc.core.logging import set_up_logs
from tnc.core.process import stand_back
from tnc.core.settings import Settings
from tnc.reports.columns.columns import Columns
from tnc.store.workspace import House

log = logging.getLogger(__name__)


def main() -> None:
    stand_back()
    data, key, *dates = sys.argv[1:]
    set_up_logs("info")
    settings = Settings(data=Path(data), key=Path(key))
    with House(settings, World(), to_write=False) as house, Columns(house.rooms.columns) as columns:
        for text in dates:
            keep(house, columns, Date.fromisoformat(text))


def keep(house: House, columns: Columns, date: Date) -> None:
    try:
        with house.stories.day(date) as reader:
            columns.catch_up(house.workspace, date, reader, over=True)
            columns.roll_up(house.workspace, date, reader.search.people())
    except NotFoundError:
        log.warning("a day went before its sums were made", extra={"date": date.isoformat()})


if __name__ == "__main__":
    main()
