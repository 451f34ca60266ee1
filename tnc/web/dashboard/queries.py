"""What pages show beyond the work of one service: the click log, a tried visitor, problems, and this installation."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tnc import __version__
from tnc.admin.doctor import problems
from tnc.admin.link_domain import LinkBase, link_base
from tnc.core.clock import MINUTE_MS
from tnc.core.models import CampaignId, ClickHistory, ClickId, Traffic, WorkspaceId
from tnc.store.days.click_log import Recording
from tnc.store.days.writer import LATEST
from tnc.store.workspace import Workspace
from tnc.tracking.explain import TestVisit, TestVisitor, try_visitor
from tnc.tracking.setup import make_tracker
from tnc.tracking.tracker import Tracker
from tnc.visitors.geo.database import Licence, SourceInfo
from tnc.visitors.geo.geo import Geo

_PROBLEMS_MS = 30_000
_MOST_READ = 100_000  # clicks that are read for one filtered page of the log


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """`paths` by what is there; `key_days` is how many days of clicks have keys."""

    version: str
    workspace: WorkspaceId
    paths: Mapping[str, str]
    key_days: int
    key_backup_at_ms: int | None
    geo_sources: Sequence[SourceInfo]


class Queries:
    """All methods but `attributions` wait for the disk; every one may be called from any thread.

    `tracking_port` is the port on which clicks come in.
    """

    def __init__(
        self, workspace: Workspace, tracker: Tracker, recording: Callable[[], Recording], *, tracking_port: int
    ) -> None:
        self._tracking_port = tracking_port
        self._link_base: LinkBase | None = None
        self._link_base_at_ms = 0
        self._workspace = workspace
        self._tracker = tracker
        self._recording = recording
        self._problems: list[str] = []
        self._examined_at_ms = -_PROBLEMS_MS
        self._examining = threading.Lock()

    def link_base(self) -> LinkBase:
        """What the links on pages begin with; found anew each minute."""
        world = self._workspace.world
        if self._link_base is None or world.steady_ms() - self._link_base_at_ms >= MINUTE_MS:
            newest = self._workspace.histories.newest_clicks(since_ms=0)
            self._link_base = link_base(self._workspace.settings, self._tracking_port, newest)
            self._link_base_at_ms = world.steady_ms()
        return self._link_base

    def clicks(
        self,
        *,
        limit: int,
        after: tuple[int, ClickId] | None = None,
        campaign: CampaignId | None = None,
        traffic: Traffic | None = None,
    ) -> list[ClickHistory]:
        """The newest clicks, or those that the log has behind the click `after` (its time and its id)."""
        found: list[ClickHistory] = []
        for number, history in enumerate(self._log(after)):
            if number >= _MOST_READ or len(found) >= limit:
                break
            click = history.click
            if campaign in (None, click.campaign) and traffic in (None, click.visit.traffic):
                found.append(history)
        return found

    def _log(self, after: tuple[int, ClickId] | None) -> Iterator[ClickHistory]:
        """In the order of recording, newest first: several clicks may have one millisecond, and imported clicks any.

        Behind a click that was erased meanwhile the log goes on by time.
        """
        histories = self._workspace.histories
        if after is None:
            return histories.newest()
        time_ms, click_id = after
        date = histories.date_of(click_id)
        if date is None:
            return histories.newest(before_ms=time_ms)
        with histories.day(date) as reader:
            found = reader.find(click_id)
        ends = {each: LATEST for each in histories.dates() if each < date}
        return histories.newest(last_clicks=ends | {date: -1 if found is None else found[0] - 1})

    def try_visitor(self, campaign: CampaignId, visitor: TestVisitor) -> TestVisit:
        """Raises NotFoundError, InvalidError."""
        # A tracker of its own: a tried visitor must not be known from real visits, nor be remembered among them.
        tracker = make_tracker(self._workspace, self._tracker.uncounted_reader)
        return try_visitor(self._workspace, tracker, self._workspace.plan(campaign), visitor)

    def problems(self) -> Sequence[str]:
        """What is wrong now, a sentence each with what to do. Examined at most every half minute: it takes half a
        second, and several pages ask.
        """
        with self._examining:
            now_ms = self._workspace.world.now_ms()
            if not 0 <= now_ms - self._examined_at_ms < _PROBLEMS_MS:
                self._problems = problems(self._workspace, self._recording())
                self._examined_at_ms = now_ms
            return self._problems

    def about(self) -> About:
        workspace = self._workspace
        backup = workspace.erasures.latest_escrow().wait()
        return About(
            version=__version__,
            workspace=workspace.id,
            paths={
                "Data directory": str(workspace.paths.data),
                "Clicks": str(workspace.paths.days),
                "Key file": str(workspace.settings.key),
            },
            key_days=sum(1 for _ in workspace.keyring.all_days(workspace.id)),
            key_backup_at_ms=None if backup is None else backup.made_at_ms,
            geo_sources=self._tracker.reader.geo.sources(),
        )

    def attributions(self) -> tuple[Licence, ...]:
        return attributions_of(self._tracker.reader.geo)


def attributions_of(geo: Geo) -> tuple[Licence, ...]:
    """The licences of the data in use that ask for an attribution on pages, each sentence once."""
    licences = (each.licence for each in geo.sources())
    return tuple({each.attribution: each for each in licences if each.attribution is not None}.values())
