"""The decision: conditions, filters, flows, weights, caps, macros. Pure; time and facts come in as a `Visit`."""

from tnc.rules.compiling import Plans, compile_configuration, needed_facts
from tnc.rules.decision import Decision, Step
from tnc.rules.plan import LanderOffer, Plan, destination_check
from tnc.rules.unexpanded import is_unexpanded
from tnc.rules.vocabulary import is_decision_code

__all__ = [
    "Decision",
    "LanderOffer",
    "Plan",
    "Plans",
    "Step",
    "compile_configuration",
    "destination_check",
    "is_decision_code",
    "is_unexpanded",
    "needed_facts",
]
