"""The running appliance as the dashboard sees it: answers from the house, the tracker and the writer."""

from collections.abc import Iterator, Sequence
from typing import cast

from tnc import __version__
from tnc.admin.doctor import problems
from tnc.core.fields import rfc3339
from tnc.core.models import Click, ClickHistory, ClickId, Configuration, WorkspaceId
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery
from tnc.store.days.click_log import ClickLog
from tnc.store.days.writer import LATEST
from tnc.store.workspace import Workspace
from tnc.tracking.explain import TestVisitor, explain, try_visitor
from tnc.tracking.setup import make_tracker
from tnc.tracking.tracker import Tracker
from tnc.visitors.geo.database import Licence
from tnc.visitors.geo.geo import Geo
from tnc.web.dashboard.ports import (
    About,
    AddressData,
    Answer,
    Attribution,
    ClickQuestion,
    Explanation,
    Mail,
    People,
    TryRequest,
    TryResult,
)

_LOOK_AGAIN_MS = 30_000
_LOOKED_THROUGH = 100_000  # clicks that a filtered page of the log may read before it gives up


class Desk:
    def __init__(
        self,
        workspace: Workspace,
        *,
        tracking_base: str,
        tracker: Tracker,
        click_log: ClickLog,
        reporter: ReportClient,
        mail: Mail,
        people: People,
    ) -> None:
        self.mail = mail
        self.people = people
        self._workspace = workspace
        self._base = tracking_base
        self._tracker = tracker
        self._clicklog = click_log
        self._reporter = reporter
        self._problems: list[str] = []
        self._looked_at_ms = -_LOOK_AGAIN_MS

    @property
    def workspace(self) -> WorkspaceId:
        return self._workspace.id

    @property
    def tracking_base(self) -> str:
        return self._base

    def configuration(self) -> tuple[int, Configuration]:
        return self._workspace.configuration()

    def history(self, click_id: ClickId) -> ClickHistory:
        return self._workspace.histories.get(click_id)

    def histories(self, question: ClickQuestion) -> Sequence[ClickHistory]:
        found: list[ClickHistory] = []
        for number, history in enumerate(self._after(question.before)):
            if number >= _LOOKED_THROUGH or len(found) >= question.limit:
                break
            if _answers(history.click, question):
                found.append(history)
        return found

    def _after(self, before: tuple[int, ClickId] | None) -> Iterator[ClickHistory]:
        """The log behind a click, in the order of the log: several may have come in one millisecond, and imported ones
        in any order. Behind a click that was erased since it goes on by the time.
        """
        histories = self._workspace.histories
        if before is None:
            return histories.newest()
        time_ms, click_id = before
        date = histories.date_of(click_id)
        if date is None:
            return histories.newest(before_ms=time_ms)
        with histories.day(date) as reader:
            found = reader.find(click_id)
        ends = {each: LATEST for each in histories.dates() if each < date}
        return histories.newest(ends=ends | {date: -1 if found is None else found[0] - 1})

    def destination(self, click: Click) -> str | None:
        return self._workspace.destination(click)

    def explain(self, click_id: ClickId) -> Explanation:
        explained = explain(self._workspace, click_id)
        return Explanation(
            recomputed=explained.recomputed,
            destination=explained.destination,
            same=explained.same,
            trace=explained.trace,
        )

    def try_visitor(self, request: TryRequest) -> TryResult:
        # A tracker of its own: what is tried must not be told by, nor change, who was really seen.
        tracker = make_tracker(self._workspace, self._tracker.uncounted_reader)
        invented = TestVisitor(
            ip=request.ip,
            user_agent=request.user_agent,
            query=request.query,
            referrer=request.referrer,
            language=request.language,
            visited_at_ms=request.visited_at_ms,
        )
        tried = try_visitor(self._workspace, tracker, self._workspace.plan(request.campaign), invented)
        return TryResult(
            click=tried.arrival.click,
            destination=tried.arrival.destination,
            trace=tried.trace,
        )

    async def report(self, question: ReportQuery) -> Answer:
        return cast("Answer", await self._reporter.fetch(question))

    async def report_csv(self, question: ReportQuery) -> str:
        return await self._reporter.fetch_csv(question)

    def problems(self) -> Sequence[str]:
        """Looked for anew after half a minute: a look takes half a second, and every page asks."""
        now_ms = self._workspace.world.now_ms()
        if not 0 <= now_ms - self._looked_at_ms < _LOOK_AGAIN_MS:
            self._problems = problems(self._workspace, self._clicklog.recording())
            self._looked_at_ms = now_ms
        return self._problems

    def about(self) -> About:
        paths, settings = self._workspace.paths, self._workspace.settings
        return About(
            version=__version__,
            directories={"everything": str(paths.data), "clicks": str(paths.days), "key file": str(settings.key)},
            keys=f"{sum(1 for _ in self._workspace.keyring.all_days(self.workspace))} days have keys, and they open.",
            address_data=[
                AddressData(
                    name=each.name,
                    kind=each.kind,
                    built=None if each.built_ms is None else rfc3339(each.built_ms)[:10],
                    licence=each.licence.name,
                    attribution=_attribution(each.licence),
                )
                for each in self._tracker.reader.geo.sources()
            ],
        )

    def attributions(self) -> Sequence[Attribution]:
        return attributions_of(self._tracker.reader.geo)


def attributions_of(geo: Geo) -> tuple[Attribution, ...]:
    """What the licences of the data in use ask for, each sentence once."""
    told = (_attribution(each.licence) for each in geo.sources())
    return tuple(dict.fromkeys(each for each in told if each is not None))


def _attribution(licence: Licence) -> Attribution | None:
    return None if licence.attribution is None else Attribution(text=licence.attribution, url=licence.url)


def _answers(click: Click, question: ClickQuestion) -> bool:
    if question.campaign is not None and click.campaign != question.campaign:
        return False
    return question.traffic is None or click.visit.traffic == question.traffic
