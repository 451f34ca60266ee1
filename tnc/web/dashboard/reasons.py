"""A decision's trace as people read it: each verdict first, then the answers that led to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tnc.rules.decision import Step

_DETAILS: Final = frozenset({"condition", "draw", "cap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the way, and why. A trace lists the answers before the verdict that they belong to."""

    step: Step
    details: Sequence[Step]


def verdicts(trace: Sequence[Step]) -> Sequence[Verdict]:
    """Every step once. Answers that no verdict follows stand for themselves."""
    found: list[Verdict] = []
    waiting: list[Step] = []
    for step in trace:
        if step.kind in _DETAILS:
            waiting.append(step)
            continue
        found.append(Verdict(step=step, details=tuple(waiting)))
        waiting.clear()
    return [*found, *(Verdict(step=step, details=()) for step in waiting)]
