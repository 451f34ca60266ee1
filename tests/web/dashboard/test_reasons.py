"""A trace is read verdict by verdict."""

from hypothesis import given
from hypothesis import strategies as st

from tests.web.dashboard.invented import TRACE
from tnc.rules.decision import Step
from tnc.web.dashboard.clicks import verdicts

steps = st.builds(
    Step,
    kind=st.sampled_from(["campaign", "filter", "flow", "condition", "draw", "cap", "end"]),
    text=st.text(max_size=3),
)


def test_answers_stand_under_their_verdict() -> None:
    told = [(each.step.text, [step.kind for step in each.details]) for each in verdicts(TRACE)]

    assert told == [
        ("filter standard lets pass", ["condition", "condition"]),
        ("flow us-mobile matches", ["condition", "condition", "draw", "draw"]),
        ("to the lander quiz, and from there to the offer shoes", []),
    ]


@given(st.lists(steps))
def test_no_step_is_lost(trace: list[Step]) -> None:
    told = [step for each in verdicts(trace) for step in (*each.details, each.step)]

    assert told == trace
