"""Explains a recorded click, and tries an invented visitor: both run the decision of the click path."""

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
from tnc.tracking.tracker import COST_UNREADABLE, Arrival, Tracker
from tnc.visitors.client_ip import canonical_ip
from tnc.visitors.request import Request

_TRUNCATED = frozenset(("ip", "user_agent"))
_SHOWN = ("flow", "lander", "offer", "network", "action", "destination", "filter", "reasons", "traffic")


def decision_json(click: Click, destination: str | None) -> dict[str, Any]:
    """The fields of a click in JSON that its decision set."""
    fields = click_json(_without_events(click), destination=destination)
    return {name: fields[name] for name in _SHOWN}


def _without_events(click: Click) -> ClickHistory:
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
        """As it was decided, before later changes of its labels."""
        return self.history.decided or self.history.click

    def to_json(self) -> dict[str, Any]:
        """With `now` where labels of the click have changed since."""
        json: dict[str, Any] = {
            "click_id": self.click.click_id,
            "recorded": decision_json(self.click, self.destination if self.same else None),
            "recomputed": decision_json(self.recomputed, self.destination),
            "same": self.same,
            "trace": [step_json(step) for step in self.trace],
        }
        if self.history.changes:
            now = decision_json(self.history.click, None)
            json["now"] = {name: now[name] for name in ("filter", "reasons", "traffic")}
        return json


def step_json(step: Step) -> dict[str, Any]:
    json = {"kind": step.kind, "id": step.id, "passed": step.passed, "fact": step.fact, "text": step.text}
    return {name: value for name, value in json.items() if value is not None}


def explain(workspace: Workspace, click_id: ClickId) -> Explanation:
    """Raises NotFoundError for an unknown click, FailedError for one that was imported without a configuration."""
    history = workspace.histories.get(click_id)
    click = history.decided or history.click
    plan = workspace.plan_of(click)
    if plan is None:
        raise FailedError(
            "this click was imported: the configuration that decided it is not stored here, so it cannot be explained. "
            "`tnc click ID` shows what is stored of it."
        )
    trace: Trace = []
    recomputed = decide_again(plan, click, trace)
    trace += [_change_step(each) for each in history.changes]
    if history.withdrawn_at_ms is not None:
        when = rfc3339(history.withdrawn_at_ms)
        trace.append(
            Step(
                kind="label", text=f"{when}: the visitor denied consent; this click is sent to no destination any more"
            )
        )
    destination = plan.destination(recomputed)
    same = recomputed == click and (_had_truncated_facts(plan, click) or _check(destination) == click.destination_check)
    return Explanation(history=history, recomputed=recomputed, destination=destination, same=same, trace=trace)


def _change_step(change: LabelChange | FilterChange) -> Step:
    """A change of the labels after the click was decided, as a last line of its trace."""
    when = rfc3339(change.at_ms)
    if isinstance(change, LabelChange):
        why = ", ".join(change.reasons) or "no reason left"
        return Step(kind="label", text=f"{when}: traffic is {change.traffic} now ({why})")
    if change.undone:
        return Step(kind="label", text=f"{when}: the reclassification by filter {change.by} was undone", id=change.by)
    if change.filter is None:
        return Step(kind="label", text=f"{when}: filter {change.by} would let it pass now", id=change.by)
    result = "would stop it" if change.stopped else "would log it"
    why = ", ".join(change.reasons)
    return Step(
        kind="label",
        text=f"{when}: filter {change.by} {result} now: {why}; its destination stays as it was",
        id=change.by,
    )


def _check(destination: str | None) -> str | None:
    return None if destination is None else destination_check(destination)


def _had_truncated_facts(plan: Plan, click: Click) -> bool:
    """Whether the destination held facts that were truncated before storage, so that it cannot be rebuilt exactly."""
    template = plan.template_of(click)
    return template is not None and click.visit.mode == "cookieless" and not _TRUNCATED.isdisjoint(template.macros)


def decide_again(plan: Plan, click: Click, trace: Trace) -> Click:
    """The click as the plan decides it from the stored facts."""
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
        added_reasons=(*decision.reasons, *(each for each in click.added_reasons if each == COST_UNREADABLE)),
        witness=decision.witness,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestVisitor:
    """An invented visitor. `visited_at_ms` None means now."""

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

    def to_json(self) -> dict[str, Any]:
        click = self.arrival.click
        facts = click_json(_without_events(click), destination=self.arrival.destination)
        return {
            "campaign": click.campaign,
            "facts": facts,
            "decision": decision_json(click, self.arrival.destination),
            "trace": [step_json(step) for step in self.trace],
        }


def try_visitor(workspace: Workspace, tracker: Tracker, plan: Plan, visitor: TestVisitor) -> TestVisit:
    """Decide a first visit of this visitor. Nothing is recorded, and nothing changes in memory.

    Raises InvalidError for an invalid IP address, which would otherwise be decided as an unknown one.
    """
    if visitor.ip is not None and canonical_ip(visitor.ip) is None:
        raise InvalidError(f"{visitor.ip!r} is no IP address; write one like 203.0.113.7 or 2001:db8::1.")
    headers = {
        "Host": visitor.host,
        "User-Agent": visitor.user_agent,
        "Referer": visitor.referrer,
        "Accept-Language": visitor.language,
    }
    query = visitor.query.lstrip("?")
    request = Request.of(
        [(name, value) for name, value in headers.items() if value is not None] + list(visitor.headers.items()),
        host=visitor.host,
        target=f"/{plan.campaign.path}" + (f"?{query}" if query else ""),
        peer=visitor.ip or "",
        secure=False,  # an invented browser does not send all the headers that a real one does over HTTPS
        arrived_at_ms=workspace.world.now_ms() if visitor.visited_at_ms is None else visitor.visited_at_ms,
    )
    trace: Trace = []
    arrival = tracker.arrive(plan, request, remember=False, trace=trace)
    return TestVisit(arrival=arrival, trace=trace)
