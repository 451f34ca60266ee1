"""A filter's present conditions, asked of a click that was recorded under other ones."""

from tnc.model import Click, Visit
from tnc.rules.conditions import Check
from tnc.rules.inquiry import is_declared_crawler
from tnc.rules.plan import Plan, Verdict

_CUT = frozenset(("ip", "user_agent"))


def rejudge(present: Plan, click: Click, recorded: Plan | None) -> Verdict | None:
    """What the filter says now, by the stored facts.

    A condition on a fact that was not kept has the answer it had then, when `recorded`, the plan that decided the
    click, asked the same; else it has none. None when the verdict hangs on such a condition.
    """
    witness, in_doubt = 0, False
    for judge in present.filters:
        for read, holds, bit, check in judge.questions:
            if not bit:
                continue
            kept = _is_kept(check.fact.name, click.visit)
            answer = holds(read(click.visit)) if kept else _recorded_answer(check, click, recorded)
            in_doubt |= answer is None
            witness |= bit if answer else 0
    verdict = present.verdict(click.visit, witness=witness)
    return None if in_doubt and verdict.filter is None and not is_declared_crawler(click.visit) else verdict


def _is_kept(fact: str, visit: Visit) -> bool:
    return not fact.startswith("header.") and not (visit.mode == "cookieless" and fact in _CUT)


def _recorded_answer(check: Check, click: Click, recorded: Plan | None) -> bool | None:
    for judge in () if recorded is None else recorded.filters:
        for _, _, bit, before in judge.questions:
            if bit and before.condition == check.condition and judge.gone is None:
                return click.witness & bit != 0
    return None
