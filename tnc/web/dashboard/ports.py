"""All that the dashboard asks of the rest of the house."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, Protocol, TypedDict

from tnc.core.models import (
    CampaignId,
    Click,
    ClickHistory,
    ClickId,
    Configuration,
    DeliveryState,
    Destination,
    DestinationId,
    Traffic,
    WorkspaceId,
)
from tnc.destinations.preview import DestinationTest
from tnc.destinations.worker import DestinationStatus
from tnc.reports.query import ReportQuery
from tnc.rules.decision import Step
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.inbox import CallOutcome, InboxRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickQuestion:
    """Which clicks of the log: newest first, behind the click at the time and of the id of `before`."""

    limit: int
    before: tuple[int, ClickId] | None = None
    campaign: CampaignId | None = None
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRequest:
    """An invented visitor. `visited_at_ms` None means now; `query` is what stands behind the `?`."""

    campaign: CampaignId
    ip: str | None = None
    user_agent: str | None = None
    language: str | None = None
    referrer: str | None = None
    query: str = ""
    visited_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryResult:
    """What would happen: the click that would be recorded (its id means nothing), and why."""

    click: Click
    destination: str | None
    trace: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A recorded click decided again from what was stored. `same` compares decision and destination."""

    recomputed: Click
    destination: str | None
    same: bool
    trace: Sequence[Step]


class Answer(TypedDict):
    """The part of a report (contract section 6) that is shown; rows and totals hold names and numbers."""

    currency: str | None
    timezone: str
    by: list[str]
    rows: list[dict[str, Any]]
    totals: dict[str, Any]
    notes: NotRequired[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """A sentence that a licence asks to be shown with what its data says, and where it links to."""

    text: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressData:
    """One installed source of address facts."""

    name: str
    kind: str
    built: str | None
    licence: str
    attribution: Attribution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """`directories` by what lies in them; `keys` and each of `problems` is a sentence."""

    version: str
    directories: Mapping[str, str]
    keys: str
    address_data: Sequence[AddressData]


class Mail(Protocol):
    """What comes in from networks and goes out to destinations. Calls and deliveries stand with their ids.

    Every method may be called from any thread, and all but `test` may wait for the disk.
    """

    def calls(self, *, outcomes: Collection[CallOutcome] | None, limit: int) -> Sequence[tuple[str, InboxRow]]:
        """The inbox, newest first."""
        ...

    def hear_again(self, call: str | None) -> int:
        """One call, or all that did not match; how many were heard."""
        ...

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]: ...

    def counts(self) -> Mapping[tuple[DestinationId, DeliveryState], int]: ...

    def deliveries(
        self, destination: DestinationId, *, limit: int, state: DeliveryState | None = None
    ) -> Sequence[tuple[str, DeliveryRow]]:
        """Newest first; those in one state only."""
        ...

    def answers(self, destination: DestinationId) -> Sequence[tuple[str, DeliveryRow]]:
        """The last ten that were sent."""
        ...

    def file_path(self, destination: Destination) -> str | None:
        """Where on a tracking domain its platform fetches a file; None: it fetches none."""
        ...

    def replay(self, destination: DestinationId, delivery: str | None) -> int:
        """One delivery, or all that are dead; how many are in line again."""
        ...

    def resume(self, destination: DestinationId) -> None: ...

    async def test(self, destination: Destination) -> DestinationTest: ...

    def apply(self, text: str, *, by: str) -> int:
        """Make a change of the configuration live; the number of the version. Raises InvalidError."""
        ...


class People(Protocol):
    """Requests of people, terms, and what is stored. All may wait for the disk; objects are those of JSON."""

    def requests(self) -> Sequence[Mapping[str, Any]]:
        """Those that are due first on top, then the closed ones."""
        ...

    def request(self, request_id: str) -> Mapping[str, Any]: ...

    def take_down(self, kind: str, *, channel: str, text: str, contact: str) -> Mapping[str, Any]: ...

    def following(self, state: str) -> Sequence[str]:
        """What a request in a state can become next."""
        ...

    def move(self, request_id: str, state: str, *, reason: str, answer: str) -> None: ...

    def find(self, who: Mapping[str, str]) -> Mapping[str, Any]: ...

    def settle(self, request_id: str, *, receiver: str, outcome: str) -> None: ...

    def extend(self, request_id: str, *, until_ms: int, reason: str) -> None: ...

    def overdue(self) -> int:
        """How many requests are late. Answers from memory."""
        ...

    def erase(self, who: Mapping[str, str], *, request_id: str) -> Mapping[str, Any]:
        """The receipt."""
        ...

    def copy(self, who: Mapping[str, str]) -> tuple[str, bytes]:
        """A name and a ZIP for the person."""
        ...

    def object(self, who: Mapping[str, str]) -> Mapping[str, Any]: ...

    def restrict(self, who: Mapping[str, str]) -> Mapping[str, Any]: ...

    def unrestrict(self, who: Mapping[str, str]) -> Mapping[str, Any]: ...

    def terms(self) -> Mapping[str, Any]: ...

    def preview_terms(self, days: Mapping[str, int]) -> Mapping[str, Any]: ...

    def set_terms(self, days: Mapping[str, int], *, by: str) -> None: ...

    def stored(self) -> Sequence[Mapping[str, str]]: ...

    def receivers(self) -> Sequence[Mapping[str, str]]: ...

    def records(self) -> Mapping[str, Any]:
        """Records of processing."""
        ...

    def breach(self, since_ms: int, until_ms: int | None) -> Mapping[str, Any]: ...

    def check_receipt(self, text: str) -> Sequence[str]:
        """What does not hold; nothing when all does. Raises InvalidError for what is no receipt."""
        ...


class Appliance(Protocol):
    """The running tracker, as its owner's screen sees it. Every method may be called from any thread.

    All but the reports may wait for the disk, so handlers call them off the event loop. Unknown ids raise
    NotFoundError, unfit questions InvalidError.
    """

    @property
    def workspace(self) -> WorkspaceId: ...

    @property
    def mail(self) -> Mail: ...

    @property
    def people(self) -> People: ...

    @property
    def tracking_base(self) -> str:
        """Scheme and host of tracking links, without a slash at the end."""
        ...

    def configuration(self) -> tuple[int, Configuration]:
        """The version that decides just now, and what it says. Version 0 is an empty one."""
        ...

    def history(self, click_id: ClickId) -> ClickHistory: ...

    def histories(self, question: ClickQuestion) -> Sequence[ClickHistory]: ...

    def destination(self, click: Click) -> str | None:
        """Where the click was sent, made again from its plan; None for a status or when facts were erased."""
        ...

    def explain(self, click_id: ClickId) -> Explanation: ...

    def try_visitor(self, request: TryRequest) -> TryResult: ...

    async def report(self, question: ReportQuery) -> Answer: ...

    async def report_csv(self, question: ReportQuery) -> str: ...

    def problems(self) -> Sequence[str]:
        """What is wrong right now, a sentence each with what to do; empty when all is well."""
        ...

    def about(self) -> About: ...

    def attributions(self) -> Sequence[Attribution]:
        """What stands on every page that shows geography. Answers from memory."""
        ...
