"""Find everything that is stored about a subject: clicks, events, deliveries and postbacks."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date

from tnc.core.clock import id_time_ms
from tnc.core.models import Click
from tnc.privacy.journal import DayPart, VaultName
from tnc.privacy.subject import Subject, identifying_texts
from tnc.privacy.vault import Vault
from tnc.store.days.inbox import STRAY, texts_in
from tnc.store.days.writer import DayReader


@dataclass(slots=True)
class SubjectData:
    """What is stored about a subject. `counts` are rows by store, `sent` are sent deliveries by destination."""

    parts: list[DayPart] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> set[str]:
        return {click.click_id for click in self.clicks}

    @property
    def identifying_texts(self) -> set[str]:
        return {text for click in self.clicks for text in identifying_texts(click)}

    @property
    def visitors(self) -> frozenset[str]:
        return frozenset(click.visit.visitor for click in self.clicks if click.visit.visitor is not None)


def find_subject(
    vaults: Mapping[VaultName, Vault], subject: Subject, names: Collection[VaultName] = ("days", "restricted")
) -> SubjectData:
    """Search the vaults called `names`. Only decryptable clicks are in `clicks`; damaged rows are in `parts` too."""
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
        add_postbacks(found.parts, name, vaults[name], ids=ids, texts=found.identifying_texts)
    for part in found.parts:
        with vaults[part.vault].reader(Date.fromisoformat(part.date)) as reader:
            counts = reader.search.counts(part.clicks, part.calls)
            found.sent += _sent(reader, part.clicks)
        if part.vault == "restricted":
            counts["restricted clicks"] = counts.pop("clicks")
        found.counts += counts
    return found


def add_postbacks(
    parts: list[DayPart], name: VaultName, vault: Vault, *, ids: Collection[str], texts: Collection[str]
) -> None:
    """Add the postbacks about these clicks to the parts. A postback is stored in the day on which it arrived."""
    by_date = {part.date: part for part in parts if part.vault == name}
    for date in vault.dates():
        with vault.reader(date) as reader:
            calls = _calls_about(reader, ids, {*texts, *(each for each in ids if id_time_ms(each) is not None)})
        if calls:
            part = by_date.get(date.isoformat())
            if part is None:
                part = DayPart(vault=name, date=date.isoformat(), clicks=[], calls=[], epoch_before=vault.epoch(date))
                parts.append(part)
            part.calls = sorted({*part.calls, *calls})


def _calls_about(reader: DayReader, ids: Collection[str], texts: Collection[str]) -> list[int]:
    """Numbers of the postbacks of a day that named one of these clicks. Of those that named no known click (because
    their body could not be read, for example) also the ones that contain one of `texts`.
    """
    strays = (row.seq for row in reader.inbox.newest(outcomes=STRAY) if not texts_in(row.call).isdisjoint(texts))
    return sorted({*reader.search.postbacks(ids), *strays})


def _sent(reader: DayReader, clicks: Sequence[int]) -> Counter[str]:
    """Number of deliveries with at least one attempt, by destination."""
    return Counter(row.destination for seq in clicks for row in reader.deliveries.of_click(seq) if row.attempts)
