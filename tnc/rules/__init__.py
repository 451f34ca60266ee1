"""The decision: conditions, filters, flows, weights, caps, macros. Pure; time and facts come in as a `Visit`."""

from tnc.rules.compiling import Plans, compile_configuration, needed_facts
from tnc.rules.decision import Decision, Step
from tnc.rules.plan import LanderOffer, Plan, Verdict, destination_check
from tnc.rules.rejudging import rejudge
from tnc.rules.unexpanded import is_unexpanded
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
