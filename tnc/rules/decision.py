"""The decision about a visit, and the steps that led to it."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from tnc.core.models import FilterId, FlowId, LanderId, NetworkId, OfferId
from tnc.rules.conditions import CompiledCondition
from tnc.rules.describe import display_value
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
    reasons: tuple[str, ...] = ()  # codes to add to the reasons of the visit
    witness: int = 0  # results of the conditions on personal facts, one bit each


StepKind = Literal["campaign", "filter", "flow", "condition", "draw", "cap", "end", "label"]


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a trace, in plain words. It shows values unmasked: a trace is never stored."""

    kind: StepKind
    text: str
    id: str | None = None
    passed: bool | None = None
    fact: str | None = None
    value: Any = None

    def __str__(self) -> str:
        return self.text


Trace = list[Step]


def condition_step(condition: CompiledCondition, value: Any, *, holds: bool, recorded: bool) -> Step:
    """With `recorded` the result comes from the stored click, because the value may be deleted by now."""
    found = "as recorded with the click" if recorded else f"it is {display_value(value)}"
    return Step(
        kind="condition",
        text=f"{condition.text}: {'yes' if holds else 'no'}, {found}",
        passed=holds,
        fact=condition.fact.name,
        value=None if recorded else value,
    )


def draw_step(noun: str, picked: str, shares: Mapping[Any, float], *, sticky: bool) -> Step:
    """Which of the weighted options was picked, and the share of each."""
    parts = ", ".join(f"{identity} {share:.0%}" for identity, share in shares.items())
    how = "stays with the visitor" if sticky else "drawn anew for each visit"
    text = f"{noun} {picked}, out of {parts}; {how}" if len(shares) > 1 else f"{noun} {picked}, the only one"
    return Step(kind="draw", text=text, id=picked)
