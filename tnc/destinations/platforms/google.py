"""What Google's two conversion APIs have in common: the click id, the consent words, the token, the error reasons."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.http import Answer, Grant
from tnc.destinations.platforms.click_ids import click_id
from tnc.destinations.verdict import Verdict, retry, stop, throttled
from tnc.rules.macros import is_unexpanded

BRAIDS: Final = ("gclid", "gbraid", "wbraid")
"""Exactly one of them is sent, the first that the click has."""

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{3,}")
_TRANSIENT: Final = frozenset({"INTERNAL", "INTERNAL_ERROR", "UNAVAILABLE", "DEADLINE_EXCEEDED", "TRANSIENT_ERROR"})
_THROTTLED: Final = frozenset({"RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED"})
_OPERATOR: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


def grant(delivery: Delivery) -> Grant:
    return Grant(
        token_url=delivery.get("token_url"),
        client_id=delivery.get("client_id"),
        client_secret=delivery.get("client_secret"),
        refresh_token=delivery.get("refresh_token"),
    )


def consent(delivery: Delivery, granted: str, denied: str) -> dict[str, str] | None:
    """Both of Google's questions, answered alike; None where the visitor was not asked."""
    if delivery.consent == "denied" or delivery.mode != "full":
        return {"adUserData": denied, "adPersonalization": denied}
    if delivery.consent == "granted":
        return {"adUserData": granted, "adPersonalization": granted}
    return None


def braid(delivery: Delivery) -> dict[str, str]:
    found = click_id(delivery.click, *BRAIDS)
    return dict([found]) if found else {}


def lacks(delivery: Delivery) -> Why | None:
    """Google finds a conversion's ad by the click id alone."""
    found = click_id(delivery.click, *BRAIDS)
    if found is None:
        return "no-click-id"
    return "macro-unexpanded" if is_unexpanded(found[1]) else None


def lane(delivery: Delivery) -> str:
    """Corrections and tests go in requests of their own."""
    return f"{'convert' if delivery.kind == 'convert' else 'adjust'}{'-test' if delivery.click.test else ''}"


def reasons(found: Any) -> set[str]:
    """Every reason code in an error, wherever it stands: words in capitals, so never a text with data in it."""
    return {each for each in _texts(found) if _CODE.fullmatch(each)}


def _texts(found: Any) -> Iterator[str]:
    match found:
        case str():
            yield found
        case dict():
            for key, value in found.items():
                # What was sent is repeated under these, and a click id may look like a code.
                if key not in {"trigger", "message", "description", "field"}:
                    yield from _texts(value)
        case list():
            for value in found:
                yield from _texts(value)
        case _:
            pass


def judge_error(answer: Answer, codes: set[str], *, operator: frozenset[str]) -> Verdict | None:
    """Of a refused request: what both APIs say alike; None when it is the request that was bad."""
    reason = " ".join(sorted(codes)) or f"http-{answer.status}"
    if codes & _THROTTLED or answer.status == 429:
        return throttled(reason, answer)
    if answer.status == 401 or codes & (_OPERATOR | operator):
        return stop(f"{reason}: Google does not accept the account, its rights or its settings; check them")
    if codes & _TRANSIENT or answer.status >= 500 or answer.json() is None:
        return retry(reason, answer)
    return None
