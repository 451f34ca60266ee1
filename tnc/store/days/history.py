"""Clicks with their events, read across the days beside the writer."""

import logging
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date as Date
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tnc.core.clock import id_time_ms
from tnc.core.conversions import fold
from tnc.core.errors import DamagedError, FailedError, NotFoundError
from tnc.core.models import (
    Click,
    ClickHistory,
    ClickId,
    ConversionChange,
    Event,
    FilterChange,
    LabelChange,
    LanderClick,
    Withdrawal,
    WorkspaceId,
)
from tnc.core.process import yield_gil
from tnc.store.days.schema import needs_migration
from tnc.store.days.writer import FOREIGN_IDS, LABEL, LATEST, DayReader, all_dates, day_path, utc_date
from tnc.store.keys.keyring import Keyring
from tnc.store.migrations import is_damage

log = logging.getLogger(__name__)


def relabelled(click: Click, events: Iterable[Event]) -> Click:
    """The click with its last change of label and of filter; `stopped` says whether it counts as stopped.

    The same object when there was no change.
    """
    label: LabelChange | None = None
    verdict: FilterChange | None = None
    for event in events:
        if isinstance(event, LabelChange):
            label = event
        elif isinstance(event, FilterChange):
            verdict = event
    if label is not None:
        visit = replace(
            click.visit, traffic=label.traffic, reasons=label.reasons, crawler_verified=label.crawler_verified
        )
        click = replace(click, visit=visit)
    if verdict is not None and not verdict.undone:
        click = replace(click, filter=verdict.filter, stopped=verdict.stopped, added_reasons=verdict.reasons)
    return click


def as_shared(click: Click, events: Iterable[Event]) -> Click:
    """The click as it may be sent to others: with its current label, and without consent that was withdrawn."""
    events = list(events)
    click = relabelled(click, events)
    if any(isinstance(event, Withdrawal) for event in events):
        click = replace(click, visit=replace(click.visit, consent="denied"))
    return click


_TOO_OLD_IN_A_ROW: Final = 10_000


def click_history(click: Click, events: list[Event]) -> ClickHistory:
    """A click and its events, folded."""
    landers = [event for event in events if isinstance(event, LanderClick)]
    changes = [event for event in events if isinstance(event, ConversionChange)]
    changes_of_label = tuple(event for event in events if isinstance(event, LabelChange | FilterChange))
    # In a history `stopped` says where the visitor went; reports count by the filter's later result.
    now = replace(relabelled(click, changes_of_label), stopped=click.stopped) if changes_of_label else click
    return ClickHistory(
        click=now,
        lander_clicked_at_ms=landers[0].at_ms if landers else None,
        found_by=landers[0].found_by if landers else None,
        conversions=fold(changes),
        offer=(landers[-1].offer if landers else None) or click.offer,
        network=(landers[-1].network if landers else None) or click.network,
        changes=changes_of_label,
        decided=click if changes_of_label else None,
        withdrawn_at_ms=next((event.at_ms for event in events if isinstance(event, Withdrawal)), None),
    )


LastClicks = Mapping[Date, int]
"""The number of the last click of each day."""


Stamp = tuple[tuple[int, int], ...]


def _stamp(path: Path) -> Stamp:
    """Changes whenever the database is written to."""
    return tuple(_state(file) for file in (path, path.with_name(f"{path.name}-wal")))


def _state(file: Path) -> tuple[int, int]:
    """An empty log counts as none: readers leave one behind."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return (found.st_mtime_ns, found.st_size) if found.st_size else (0, 0)


def shared_click(day: DayReader, seq: int) -> Click | None:
    """A click of a day as it may be sent to others now; None when it is erased."""
    click = day.click(seq)
    return None if click is None else as_shared(click, day.events_of(seq, kind=LABEL))


class ClickHistories:
    """The recorded clicks of one workspace. Every call opens and closes its own connections.

    A day past its retention time is withheld: it is stored until retention destroys it, which it does not while the
    clock is doubted, but only the two methods called `stored_` know it.
    """

    def __init__(
        self,
        folder: Path,
        keyring: Keyring,
        workspace: WorkspaceId,
        *,
        last_ended: Callable[[], Date] = lambda: Date.min,
    ) -> None:
        """`last_ended`: the newest day that is past its retention time."""
        self.folder = folder
        self.workspace = workspace
        self._keyring = keyring
        self._last_ended = last_ended
        self._imported: dict[Date, tuple[Stamp, bool]] = {}
        self._damaged: set[Date] = set()  # days that were logged as damaged

    def dates(self) -> list[Date]:
        """Days that have a file and are not withheld, oldest first."""
        last_ended = self._last_ended()
        return [date for date in self.stored_dates() if date > last_ended]

    def stored_dates(self) -> list[Date]:
        """The same with those that are withheld."""
        return all_dates(self.folder, self.workspace)

    def has(self, date: Date) -> bool:
        return date > self._last_ended() and day_path(self.folder, self.workspace, date).exists()

    def changed_since(self, time_ms: int) -> list[Date]:
        """Days whose file was written to since a time."""
        paths = ((date, day_path(self.folder, self.workspace, date)) for date in self.dates())
        return [date for date, path in paths if max(at_ns for at_ns, _ in _stamp(path)) >= time_ms * 1_000_000]

    @contextmanager
    def day(self, date: Date) -> Iterator[DayReader]:
        """A reader of one day. Raises NotFoundError when there is no such day, or it is withheld."""
        if not self.has(date):
            raise NotFoundError(f"there are no clicks of {date}.")
        with self.stored_day(date) as reader:
            yield reader

    @contextmanager
    def stored_day(self, date: Date) -> Iterator[DayReader]:
        """The same, also when it is withheld: for its totals, which outlive it."""
        path = day_path(self.folder, self.workspace, date)
        if not path.exists():
            raise NotFoundError(f"there are no clicks of {date}.")
        try:
            with DayReader(path, self._keyring.open_day(self.workspace, date)) as reader:
                yield reader
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise DamagedError(
                    f"the day file {path} is damaged ({error}). Restart tnc: it puts the file aside and goes on."
                ) from error
            raise

    @contextmanager
    def _passing_over_damage(self, date: Date) -> Iterator[None]:
        """A damaged day ends nothing but its own search; it is logged once."""
        try:
            yield
        except NotFoundError:
            return  # its file was just deleted, or is just being made and empty
        except FailedError as error:
            if date not in self._damaged:
                self._damaged.add(date)
                log.error("a day is damaged and passed over", extra={"reason": str(error)})  # noqa: TRY400

    def is_finished(self, date: Date) -> bool:
        with self.day(date) as reader:
            return reader.is_finished()

    def needs_migration(self, date: Date) -> bool:
        return needs_migration(day_path(self.folder, self.workspace, date))

    def newest_clicks(self, *, since_ms: int) -> Iterator[Click]:
        """Clicks since a time, without their events, newest first.

        A file holds clicks in the order of their arrival, except the few that an erasure replaced: behind 10,000 that
        are too old there are no newer ones. Imported clicks can be in any order.
        """
        for date in reversed(self.dates()):
            if date < utc_date(since_ms):
                return
            with self._passing_over_damage(date), self.day(date) as reader:
                most = math.inf if reader.number(FOREIGN_IDS) else _TOO_OLD_IN_A_ROW
                too_old = 0
                for _, click in yield_gil(reader.newest_clicks()):
                    if click.clicked_at_ms >= since_ms:
                        too_old = 0
                        yield click
                    elif (too_old := too_old + (not click.erased)) > most:
                        break

    def date_of(self, click_id: ClickId) -> Date | None:
        """The day of a click. Our own ids contain it; others are looked up in the days that have imported clicks."""
        time_ms = id_time_ms(click_id)
        own = None if time_ms is None else utc_date(time_ms)
        dates = self.dates()
        if own in dates and self._holds(own, click_id):
            return own
        return next(
            (date for date in reversed(dates) if self._has_imported(date) and self._holds(date, click_id)), None
        )

    def _has_imported(self, date: Date) -> bool:
        """Whether the day has imported clicks. Kept until the file changes, so that invented ids do not make us open
        every day for each of them.
        """
        stamp = _stamp(day_path(self.folder, self.workspace, date))
        known = self._imported.get(date)
        if known is None or known[0] != stamp:
            try:
                with self.day(date) as reader:
                    known = self._imported[date] = (stamp, bool(reader.number(FOREIGN_IDS)))
            except (NotFoundError, DamagedError):
                return False
        return known[1]

    def _holds(self, date: Date, click_id: ClickId) -> bool:
        try:
            with self.day(date) as reader:
                return reader.find(click_id) is not None
        except (NotFoundError, DamagedError):
            return False

    def get(self, click_id: ClickId) -> ClickHistory:
        """A click with its events. Raises NotFoundError."""
        date = self.date_of(click_id)
        if date is not None:
            with self.day(date) as reader:
                found = reader.find(click_id)
                if found is not None:
                    seq, click = found
                    return click_history(click, reader.events_of(seq))
        raise NotFoundError(
            "there is no such click: it was never recorded here, is older than the retention, or was erased."
        )

    def newest(self, *, before_ms: int | None = None, last_clicks: LastClicks | None = None) -> Iterator[ClickHistory]:
        """All clicks, newest first, without remainders of erased ones; with `last_clicks` only up to those."""
        for date in reversed(self.dates()):
            if before_ms is not None and date > utc_date(before_ms):
                continue
            with self._passing_over_damage(date), self.day(date) as reader:
                for seq, click in reader.newest_clicks(None if last_clicks is None else last_clicks.get(date, -1) + 1):
                    if not click.erased and (before_ms is None or click.clicked_at_ms < before_ms):
                        yield click_history(click, reader.events_of(seq))

    def last_clicks(self, *, days: int = 0) -> LastClicks:
        """The number of the last click of each day so far; with `days`, of that many newest days."""
        last_clicks: dict[Date, int] = {}
        for date in self.dates()[-days:]:
            try:
                with self.day(date) as reader:
                    last_clicks[date] = reader.latest()[0]
            except (NotFoundError, DamagedError):
                continue
        return last_clicks

    def between(self, last_clicks: LastClicks, later: LastClicks) -> Iterator[ClickHistory]:
        """Clicks that were recorded between two states, oldest first, whatever their own time is."""
        for date, last in later.items():
            if last == last_clicks.get(date, -1):
                continue
            with self._passing_over_damage(date), self.day(date) as reader:
                for seq, click in reader.clicks(last_clicks.get(date, -1)):
                    if seq > last:
                        break
                    if not click.erased:
                        yield click_history(click, reader.events_of(seq))

    def latest_of_visitors(self, visitors: tuple[str, ...], *, since_ms: int, now_ms: int) -> Click | None:
        """The newest click of any of these pseudonyms since a time."""
        found: list[Click] = []
        for date in sorted({utc_date(now_ms), utc_date(since_ms)}, reverse=True):
            try:
                with self.day(date) as reader:
                    for visitor in visitors:
                        latest = reader.latest_of_visitor(visitor, since_ms=since_ms)
                        if latest is not None:
                            found.append(latest[1])
            except (NotFoundError, DamagedError):
                continue
        return max(found, key=lambda click: click.clicked_at_ms, default=None)

    def last_events(self) -> dict[Date, int]:
        """The number of the last event of each day; -1 where there is none."""
        found = {}
        for date in self.dates():
            # A file that is being created has none.
            with suppress(NotFoundError, DamagedError), self.day(date) as reader:
                found[date] = reader.latest()[1]
        return found

    def converted_since(self, since_ms: int, *, up_to: Mapping[Date, int] | None = None) -> Iterator[ClickHistory]:
        """Clicks with a conversion change at or after a time, each once, without test clicks.

        `up_to`: only of the days that it names, and only events up to those numbers.
        """
        for date in self.dates() if up_to is None else up_to:
            last = LATEST if up_to is None else up_to[date]
            with self._passing_over_damage(date), self.day(date) as reader:
                for seq in sorted({click_seq for click_seq, _ in reader.conversions_since(since_ms)}):
                    found = reader.click(seq)
                    if found is not None and not found.test:
                        yield click_history(found, reader.events_of(seq, up_to=last))
