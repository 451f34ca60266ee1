"""Rows of a table of a day file in portions, around damaged pages."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

from tnc.store.migrations import is_damage

_ROWS_READ: Final = 1_000
_ROWS_A_STEP: Final = 16  # where a page is damaged: a page holds 20 to 40 clicks


def read_rows(
    database: sqlite3.Connection,
    select: str,
    bound: int,
    *,
    end: Callable[[], int],
    newest_first: bool,
    damaged: Callable[[], None],
) -> Iterator[tuple[Any, ...]]:
    """Rows of `select`, whose first column is `seq`, after `bound`; with `newest_first` before it, in reverse.

    In portions, so that a slow caller holds no old state of the file. `damaged` is called for each step that meets a
    damaged page and is passed over; `end` gives a number above all rows.
    """
    sign, order = ("<", "desc") if newest_first else (">", "asc")
    sql = f"{select} where seq {sign} ? order by seq {order} limit ?"
    while True:
        try:
            rows = database.execute(sql, (bound, _ROWS_READ)).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            low, high = (0, min(bound, end())) if newest_first else (bound + 1, end())
            yield from _around_damage(
                database,
                f"{select} where seq >= ? and seq < ? order by seq {order}",
                low,
                high,
                newest_first=newest_first,
                damaged=damaged,
            )
            return
        if not rows:
            return
        yield from rows
        bound = rows[-1][0]


def _around_damage(
    database: sqlite3.Connection,
    sql: str,
    low: int,
    high: int,
    *,
    newest_first: bool,
    damaged: Callable[[], None],
) -> Iterator[tuple[Any, ...]]:
    starts = range(low, high, _ROWS_A_STEP)
    for start in reversed(starts) if newest_first else starts:
        try:
            rows = database.execute(sql, (start, min(start + _ROWS_A_STEP, high))).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            damaged()
            continue
        yield from rows
