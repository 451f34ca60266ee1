"""Free parameters that look like identifiers on one day and are placements over several.

Where 5,000 placements get 2,000 clicks a day, nearly every click of a day has its own value, as with identifiers. Over
some weeks the values come back, and with other visitors: the id of a person comes back with the same one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date as Date
from pathlib import Path
from typing import Final

import msgspec

from tnc.core.models import Click
from tnc.reports.columns.cardinality import ParameterKey, ParameterRecord, is_sampled

MIN_DAYS: Final = 3
MOST_DAYS: Final = 28
CLICKS_PER_VALUE: Final = 5
_SIGHTINGS: Final = 20  # of values on several days, with an IP address; with fewer nothing is said about visitors
_GROWTH: Final = 1.25  # a parameter is examined again when it has so many times the clicks

ReadClicks = Callable[[Date, Sequence[int]], Iterable[Click]]
"""Reads clicks of a day by their numbers; deleted ones are left out."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter as it was examined last, when it had `clicks` in the days that were looked at."""

    source: str
    sub: str
    clicks: int
    repeats: bool


class RepeatingFile:
    """What was found, in the folder of a workspace's columns. It holds no value."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "repeating.json"

    def examined(self) -> list[Examined]:
        """Nothing where the file is missing or damaged."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Examined])
        except (OSError, msgspec.MsgspecError):
            return []

    def repeating(self) -> list[ParameterKey]:
        return [(each.source, each.sub) for each in self.examined() if each.repeats]

    def save(self, examined: Iterable[Examined]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_bytes(msgspec.json.encode(list(examined)))
        new.replace(self._path)


def examine(
    days: Mapping[Date, Sequence[ParameterRecord]], before: Iterable[Examined], read: ReadClicks
) -> list[Examined]:
    """Examine the parameters of which values are withheld, and those that repeated before."""
    known = {(each.source, each.sub): each for each in before}
    by_key: dict[ParameterKey, dict[Date, ParameterRecord]] = {}
    for date in sorted(days)[-MOST_DAYS:]:
        for record in days[date]:
            by_key.setdefault((record.source, record.sub), {})[date] = record
    found = dict(known)
    for key, records in by_key.items():
        clicks, last = sum(sum(record.counts) for record in records.values()), known.get(key)
        withheld = any(record.withheld > record.counts.personal for record in records.values())
        if len(records) < MIN_DAYS or not (withheld or (last and last.repeats)):
            continue
        if last is None or not last.clicks <= clicks <= last.clicks * _GROWTH:
            found[key] = Examined(source=key[0], sub=key[1], clicks=clicks, repeats=_repeats(key[1], records, read))
    return list(found.values())


def _repeats(sub: str, records: Mapping[Date, ParameterRecord], read: ReadClicks) -> bool:
    level = max(record.level for record in records.values())
    clicks = sum(sum(record.counts) for record in records.values())
    sightings: dict[str, list[str | None]] = {}  # the networks of the first click of each day, by value
    for date, record in records.items():
        for click in read(date, record.seen_at):
            value = click.visit.subs.get(sub)
            if value is not None and is_sampled(value, level):
                sightings.setdefault(value, []).append(_network(click.visit.ip))
    different = len(sightings) << level
    if not different or different * CLICKS_PER_VALUE > clicks:
        return False
    returned = [networks for networks in sightings.values() if len(networks) > 1]
    known = [[each for each in networks if each is not None] for networks in returned]
    seen = sum(map(len, known))
    return seen < _SIGHTINGS or sum(len({*networks}) for networks in known) * 2 > seen


def _network(ip: str | None) -> str | None:
    """About the /24 or /48 of an IP address."""
    if not ip:
        return None
    return ":".join(ip.split(":")[:3]) if ":" in ip else ip.rpartition(".")[0]
