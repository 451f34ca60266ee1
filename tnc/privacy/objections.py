"""Objection: from now on a person leaves no trace, and nobody is told of what there is."""

from collections.abc import Mapping
from datetime import date as Date
from typing import Any

from tnc.core.clock import DAY_MS
from tnc.core.errors import RefusedError
from tnc.core.fields import rfc3339
from tnc.privacy.journal import DayPart, VaultName
from tnc.privacy.search import find_subject
from tnc.privacy.subject import Subject
from tnc.privacy.vault import Vault
from tnc.store.days.writer import DayWriter
from tnc.store.terms import days_of
from tnc.store.workspace import Workspace
from tnc.tracking.listener import Listener


def keep_objection(
    workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject, listener: Listener
) -> dict[str, Any]:
    """Raises RefusedError when nobody could be told again."""
    now_ms, found = workspace.world.now_ms(), find_subject(vaults, subject)
    if subject.kind == "ip":
        kind, values, term = "address", frozenset(subject.values(exact_only=True)), "objections by address"
    elif subject.kind == "browser":
        kind, values, term = "browser", frozenset([subject.value] if found.clicks else []), "objections"
    else:
        kind, values, term = "visitor", found.visitors, "objections"
        values |= {subject.value} if subject.kind == "visitor" else set()
    if not values:
        raise RefusedError(
            "nothing is stored by which this visitor could be told again, so his objection cannot be kept here; "
            "he can opt out himself on the page /privacy of any tracking domain."
        )
    days = days_of(term, workspace.settings)
    workspace.erasures.object(kind, values, now_ms=now_ms, expires_at_ms=now_ms + days * DAY_MS).wait()
    listener.objected()
    called_back = sum(
        _call_back(workspace, vaults["days"], part, now_ms) for part in found.parts if part.vault == "days"
    )
    return {"objections": len(values), "until": rfc3339(now_ms + days * DAY_MS), "called_back": called_back}


def _call_back(workspace: Workspace, vault: Vault, part: DayPart, now_ms: int) -> int:
    """What was to be told of these clicks is not; how much that was."""

    def cancel(writer: DayWriter) -> int:
        return sum(writer.deliveries.cancel(seq, reason="consent-denied", now_ms=now_ms) for seq in part.clicks)

    day = workspace.id, Date.fromisoformat(part.date)
    return vault.exclusive(lambda days: days.transact(day, cancel))
