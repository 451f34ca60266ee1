"""What Google's two conversion APIs have in common: keys, click ids, consent, access token, error reasons."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tnc.campaigns.platforms.base import (
    WRITE_TO_RECEIVER,
    Delivery,
    Forms,
    PlatformKey,
    Receiver,
    SkipReason,
    advertising_sentence,
    click_id,
    has_unexpanded,
)
from tnc.campaigns.platforms.keys import PLAIN_URL
from tnc.campaigns.platforms.messages import Answer, Grant
from tnc.campaigns.platforms.outcome import Outcome, retry, stop, throttled
from tnc.campaigns.text_types import NUMERIC
from tnc.core.shapes import Secret, Text

CLICK_IDS: Final = ("gclid", "gbraid", "wbraid")
"""Exactly one of them is sent, the first that the click has."""

FORMS: Final[Forms] = dict.fromkeys(CLICK_IDS, re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*"))

RECEIVER: Final = Receiver(
    name="Google",
    countries="IE, US",
    gets="click id of the platform, time, value, consent",
    visitor_sentence=advertising_sentence("Google"),
    after_erasure=f"a retraction sets the conversion to nothing there, but deletes nothing; {WRITE_TO_RECEIVER}",
)

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{3,}")
_TRANSIENT: Final = frozenset({"INTERNAL", "INTERNAL_ERROR", "UNAVAILABLE", "DEADLINE_EXCEEDED", "TRANSIENT_ERROR"})
_THROTTLED: Final = frozenset({"RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED"})
_OPERATOR: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


def keys(api: str, scope: str) -> dict[str, PlatformKey]:
    """Keys of both APIs; `api` is the one to enable, `scope` the OAuth scope to ask for."""
    client = f"console.cloud.google.com: enable the {api}, then Credentials, OAuth client"
    return {
        "account": PlatformKey(
            shape=NUMERIC,
            text="customer id that owns the conversion action",
            where="Google Ads, top right: the customer id, ten digits without hyphens, of the account that owns the "
            "conversion action",
            needed=True,
        ),
        "login_account": PlatformKey(
            shape=NUMERIC,
            text="customer id of the manager account",
            where="the manager account, if you reach it through one",
        ),
        "conversion_action": PlatformKey(
            shape=NUMERIC,
            text="id of the conversion action",
            where="Google Ads, Goals, Conversions, your action (source: import, from clicks): `ctId=` in the address",
            needed=True,
        ),
        "client_id": PlatformKey(shape=Text(), text="of the OAuth client", where=client, needed=True),
        "client_secret": PlatformKey(shape=Secret(), text="of the OAuth client", where=client, needed=True),
        "refresh_token": PlatformKey(
            shape=Secret(),
            text="of the account's owner",
            where=f"the answer to that client's consent page with the scope `https://www.googleapis.com/auth/{scope}`",
            needed=True,
        ),
        "token_url": PlatformKey(
            shape=PLAIN_URL,
            text="where access tokens come from",
            where="leave it",
            default="https://oauth2.googleapis.com/token",
            is_endpoint=True,
        ),
    }


def grant(delivery: Delivery) -> Grant:
    return Grant(
        token_url=delivery.get("token_url"),
        client_id=delivery.get("client_id"),
        client_secret=delivery.get("client_secret"),
        refresh_token=delivery.get("refresh_token"),
    )


def consent(delivery: Delivery, granted: str, denied: str) -> dict[str, str] | None:
    """Both of Google's consent fields, always equal; None where the visitor was not asked."""
    if delivery.consent == "denied" or delivery.mode != "full":
        return {"adUserData": denied, "adPersonalization": denied}
    if delivery.consent == "granted":
        return {"adUserData": granted, "adPersonalization": granted}
    return None


def click_id_field(delivery: Delivery) -> dict[str, str]:
    found = click_id(delivery.click, *CLICK_IDS, forms=FORMS)
    return dict([found]) if found else {}


def check_click(delivery: Delivery) -> SkipReason | None:
    """Google matches a conversion by its click id alone."""
    if click_id(delivery.click, *CLICK_IDS, forms=FORMS):
        return None
    return "macro-unexpanded" if has_unexpanded(delivery.click, *CLICK_IDS) else "no-click-id"


def request_group(delivery: Delivery) -> str:
    """Corrections and tests go in requests of their own."""
    return f"{'convert' if delivery.kind == 'convert' else 'adjust'}{'-test' if delivery.click.test else ''}"


def reasons(found: Any) -> set[str]:
    """Every reason code in an error, at any depth: only words in capitals, so that no text with data is taken."""
    return {each for each in _texts(found) if _CODE.fullmatch(each)}


def _texts(found: Any) -> Iterator[str]:
    match found:
        case str():
            yield found
        case dict():
            for key, value in found.items():
                # These keys repeat what was sent, and a click id may look like a code.
                if key not in {"trigger", "message", "description", "field"}:
                    yield from _texts(value)
        case list():
            for value in found:
                yield from _texts(value)
        case _:
            pass


def read_error(answer: Answer, codes: set[str], *, operator: frozenset[str]) -> Outcome | None:
    """The outcome of a refused request where both APIs mean the same; None when the request itself was bad."""
    reason = " ".join(sorted(codes)) or f"http-{answer.status}"
    if codes & _THROTTLED or answer.status == 429:
        return throttled(reason, answer)
    if answer.status == 401 or codes & (_OPERATOR | operator):
        return stop(f"{reason}: Google does not accept the account, its rights or its settings; check them")
    if codes & _TRANSIENT or answer.status >= 500 or answer.json() is None:
        return retry(reason, answer)
    return None
