"""Applies the current conditions of a filter to past clicks, or undoes that. Destinations of clicks never change."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import date as Date
from itertools import islice
from typing import Any, Final

from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.fields import rfc3339
from tnc.core.models import Click, FilterChange, FilterId
from tnc.reports.query import moment_ms
from tnc.rules import FILTER_REASON, filter_again
from tnc.store.days.history import relabelled
from tnc.store.days.transactions import Writer
from tnc.store.days.writer import DayReader, DayWriter, utc_date
from tnc.store.workspace import Workspace

_AT_ONCE: Final = 500

Change = tuple[int, FilterChange]  # number of the click in its day, the change to store
Write = Callable[[Date, Sequence[Change]], object]


@dataclass(slots=True, kw_only=True)
class Reclassified:
    """Counts of a run over the clicks from `start_ms` (included) to `end_ms` (excluded)."""

    filter: FilterId
    start_ms: int
    end_ms: int
    dry_run: bool
    examined: int = 0
    changed: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "filter": self.filter,
            "from": rfc3339(self.start_ms),
            "to": rfc3339(self.end_ms),
            "examined": self.examined,
            "changed": self.changed,
            "dry_run": self.dry_run,
        }


def reclassify(
    workspace: Workspace,
    filter_id: str,
    *,
    write: Write | None,
    start: str | None = None,
    end: str | None = None,
    undo: bool = False,
) -> Reclassified:
    """Find the clicks whose result changes, and store it with `write`; without `write` it is a dry run.

    `start` and `end` are written as in `tnc report`, in UTC; without them all stored clicks are examined. Raises
    NotFoundError for an unknown filter, InvalidError for a paused or archived one.
    """
    result = _new_result(workspace, filter_id, start, end, dry_run=write is None)
    judge = (_Undo if undo else _Apply)(workspace, result.filter)
    for date in workspace.histories.dates():
        if not utc_date(result.start_ms) <= date <= utc_date(result.end_ms - 1):
            continue
        with workspace.histories.day(date) as reader:
            changes = _changes(reader, result, judge)
            while some := list(islice(changes, _AT_ONCE)):
                result.changed += len(some)
                if write is not None:
                    write(date, some)
    return result


def _new_result(
    workspace: Workspace, filter_id: str, start: str | None, end: str | None, *, dry_run: bool
) -> Reclassified:
    filters = workspace.configuration()[1].filters
    if FilterId(filter_id) not in filters:
        known = ", ".join(sorted(filters)) or "none yet"
        raise NotFoundError(f"there is no filter {filter_id!r}; there are: {known}.")
    now_ms, zone = workspace.world.now_ms(), UTC
    start_ms = 0 if start is None else moment_ms(start, now_ms=now_ms, zone=zone, name="from")
    end_ms = moment_ms(end or "now", now_ms=now_ms, zone=zone, name="to")
    if start_ms >= end_ms:
        raise InvalidError("the time ends before it begins: choose a --from that is earlier than its --to.")
    if start is None:  # from the first stored day
        dates = workspace.histories.dates()
        start_ms = min(end_ms, _midnight_ms(dates[0])) if dates else end_ms
    return Reclassified(filter=FilterId(filter_id), start_ms=start_ms, end_ms=end_ms, dry_run=dry_run)


def _midnight_ms(date: Date) -> int:
    return (date - Date(1970, 1, 1)).days * DAY_MS


class _Apply:
    """The filter with its current conditions, in the campaigns that use it now."""

    def __init__(self, workspace: Workspace, filter_id: FilterId) -> None:
        version, configuration = workspace.configuration()
        judge = configuration.filters[filter_id]
        if judge.paused or judge.archived:
            raise InvalidError(
                f"filter {filter_id!r} is {'archived' if judge.archived else 'paused'} and checks no clicks; bring it "
                "back first, or undo an earlier run with --undo."
            )
        self._workspace = workspace
        self._filter = filter_id
        self._now_ms = workspace.world.now_ms()
        plans = workspace.plans(version).by_id
        self._plans = {name: plan for name, plan in plans.items() if plan.campaign.filter == filter_id}

    def concerns(self, click: Click, _before: FilterChange | None) -> bool:
        return click.campaign in self._plans

    def judge(self, click: Click) -> FilterChange | None:
        """None when the stored facts are not enough to decide."""
        result = filter_again(self._plans[click.campaign], click, self._workspace.plan_of(click))
        if result is None:
            return None
        others = tuple(reason for reason in click.added_reasons if not reason.startswith(FILTER_REASON))
        return FilterChange(
            at_ms=self._now_ms,
            by=self._filter,
            filter=result.filter,
            stopped=result.action is not None,
            reasons=(*result.reasons, *others),
        )


class _Undo:
    """Undoes the changes that earlier runs of the filter stored."""

    def __init__(self, workspace: Workspace, filter_id: FilterId) -> None:
        self._change = FilterChange(at_ms=workspace.world.now_ms(), by=filter_id, undone=True)

    def concerns(self, _click: Click, before: FilterChange | None) -> bool:
        return before is not None and before.by == self._change.by and not before.undone

    def judge(self, _click: Click) -> FilterChange | None:
        return self._change


def _changes(reader: DayReader, result: Reclassified, judge: _Apply | _Undo) -> Iterator[Change]:
    """The clicks of a day whose result changes."""
    last = {seq: event for seq, event in reader.labels() if isinstance(event, FilterChange)}
    for seq, click in reader.clicks():
        before = last.get(seq)
        within = result.start_ms <= click.clicked_at_ms < result.end_ms
        if click.test or click.erased or not within or not judge.concerns(click, before):
            continue
        result.examined += 1
        change = judge.judge(click)
        if change is not None and _verdict(click, change) != _verdict(click, before):
            yield seq, change


def _verdict(click: Click, change: FilterChange | None) -> tuple[FilterId | None, bool, tuple[str, ...]]:
    now = click if change is None else relabelled(click, [change])
    return now.filter, now.stopped, now.added_reasons


def store_changes(workspace: Workspace, writer: Writer, date: Date, changes: Sequence[Change]) -> int:
    """Store changes for clicks of a day; gives how many of the clicks are still there."""

    def store(writer: DayWriter) -> int:
        there = [(seq, change) for seq, change in changes if writer.click(seq) is not None]
        for seq, change in there:
            writer.add_event(seq, change)
        return len(there)

    return writer.transact((workspace.id, date), store)
