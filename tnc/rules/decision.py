"""What is decided about a visit, and the steps that led there."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from tnc.core.models import FilterId, FlowId, LanderId, NetworkId, OfferId
from tnc.rules.conditions import Check
from tnc.rules.describe import shown
from tnc.rules.templates import UrlTemplate


class Decision(Struct, frozen=True, kw_only=True):
    """Where a visit goes. `template` is None exactly when `action` is `status`."""

    action: Literal["redirect", "status", "page"]
    status: int | None = None
    template: UrlTemplate | None = None
    flow: FlowId | None = None
    lander: LanderId | None = None
    offer: OfferId | None = None
    network: NetworkId | None = None
    filter: FilterId | None = None
    stopped: bool = False
    reasons: tuple[str, ...] = ()  # codes that the decision adds to those of the visit
    witness: int = 0


StepKind = Literal["campaign", "filter", "flow", "condition", "draw", "cap", "end", "label"]


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a trace, in plain words. Values are shown as they are: a trace is never stored."""

    kind: StepKind
    text: str
    id: str | None = None
    passed: bool | None = None
    fact: str | None = None
    value: Any = None

    def __str__(self) -> str:
        return self.text


Trace = list[Step]


def condition_step(check: Check, value: Any, *, holds: bool, recorded: bool) -> Step:
    """`recorded`: the answer is the one of the click, because the value may be gone by now."""
    found = "as recorded with the click" if recorded else f"it is {shown(value)}"
    return Step(
        kind="condition",
        text=f"{check.text}: {'yes' if holds else 'no'}, {found}",
        passed=holds,
        fact=check.fact.name,
        value=None if recorded else value,
    )


def draw_step(what: str, picked: str, shares: Mapping[Any, float], *, kept: bool) -> Step:
    parts = ", ".join(f"{identity} {share:.0%}" for identity, share in shares.items())
    how = "stays with the visitor" if kept else "drawn anew for each visit"
    text = f"{what} {picked}, out of {parts}; {how}" if len(shares) > 1 else f"{what} {picked}, the only one"
    return Step(kind="draw", text=text, id=picked)
