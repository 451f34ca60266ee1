"""A trace is shown decision by decision."""

from hypothesis import given
from hypothesis import strategies as st

from tests.web.dashboard.installed import Installation
from tnc.rules.decision import Step
from tnc.tracking.explain import explain
from tnc.web.dashboard.clicks import grouped

steps = st.builds(
    Step,
    kind=st.sampled_from(["campaign", "filter", "flow", "condition", "draw", "cap", "end"]),
    text=st.text(max_size=3),
)


def test_conditions_are_shown_under_the_decision_they_lead_to(fresh: Installation) -> None:
    click = fresh.visit()

    told = [
        (each.step.kind, [step.kind for step in each.details])
        for each in grouped(explain(fresh.workspace, click.click_id).trace)
    ]

    assert told == [
        ("filter", ["condition", "condition"]),
        ("flow", ["condition", "condition"]),
        ("end", ["draw", "draw", "draw"]),
    ]


@given(st.lists(steps))
def test_no_step_is_lost(trace: list[Step]) -> None:
    told = [step for each in grouped(trace) for step in (*each.details, each.step)]

    assert told == trace
