"""The decision: conditions, filters, flows, weights, caps, macros. Pure; time and facts come in as a `Visit`."""

from tnc.rules.compile import Plans, compile_configuration, needed_facts
from tnc.rules.decision import Decision, Step
from tnc.rules.macros import is_unexpanded
from tnc.rules.plan import LanderOffer, Plan, Verdict, destination_check, rejudge
from tnc.rules.vocabulary import FILTER_REASON, is_decision_code

__all__ = [
    "FILTER_REASON",
    "Decision",
    "LanderOffer",
    "Plan",
    "Plans",
    "Step",
    "Verdict",
    "compile_configuration",
    "destination_check",
    "is_decision_code",
    "is_unexpanded",
    "needed_facts",
    "rejudge",
]
