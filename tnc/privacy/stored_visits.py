"""The visits that are stored of one browser, as its owner reads them on the page /privacy."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date as Date
from typing import Final

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.errors import FailedError, NotFoundError
from tnc.core.fields import money, rfc3339
from tnc.core.models import ClickHistory, Configuration, Conversion, DeliveryKind, Visit
from tnc.privacy.export import is_withheld
from tnc.privacy.journal import VaultName
from tnc.privacy.subject import Subject
from tnc.privacy.vault import Vault
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import click_history
from tnc.store.migrations import is_damage
from tnc.store.workspace import Workspace

_REPORTS: Final[Mapping[DeliveryKind, str]] = {
    "convert": "your purchase or sign-up",
    "adjust": "its changed value",
    "retract": "its cancellation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVisit:
    """One visit in words. `facts` are (name, value) without the unknown ones; `sent` says what was sent to whom."""

    at: str
    facts: tuple[tuple[str, str], ...]
    sent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVisits:
    """`visits` are the newest; `clicks` and `conversions` count all. `unreadable_days` have a damaged file."""

    clicks: int
    conversions: int
    first_at: str | None
    last_at: str | None
    visits: tuple[StoredVisit, ...]
    unreadable_days: int


def stored_visits(
    workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject, *, most: int
) -> StoredVisits:
    """The newest `most` visits of a subject. Days past their retention time are left out."""
    configuration = workspace.configuration()[1]
    found: list[tuple[ClickHistory, list[DeliveryRow]]] = []
    unreadable = 0
    for name, vault in vaults.items():
        for date in vault.dates():
            if is_withheld(workspace, name, date):
                continue
            try:
                found += _of_day(vault, date, subject)
            except NotFoundError:
                continue  # the day has just been deleted
            except FailedError:
                unreadable += 1
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                unreadable += 1
    found.reverse()  # of visits in the same millisecond, the one that was recorded last is the newest
    found.sort(key=lambda each: each[0].click.clicked_at_ms, reverse=True)
    return StoredVisits(
        clicks=len(found),
        conversions=sum(len(history.conversions) for history, _ in found),
        first_at=_time(found[-1][0].click.clicked_at_ms) if found else None,
        last_at=_time(found[0][0].click.clicked_at_ms) if found else None,
        visits=tuple(
            StoredVisit(
                at=_time(history.click.clicked_at_ms),
                facts=tuple(_facts(history, workspace.destination(history.click))),
                sent=tuple(_sent(rows, configuration)),
            )
            for history, rows in found[:most]
        ),
        unreadable_days=unreadable,
    )


def _of_day(vault: Vault, date: Date, subject: Subject) -> list[tuple[ClickHistory, list[DeliveryRow]]]:
    with vault.reader(date) as reader:
        return [
            (click_history(click, reader.events_of(seq)), list(reader.deliveries.of_click(seq)))
            for seq, click in subject.clicks(reader, exact_only=True)
        ]


def _facts(history: ClickHistory, destination: str | None) -> Iterator[tuple[str, str]]:
    click, visit = history.click, history.click.visit
    known = {
        "Link": "/".join(filter(None, (visit.domain, click.campaign))),
        "Its parameters": _joined(*(f"{name}={value}" for name, value in (visit.params | visit.subs).items())),
        "Click id of the site you came from": visit.external_id,
        "Place": _joined(visit.city, visit.region, visit.country),
        "IP address": visit.ip,
        "Network": visit.isp,
        "Device": _device(visit),
        "Language": visit.language,
        "You came from": visit.referrer,
        "You were sent to": destination,
        "You went on": None if history.lander_clicked_at_ms is None else _time(history.lander_clicked_at_ms),
        "Counted as": visit.traffic,
        "Consent": visit.consent,
    }
    yield from ((name, value) for name, value in known.items() if value)
    yield from (("Conversion", _conversion(each)) for each in history.conversions)


def _device(visit: Visit) -> str:
    os = " ".join(filter(None, (visit.os, visit.os_version)))
    browser = " ".join(filter(None, (visit.browser, visit.browser_version)))
    return _joined(visit.device, visit.brand, visit.model, os, browser)


def _conversion(conversion: Conversion) -> str:
    payout = money(conversion.payout_micros)
    value = None if payout is None else f"{payout} {conversion.currency or ''}".strip()
    return _joined(conversion.event, conversion.status, value, _time(conversion.converted_at_ms))


def _sent(rows: list[DeliveryRow], configuration: Configuration) -> Iterator[str]:
    """A sentence for each delivery that was sent, may have been, or still waits."""
    destinations = all_destinations(configuration)
    for row in rows:
        known = destinations.get(row.destination)
        receiver = row.destination if known is None else f"{PLATFORMS[known.type].receiver.name} ({row.destination})"
        at_ms = row.created_at_ms if row.done_at_ms is None else row.done_at_ms
        if row.state in ("accepted", "done"):
            yield f"{receiver} was sent {_REPORTS[row.kind]}, {_time(at_ms)}"
        elif row.attempts:
            yield f"{receiver} may have received {_REPORTS[row.kind]}, {_time(at_ms)}"
        elif row.state == "queued":
            yield f"{receiver} will be sent {_REPORTS[row.kind]}"


def _joined(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))


def _time(time_ms: int) -> str:
    """To the minute, in UTC."""
    return rfc3339(time_ms)[:16].replace("T", " ") + " UTC"
