"""Whether the clock can be believed: it is compared with the data directory and with the monotonic clock.

Retention destroys by the clock, and what it destroys is gone for good. So a clock that is more than `TOLERANCE_MS`
ahead of, or behind, everything that the data directory knows is doubted, and nothing is destroyed meanwhile. A server
that was off for longer than that is doubted too: it looks like a clock that is wrong. The doubt ends when

- the clock comes back,
- the owner confirms it (`tnc retention run --yes`), or
- the server has run for `STEADY_MS` during which wall clock and monotonic clock agreed, restarts not counted.

The file `clock.json` holds what is known, and is written about once a minute. Without it, as in a data directory of an
earlier version, the newest click or postback counts. With it they do not: they may bear the wrong time of a clock that
was set just before a restart.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, World
from tnc.core.errors import TncError
from tnc.store.days.history import ClickHistories
from tnc.store.terms import start_ms

log = logging.getLogger(__name__)

TOLERANCE_MS: Final = 26 * HOUR_MS
"""More than a day and a change of daylight saving time, also when the machine's clock was set to local time."""

STEADY_MS: Final = 24 * HOUR_MS

_AGREE_MS: Final = MINUTE_MS
"""Wall and monotonic clock agree when they moved alike between two looks, but for this: NTP steps by seconds."""

_FORGIVEN: Final = 6
"""A difference below the tolerance is forgotten at 6 ms for each ms of running: a machine that sleeps 20 hours a day
is believed every day, a clock that runs at eight times its speed is not.
"""


class ClockRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`clock.json`. Times are UTC milliseconds.

    `believed_at_ms`: the time as far as it is believed. While the clock is doubted, the monotonic clock moves it on.
    `wall_at_ms`: what the clock showed at the last look.
    `agreed_ms`: for how long the server ran with both clocks in agreement since retention was last held.
    `overdue`: retention waits because too much at once is due.
    """

    believed_at_ms: int
    wall_at_ms: int
    agreed_ms: int = 0
    overdue: bool = False

    @property
    def is_steady(self) -> bool:
        return self.agreed_ms >= STEADY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """The clock shows `now_ms`, the data directory knows of `believed_ms`.

    After `left_ms` of running without a jump it is believed.
    """

    now_ms: int
    believed_ms: int
    left_ms: int

    def __str__(self) -> str:
        apart_ms = abs(self.now_ms - self.believed_ms)
        days = f"{apart_ms // DAY_MS} days" if apart_ms >= 2 * DAY_MS else f"{apart_ms // HOUR_MS} hours"
        side = "ahead of" if self.now_ms > self.believed_ms else "behind"
        return (
            f"The clock is doubted: it shows {_minute(self.now_ms)}, which is {days} {side} the last time that this "
            f"data directory knows of, {_minute(self.believed_ms)}. Nothing is deleted at the end of its retention "
            "time meanwhile; what would be past it is not shown."
        )

    @property
    def fix(self) -> str:
        return (
            "If the clock is wrong, set it right (chronyc makestep, or timedatectl). If it is right, type: tnc "
            f"retention run --yes. Otherwise it is believed after {-(-self.left_ms // HOUR_MS)} more hours of running "
            "in which it does not jump."
        )


class ClockCheck:
    """Safe for several threads. A process that may write looks with `beat`; others read what it wrote.

    Questions take no lock: the event loop asks, and a look may wait for the disk.
    """

    def __init__(self, path: Path, world: World, newest_record_ms: Callable[[], int | None]) -> None:
        self._path = path
        self._world = world
        self._newest_record_ms = newest_record_ms
        self._looking = threading.Lock()
        self._last: tuple[ClockRecord, int] | None = None  # of a process that writes: with the monotonic time of it

    # -- what is known

    def doubt(self) -> Doubt | None:
        """Why the clock cannot be believed right now; None when it can."""
        now_ms = self._world.now_ms()
        record, passed_ms = self._known(now_ms)
        believed_ms = record.believed_at_ms + passed_ms
        if abs(now_ms - believed_ms) <= TOLERANCE_MS:
            return None
        return Doubt(now_ms=now_ms, believed_ms=believed_ms, left_ms=max(0, STEADY_MS - record.agreed_ms))

    def is_overdue(self) -> bool:
        """Whether retention waits because too much at once is due."""
        return self._known(self._world.now_ms())[0].overdue

    def cautious_ms(self) -> int:
        """Now, or the believed time while the clock is doubted to be ahead: for what must not end too early."""
        doubt = self.doubt()
        return self._world.now_ms() if doubt is None else min(doubt.now_ms, doubt.believed_ms)

    def _known(self, now_ms: int) -> tuple[ClockRecord, int]:
        """The record, and how much time has passed since by the monotonic clock."""
        last = self._last
        if last is None:
            return self._load(now_ms), 0
        record, looked_ms = last
        return record, max(0, self._world.steady_ms() - looked_ms)

    def _load(self, now_ms: int) -> ClockRecord:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ClockRecord)
        except (OSError, msgspec.MsgspecError):
            newest_ms = self._newest_record_ms()
            known_ms = now_ms if newest_ms is None else newest_ms
            return ClockRecord(believed_at_ms=known_ms, wall_at_ms=known_ms)

    # -- looking

    def beat(self) -> None:
        """Look at both clocks and write down what is known: at the start and about every minute."""
        with self._looking:
            first, now_ms, steady_ms = self._last is None, self._world.now_ms(), self._world.steady_ms()
            record, passed_ms = self._known(now_ms)
            believed_ms = record.believed_at_ms + passed_ms
            step_ms = now_ms - record.wall_at_ms - passed_ms
            agreed_ms = record.agreed_ms
            if abs(step_ms) > TOLERANCE_MS:
                agreed_ms = 0
            elif not first and abs(step_ms) <= _AGREE_MS:
                agreed_ms += passed_ms
            ahead_ms = now_ms - believed_ms
            if abs(ahead_ms) <= TOLERANCE_MS:
                most_ms = TOLERANCE_MS if first else passed_ms * _FORGIVEN
                believed_ms += max(-most_ms, min(most_ms, ahead_ms))
            elif agreed_ms >= STEADY_MS:
                log.warning("the clock is believed again after a day of steady running")
                believed_ms = now_ms
            record = replace(record, believed_at_ms=believed_ms, wall_at_ms=now_ms, agreed_ms=agreed_ms)
            self._take(record, steady_ms)

    def confirm(self) -> None:
        """The owner says that the clock is right, and that what is due may be destroyed."""
        with self._looking:
            now_ms, steady_ms = self._world.now_ms(), self._world.steady_ms()
            self._take(ClockRecord(believed_at_ms=now_ms, wall_at_ms=now_ms), steady_ms)

    def permits_large_run(self) -> bool:
        """Whether retention may destroy more at once than usual: `STEADY_MS` of running after it was first due."""
        with self._looking:
            record, _ = self._known(self._world.now_ms())
            if not record.is_steady and not record.overdue:
                self._change(replace(record, overdue=True, agreed_ms=0))
            return record.is_steady

    def note_retention(self) -> None:
        """Retention has run: nothing is held any more."""
        with self._looking:
            record, _ = self._known(self._world.now_ms())
            if record.overdue or record.agreed_ms:
                self._change(replace(record, overdue=False, agreed_ms=0))

    def _change(self, record: ClockRecord) -> None:
        """Without a look: the monotonic time of the last one stays."""
        self._take(record, self._world.steady_ms() if self._last is None else self._last[1])

    def _take(self, record: ClockRecord, steady_ms: int) -> None:
        self._last = record, steady_ms
        try:
            self._save(record)
        except OSError as error:
            log.warning("the clock record could not be written", extra={"reason": type(error).__name__})

    def _save(self, record: ClockRecord) -> None:
        """Written in full or not at all."""
        new = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def newest_record_ms(histories: ClickHistories) -> int | None:
    """The time of the newest click or postback; None when there is none. A damaged day counts by its first moment."""
    for date in reversed(histories.stored_dates()):
        try:
            with histories.stored_day(date) as reader:
                times = [click.clicked_at_ms for _, click in islice(reader.newest_clicks(), 1)]
                times += [row.at_ms for row in reader.inbox.newest(limit=1)]
        except (TncError, sqlite3.Error, OSError):
            times = [0]
        if times:
            return max(start_ms(date), *times)
    return None


def _minute(time_ms: int) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return f"{time_ms} ms"
