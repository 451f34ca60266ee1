"""Why a click went where it went, and where a visitor would go: the click's own decision, asked again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tnc.core.errors import FailedError, InvalidError
from tnc.core.fields import click_json, rfc3339
from tnc.core.models import Click, ClickHistory, ClickId, FilterChange, LabelChange
from tnc.rules import Plan, Step, destination_check
from tnc.rules.decision import Trace
from tnc.store.workspace import Workspace
from tnc.tracking.tracker import Arrival, Tracker
from tnc.visitors.client_ip import canonical_ip
from tnc.visitors.request import Request

_CUT = frozenset(("ip", "user_agent"))
_SHOWN = ("flow", "lander", "offer", "network", "action", "destination", "filter", "reasons", "traffic")


def decision_json(click: Click, destination: str | None) -> dict[str, Any]:
    """The decision's part of a click in JSON (contract section 9)."""
    told = click_json(_alone(click), destination=destination)
    return {name: told[name] for name in _SHOWN}


def _alone(click: Click) -> ClickHistory:
    return ClickHistory(
        click=click,
        lander_clicked_at_ms=None,
        found_by=None,
        conversions=(),
        offer=click.offer,
        network=click.network,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A recorded click decided again from what was stored."""

    history: ClickHistory
    recomputed: Click
    destination: str | None
    same: bool
    trace: Sequence[Step]

    @property
    def click(self) -> Click:
        """As it was decided, whatever it is called now."""
        return self.history.decided or self.history.click

    def json(self) -> dict[str, Any]:
        """As the contract has it; `now` is there when the click is called something else by now."""
        told = {
            "click_id": self.click.click_id,
            "recorded": decision_json(self.click, self.destination if self.same else None),
            "recomputed": decision_json(self.recomputed, self.destination),
            "same": self.same,
            "trace": [step_json(step) for step in self.trace],
        }
        if self.history.changes:
            now = decision_json(self.history.click, None)
            told["now"] = {name: now[name] for name in ("filter", "reasons", "traffic")}
        return told


def step_json(step: Step) -> dict[str, Any]:
    told = {"kind": step.kind, "id": step.id, "passed": step.passed, "fact": step.fact, "text": step.text}
    return {name: value for name, value in told.items() if value is not None}


def explain(workspace: Workspace, click_id: ClickId) -> Explanation:
    """Raises NotFoundError for an unknown click, FailedError for one that was imported without a configuration."""
    history = workspace.histories.get(click_id)
    click = history.decided or history.click
    plan = workspace.plan_of(click)
    if plan is None:
        raise FailedError(
            "this click was imported: what decided about it was not recorded, so there is nothing to explain. "
            "`tnc click` shows what is known of it."
        )
    trace: Trace = []
    recomputed = decide_again(plan, click, trace)
    trace += [_later(each) for each in history.changes]
    if history.withdrawn_at_ms is not None:
        when = rfc3339(history.withdrawn_at_ms)
        trace.append(Step(kind="label", text=f"{when}: the visitor denied consent; nobody is told of this any more"))
    destination = plan.destination(recomputed)
    same = recomputed == click and (_is_cut(plan, click) or _check(destination) == click.destination_check)
    return Explanation(history=history, recomputed=recomputed, destination=destination, same=same, trace=trace)


def _later(change: LabelChange | FilterChange) -> Step:
    """What was said of the click after it was decided, as the last lines of its trace."""
    when = rfc3339(change.at_ms)
    if isinstance(change, LabelChange):
        why = ", ".join(change.reasons) or "no reason left"
        return Step(kind="label", text=f"{when}: the visit is called {change.traffic} ({why})")
    if change.undone:
        return Step(kind="label", text=f"{when}: what filter {change.by} said later is taken back", id=change.by)
    if change.filter is None:
        return Step(kind="label", text=f"{when}: filter {change.by} lets it pass now", id=change.by)
    does = "would stop it" if change.stopped else "records it"
    why = ", ".join(change.reasons)
    return Step(kind="label", text=f"{when}: filter {change.by} {does} now: {why}; it went where it went", id=change.by)


def _check(destination: str | None) -> str | None:
    return None if destination is None else destination_check(destination)


def _is_cut(plan: Plan, click: Click) -> bool:
    """The destination held what was cut before the click was stored, so it cannot be made again to the letter."""
    template = plan.template_of(click)
    return template is not None and click.visit.mode == "cookieless" and not _CUT.isdisjoint(template.macros)


def decide_again(plan: Plan, click: Click, trace: Trace) -> Click:
    """The click as the same decision makes it from the stored facts."""
    decision = plan.decide(click.visit, capped=frozenset(click.capped), witness=click.witness, trace=trace)
    prefetch = click.visit.traffic == "prefetch"
    return replace(
        click,
        flow=decision.flow,
        lander=decision.lander,
        offer=decision.offer,
        network=decision.network,
        action="status" if prefetch else decision.action,
        status=503 if prefetch else decision.status,
        filter=decision.filter,
        stopped=decision.stopped,
        added_reasons=decision.reasons,
        witness=decision.witness,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestVisitor:
    """A visitor to try. `visited_at_ms` None means now."""

    ip: str | None = None
    user_agent: str | None = None
    query: str = ""
    referrer: str | None = None
    language: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = "try.invalid"
    visited_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestVisit:
    arrival: Arrival
    trace: Sequence[Step]

    def json(self) -> dict[str, Any]:
        click = self.arrival.click
        facts = click_json(_alone(click), destination=self.arrival.destination)
        return {
            "campaign": click.campaign,
            "facts": facts,
            "decision": decision_json(click, self.arrival.destination),
            "trace": [step_json(step) for step in self.trace],
        }


def try_visitor(workspace: Workspace, tracker: Tracker, plan: Plan, invented: TestVisitor) -> TestVisit:
    """What would happen to this visitor on a first visit. Nothing is recorded or remembered.

    Raises InvalidError for an address that is none: unknown, it would be sent elsewhere than what was meant.
    """
    if invented.ip is not None and canonical_ip(invented.ip) is None:
        raise InvalidError(f"{invented.ip!r} is no address; write one like 203.0.113.7 or 2001:db8::1.")
    named = {
        "Host": invented.host,
        "User-Agent": invented.user_agent,
        "Referer": invented.referrer,
        "Accept-Language": invented.language,
    }
    query = invented.query.lstrip("?")
    request = Request.of(
        [(name, value) for name, value in named.items() if value is not None] + list(invented.headers.items()),
        host=invented.host,
        target=f"/{plan.campaign.path}" + (f"?{query}" if query else ""),
        peer=invented.ip or "",
        secure=False,  # an invented browser does not send all the headers that a real one does over HTTPS
        arrived_at_ms=workspace.world.now_ms() if invented.visited_at_ms is None else invented.visited_at_ms,
    )
    trace: Trace = []
    arrival = tracker.arrive(plan, request, remember=False, trace=trace)
    return TestVisit(arrival=arrival, trace=trace)
