"""Looking for somebody in everything that is kept of clicks."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date

from tnc.core.clock import id_time_ms
from tnc.core.models import Click
from tnc.privacy.journal import DayPart, VaultName
from tnc.privacy.subject import Subject, identifying_texts
from tnc.privacy.vault import Vault
from tnc.store.days.inbox import STRAY, words_in
from tnc.store.days.writer import DayReader


@dataclass(slots=True)
class SubjectData:
    """What there is of somebody."""

    parts: list[DayPart] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> set[str]:
        return {click.click_id for click in self.clicks}

    @property
    def identifying_texts(self) -> set[str]:
        return {word for click in self.clicks for word in identifying_texts(click)}

    @property
    def visitors(self) -> frozenset[str]:
        return frozenset(click.visit.visitor for click in self.clicks if click.visit.visitor is not None)


def find_subject(
    vaults: Mapping[VaultName, Vault], subject: Subject, names: Collection[VaultName] = ("days", "restricted")
) -> SubjectData:
    """Everything of somebody in these vaults."""
    found = SubjectData()
    for name in names:
        for date in vaults[name].dates():
            with vaults[name].reader(date) as reader:
                clicks = dict(subject.clicks(reader))
                numbers = sorted({*clicks, *subject.damaged(reader)})
            if numbers:
                found.parts.append(DayPart(vault=name, date=date.isoformat(), clicks=numbers, calls=[]))
                found.clicks += clicks.values()
    ids = found.ids | ({subject.value} if subject.kind == "click" else set())
    for name in names if ids else ():
        add_postbacks(found.parts, name, vaults[name], ids=ids, words=found.identifying_texts)
    for part in found.parts:
        with vaults[part.vault].reader(Date.fromisoformat(part.date)) as reader:
            counts = reader.search.counts(part.clicks, part.calls)
            found.sent += _sent(reader, part.clicks)
        if part.vault == "restricted":
            counts["restricted clicks"] = counts.pop("clicks")
        found.counts += counts
    return found


def add_postbacks(
    parts: list[DayPart], name: VaultName, vault: Vault, *, ids: Collection[str], words: Collection[str]
) -> None:
    """Add what was called of these clicks to the parts of a vault. Postbacks lie in the day in which they arrived."""
    its = {part.date: part for part in parts if part.vault == name}
    for date in vault.dates():
        with vault.reader(date) as reader:
            calls = _calls_about(reader, ids, {*words, *(each for each in ids if id_time_ms(each) is not None)})
        if calls:
            part = its.get(date.isoformat())
            if part is None:
                part = DayPart(vault=name, date=date.isoformat(), clicks=[], calls=[], epoch_before=vault.epoch(date))
                parts.append(part)
            part.calls = sorted({*part.calls, *calls})


def _calls_about(reader: DayReader, ids: Collection[str], words: Collection[str]) -> list[int]:
    """Numbers of the postbacks of a day that named one of these clicks. Of those that named none that is known here,
    for example in a body that nobody could read, also the ones that speak of the person.
    """
    strays = (row.seq for row in reader.inbox.newest(outcomes=STRAY) if not words_in(row.call).isdisjoint(words))
    return sorted({*reader.search.calls(ids), *strays})


def _sent(reader: DayReader, clicks: Sequence[int]) -> Counter[str]:
    """Deliveries that have left the house, by destination."""
    return Counter(row.destination for seq in clicks for row in reader.deliveries.of_click(seq) if row.attempts)
