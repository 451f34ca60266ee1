"""Where a visitor goes: conditions, filters, flows, weights, caps, macros. Pure: time and facts are in the `Visit`."""

from tnc.rules.compile import Plans, compile_configuration, needed_facts
from tnc.rules.decision import Decision, Step
from tnc.rules.macros import is_unexpanded
from tnc.rules.plan import FilterResult, LanderOffer, Plan, destination_check, filter_again
from tnc.rules.vocabulary import FILTER_REASON, is_decision_code

__all__ = [
    "FILTER_REASON",
    "Decision",
    "FilterResult",
    "LanderOffer",
    "Plan",
    "Plans",
    "Step",
    "compile_configuration",
    "destination_check",
    "filter_again",
    "is_decision_code",
    "is_unexpanded",
    "needed_facts",
]
