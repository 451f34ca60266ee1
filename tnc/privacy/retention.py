"""Retention: removes days whose clicks are old enough, and everything else whose term has ended.

A day is removed when its first moment is as old as the retention of clicks, so no click is ever older. Its key is
destroyed first, which makes every copy unreadable; its files follow.

Without the owner's word nothing is destroyed while the clock is doubted (`tnc.store.clock_check`), or when more than
`LARGE_SHARE` of the days and more than `SMALL_DAYS` are due at once: that is held for a day of running. What is past
its retention time is withheld meanwhile (`ClickHistories`).
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date as Date
from pathlib import Path
from typing import Any, Final

from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.errors import RefusedError, TncError
from tnc.core.fields import rfc3339
from tnc.core.settings import Settings
from tnc.reports.client import roll_up_days
from tnc.reports.columns.archive import ArchivedDay, archived_dates, remove_archived
from tnc.reports.columns.day_folder import column_dates, remove_day_folder
from tnc.store.clock_check import STEADY_MS
from tnc.store.days.files import count_clicks, remove_in_steps
from tnc.store.days.transactions import Writer
from tnc.store.days.writer import day_path
from tnc.store.migrations import previous_files, remove_previous
from tnc.store.terms import TERMS, TermChange, days_of, is_over, read_terms, start_ms, with_days
from tnc.store.workspace import Workspace
from tnc.tracking.listener import NO_LISTENER, Listener

log = logging.getLogger(__name__)

_CHANGES_SHOWN: Final = 50

LARGE_SHARE: Final = 0.2
SMALL_DAYS: Final = 3


class Retention:
    def __init__(
        self,
        workspace: Workspace,
        writer: Writer,
        listener: Listener = NO_LISTENER,
        *,
        roll_up_days: Callable[[Settings, Sequence[Date]], None] = roll_up_days,
    ) -> None:
        """`roll_up_days` computes and stores the totals of days before their clicks are removed."""
        self._workspace = workspace
        self._writer = writer
        self._listener = listener
        self._roll_up_days = roll_up_days
        self._running = threading.Lock()
        self._was_held = False

    # -- the terms

    def show(self) -> dict[str, Any]:
        """Every term with its days, and when the oldest day is removed."""
        workspace = self._workspace
        dates = workspace.histories.dates()
        removed_at_ms = start_ms(dates[0]) + days_of("clicks", workspace.settings) * DAY_MS if dates else None
        return {
            "workspace": workspace.id,
            "terms": [
                {
                    "name": name,
                    "text": term.text,
                    "days": days_of(name, workspace.settings),
                    "can_be_set": term.setting is not None and name != "tombstones",
                }
                for name, term in TERMS.items()
            ],
            "oldest": dates[0].isoformat() if dates else None,
            "goes_at": None if removed_at_ms is None else rfc3339(removed_at_ms),
            "changes": [_change_json(each) for each in workspace.terms.changes(_CHANGES_SHOWN).wait()],
        }

    # -- changes of terms

    def set(self, terms: Mapping[str, Any], *, dry_run: bool = False, by: str = "command line") -> dict[str, Any]:
        """Change terms, and remove at once what has reached a shorter one; a longer one brings nothing back.

        The change is logged with what it removed; `by` is the e-mail address of a dashboard user, or the command line.
        While the clock is doubted the terms are changed and nothing is destroyed; `held` says why.
        """
        wanted = read_terms(terms)
        workspace = self._workspace
        before = {name: getattr(workspace.settings, name) for name in wanted}
        settings, now_ms = with_days(workspace.settings, wanted), workspace.world.now_ms()
        held = self._doubted()
        result = self._run(settings, now_ms, dry_run=True) if held is None else _nothing(now_ms, held, dry_run=dry_run)
        if not dry_run:
            removed = result["days"]
            changes = [
                TermChange(
                    at_ms=now_ms,
                    made_by=by,
                    setting=name,
                    days_before=before[name],
                    days_after=days,
                    gone_days=len(removed),
                    gone_clicks=sum(each["clicks"] for each in removed),
                )
                for name, days in wanted.items()
                if days != before[name]
            ]
            workspace.terms.put(wanted, changes).wait()
            workspace.apply_terms()
            if held is None:
                result = self._run(settings, now_ms, dry_run=False)
        return {"set": wanted, "before": before, **result}

    # -- removal

    def run(self, *, as_of_ms: int | None = None, dry_run: bool = False, yes: bool = False) -> dict[str, Any]:
        """Remove what has reached its term; with `dry_run` only report it.

        `yes` and `as_of_ms` are the owner's word. Without it raises RefusedError when it is held.
        """
        workspace = self._workspace
        if as_of_ms is not None:
            return self._run(workspace.settings, as_of_ms, dry_run=dry_run)
        if yes and not dry_run:
            workspace.clock.confirm()
        held = None if yes else self._held(dry_run=dry_run)
        if held is not None and not dry_run:
            raise RefusedError(f"nothing was deleted. {held}")
        result = self._run(workspace.settings, workspace.world.now_ms(), dry_run=dry_run)
        if not dry_run:
            workspace.clock.note_retention()
        return {**result, "held": held}

    def remove_expired(self) -> None:
        """As a job, and at the start: now, unless it is held."""
        try:
            self.run()
            self._was_held = False
        except RefusedError as error:
            if not self._was_held:
                log.warning("retention is held", extra={"reason": str(error)})
            self._was_held = True

    def _doubted(self) -> str | None:
        doubt = self._workspace.clock.doubt()
        return None if doubt is None else f"{doubt} {doubt.fix}"

    def _held(self, *, dry_run: bool) -> str | None:
        """Why nothing may be destroyed without the owner's word. A dry run writes nothing down."""
        workspace = self._workspace
        if not dry_run:
            workspace.clock.beat()
        doubted = self._doubted()
        if doubted is not None:
            return doubted
        now_ms = workspace.world.now_ms()
        known, sums = self._known_days(), archived_dates(self._columns)
        due = [date for date in known if is_over(date, "clicks", workspace.settings, now_ms)]
        due_sums = [date for date in sums if is_over(date, "rollups", workspace.settings, now_ms)]
        large = next((each for each in ((due, known), (due_sums, sums)) if _is_large(*map(len, each))), None)
        if large is None or (not dry_run and workspace.clock.permits_large_run()):
            return None
        return overdue_text(len(large[0]), len(large[1]))

    def _run(self, settings: Settings, at_ms: int, *, dry_run: bool) -> dict[str, Any]:
        receipts_ms = at_ms - days_of("receipts", settings) * DAY_MS
        closed_ms = [at_ms - days_of(term, settings) * DAY_MS for term in ("requests", "support")]
        with self._running:
            days = [date for date in self._known_days() if is_over(date, "clicks", settings, at_ms)]
            sums = [date for date in archived_dates(self._columns) if is_over(date, "rollups", settings, at_ms)]
            expired = self._workspace.erasures.expired(now_ms=at_ms, receipts_before_ms=receipts_ms).wait()
            expired |= {"requests": self._workspace.register.count_closed_before(*closed_ms).wait()}
            result = {
                "as_of": rfc3339(at_ms),
                "dry_run": dry_run,
                "held": None,
                "days": [{"date": date.isoformat(), "clicks": self._count(date)} for date in days],
                "rollups": [date.isoformat() for date in sums],
                "expired": expired | {"sessions": self._workspace.accounts.count_ended_sessions(now_ms=at_ms).wait()},
            }
            if not dry_run:
                self._archive_sums([date for date in days if not is_over(date, "rollups", settings, at_ms)])
                self._remove_days(days)
                for date in sums:
                    remove_archived(self._columns, date)
                self._workspace.erasures.expire(now_ms=at_ms, receipts_before_ms=receipts_ms).wait()
                self._workspace.register.drop_closed_before(*closed_ms).wait()
                self._workspace.accounts.drop_ended_sessions(now_ms=at_ms).wait()
                self._remove_previous(at_ms, at_once=any(expired.values()))
        return result

    def _remove_previous(self, at_ms: int, *, at_once: bool) -> None:
        """Remove the copy of the control database from before a migration: after a day, or at once when a row in it has
        reached its term.
        """
        files = previous_files(self._workspace.paths.control)
        remove_previous(files, kept_before_ms=None if at_once else at_ms - DAY_MS)

    @property
    def _columns(self) -> Path:
        return self._workspace.paths.columns / self._workspace.id

    def _known_days(self) -> list[Date]:
        """Days that have a file, a key or columns; a crash may have left only one of them."""
        keyed = self._workspace.keyring.all_days(self._workspace.id)
        return sorted({*self._workspace.histories.stored_dates(), *keyed, *column_dates(self._columns)})

    def _count(self, date: Date) -> int:
        path = day_path(self._workspace.paths.days, self._workspace.id, date)
        return count_clicks(path) if path.exists() else 0

    def _remove_days(self, days: Sequence[Date]) -> None:
        """Remove key, files and columns of each day, and what a crash left of earlier ones."""
        workspace = self._workspace
        for date in days:
            self._listener.day_retiring(date)
            for path in self._writer.exclusive(lambda files, date=date: files.drop((workspace.id, date))):  # type: ignore[misc]
                remove_in_steps(path)
            remove_day_folder(self._columns, date)
        for path in self._writer.exclusive(lambda files: files.removed_files(workspace.id)):
            remove_in_steps(path)
        workspace.keyring.finish_destroying()
        if days:
            log.info("days removed by retention", extra={"count": len(days)})
            self._listener.keys_renewed()

    def archive_sums(self) -> None:
        """As a job: archive the totals of past days ahead of their removal, once, and again on their last day."""
        now_ms = self._workspace.world.now_ms()
        last_ms = now_ms - (days_of("clicks", self._workspace.settings) - 1) * DAY_MS
        over = [date for date in self._workspace.histories.dates() if start_ms(date) + DAY_MS <= now_ms]
        due = [date for date in over if start_ms(date) <= last_ms or not ArchivedDay(self._columns, date).is_complete()]
        self._archive_sums(due)

    def _archive_sums(self, days: Sequence[Date]) -> None:
        """A failure is only logged: the removal of clicks does not wait for totals."""
        due = [date for date in days if self._count(date) and not self._has_current_sums(date)]
        if not due:
            return
        try:
            self._roll_up_days(self._workspace.settings, due)
        except (TncError, OSError):
            log.exception("the totals of days could not be archived")

    def _has_current_sums(self, date: Date) -> bool:
        """Whether nothing was written to a day since its totals were archived."""
        made_ns = ArchivedDay(self._columns, date).made_ns()
        path = day_path(self._workspace.paths.days, self._workspace.id, date)
        files = [each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists() and each.stat().st_size]
        return made_ns is not None and all(each.stat().st_mtime_ns < made_ns for each in files)


def _is_large(due: int, kept: int) -> bool:
    return due > max(SMALL_DAYS, kept * LARGE_SHARE)


def overdue_text(due: int, kept: int) -> str:
    return (
        f"{due} of {kept} days are past their retention time, which is more than is deleted at once without your word. "
        "They are not shown. If the clock and the retention times are right, type: tnc retention run --yes. Otherwise "
        f"they are deleted after {STEADY_MS // HOUR_MS} hours of running."
    )


def _nothing(at_ms: int, held: str, *, dry_run: bool) -> dict[str, Any]:
    return {"as_of": rfc3339(at_ms), "dry_run": dry_run, "days": [], "rollups": [], "expired": {}, "held": held}


def _change_json(change: TermChange) -> dict[str, Any]:
    return {
        "at": rfc3339(change.at_ms),
        "by": change.made_by,
        "name": change.setting.removesuffix("_days"),
        "before": change.days_before,
        "after": change.days_after,
        "days": change.gone_days,
        "clicks": change.gone_clicks,
    }
