"""Looking for somebody in everything that is kept of clicks."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout the store

from tnc.model import Click
from tnc.store.days import DayReader
from tnc.store.journal import DayPart, VaultName
from tnc.store.subject import Subject
from tnc.store.vault import Vault


@dataclass(slots=True)
class Found:
    """What there is of somebody."""

    parts: list[DayPart] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def visitors(self) -> frozenset[str]:
        return frozenset(click.visit.visitor for click in self.clicks if click.visit.visitor is not None)


def look_for(
    vaults: Mapping[VaultName, Vault], subject: Subject, names: Collection[VaultName] = ("days", "restricted")
) -> Found:
    """Everything of somebody in these vaults."""
    found = Found()
    for name in names:
        for date in vaults[name].dates():
            with vaults[name].reader(date) as reader:
                clicks = dict(subject.clicks(reader))
                numbers = sorted({*clicks, *subject.damaged(reader)})
            if numbers:
                found.parts.append(DayPart(vault=name, date=date.isoformat(), clicks=numbers, calls=[]))
                found.clicks += clicks.values()
    ids = {click.click_id for click in found.clicks} | ({subject.value} if subject.kind == "click" else set())
    for name in names if ids else ():
        _look_for_calls(name, vaults[name], found, ids)
    for part in found.parts:
        with vaults[part.vault].reader(Date.fromisoformat(part.date)) as reader:
            counts = reader.search.counts(part.clicks, part.calls)
            found.sent += _sent(reader, part.clicks)
        if part.vault == "restricted":
            counts["restricted clicks"] = counts.pop("clicks")
        found.counts += counts
    return found


def _look_for_calls(name: VaultName, vault: Vault, found: Found, ids: set[str]) -> None:
    """Postbacks lie in the day in which they arrived."""
    parts = {part.date: part for part in found.parts if part.vault == name}
    for date in vault.dates():
        with vault.reader(date) as reader:
            calls = reader.search.calls(ids)
        if calls:
            part = parts.get(date.isoformat())
            if part is None:
                part = DayPart(vault=name, date=date.isoformat(), clicks=[], calls=[])
                found.parts.append(part)
            part.calls = calls


def _sent(reader: DayReader, clicks: Sequence[int]) -> Counter[str]:
    """Deliveries that have left the house, by destination."""
    return Counter(row.destination for seq in clicks for row in reader.deliveries.of_click(seq) if row.attempts)
