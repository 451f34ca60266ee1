"""Objection: later visits of a person are not recorded, and waiting deliveries about them are cancelled."""

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


def store_objection(
    workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject, listener: Listener
) -> dict[str, Any]:
    """Raises RefusedError when nothing is stored by which the visitor could be recognized."""
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
            "nothing is stored by which this visitor could be recognized, so their objection cannot be stored; "
            "they can opt out themselves on the page /privacy of any tracking domain."
        )
    days = days_of(term, workspace.settings)
    workspace.erasures.object(kind, values, now_ms=now_ms, expires_at_ms=now_ms + days * DAY_MS).wait()
    listener.objected()
    cancelled = sum(_cancel(workspace, vaults["days"], part, now_ms) for part in found.parts if part.vault == "days")
    return {"objections": len(values), "until": rfc3339(now_ms + days * DAY_MS), "called_back": cancelled}


def _cancel(workspace: Workspace, vault: Vault, part: DayPart, now_ms: int) -> int:
    """Cancel the waiting deliveries of these clicks; returns how many."""

    def cancel(writer: DayWriter) -> int:
        return sum(writer.deliveries.cancel(seq, reason="consent-denied", now_ms=now_ms) for seq in part.clicks)

    day = workspace.id, Date.fromisoformat(part.date)
    return vault.exclusive(lambda days: days.transact(day, cancel))
