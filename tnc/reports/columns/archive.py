"""Sums of days whose clicks are gone: which there are, and how a report reads them.

The owner's side (campaign, offer, source, time to the quarter of an hour, money) is exact. Of the visitors'
side there is one dimension at a time with the campaign, for the day as a whole, and only in groups of at
least ten visitors: smaller ones are folded into `other`, so every sum stays what it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import Final

from tnc.core.clock import QUARTER_MS
from tnc.core.fields import DIMENSION_FIELDS
from tnc.core.models import Privacy
from tnc.reports.columns.schema import COLUMNS, KINDS, Kind

GROUP: Final = 10  # visitors that a group has at least
OTHER: Final = "other"

VISITOR_SIDE: Final = tuple(each.name for each in DIMENSION_FIELDS if each.about.privacy is Privacy.QUASI)
OWNER_SIDE: Final = tuple(each.name for each in DIMENSION_FIELDS if each.about.privacy is not Privacy.QUASI)

# What is counted and added up beside the dimensions. `n` is how many rows one row stands for.
MEASURES: Final[Mapping[Kind, Mapping[str, str]]] = {
    "clicks": {"quarter": "uinteger", "flags": "utinyint", "cost_micros": "hugeint"},
    "landers": {"quarter": "uinteger"},
    "conversions": {
        "quarter": "uinteger",
        "converted_quarter": "uinteger",
        "conversion_status": "varchar",
        "payout_currency": "varchar",
        "payout_micros": "hugeint",
        "conversion_cost_currency": "varchar",
        "conversion_cost_micros": "hugeint",
    },
}
SUMMED: Final = frozenset({"cost_micros", "payout_micros", "conversion_cost_micros"})
MONEY: Final = "currency"  # of the cost: a dimension that the groups of visitors keep

_DAYS: Final = frozenset({"day", "week", "month", "weekday"})
_NOON_QUARTER: Final = 48


def noon_quarter(date: Date) -> int:
    """The quarter of an hour that stands for a whole day: in most time zones it lies within the same day."""
    return int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * 1000 // QUARTER_MS + _NOON_QUARTER


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """The files of one day, below the columns of a workspace."""

    folder: Path
    date: Date

    @property
    def place(self) -> Path:
        return self.folder / "cold"

    def path(self, kind: Kind, *, grouped: bool) -> Path:
        return self.place / f"{self.date.isoformat()}-{kind}{'-grouped' if grouped else ''}.parquet"

    @property
    def all_files(self) -> list[Path]:
        return [self.path(kind, grouped=grouped) for kind in KINDS for grouped in (False, True)]

    def is_whole(self) -> bool:
        return all(path.exists() for path in self.all_files)

    def made_ns(self) -> int | None:
        """When the first of them was made; None unless all are there."""
        return min(path.stat().st_mtime_ns for path in self.all_files) if self.is_whole() else None


def archived_dates(folder: Path) -> list[Date]:
    """Days of which there are sums, oldest first."""
    found = sorted((folder / "cold").glob("????-??-??-clicks.parquet"))
    dates = [Date.fromisoformat(path.name[:10]) for path in found]
    return [date for date in dates if ArchivedDay(folder, date).is_whole()]


def remove_archived(folder: Path, date: Date) -> None:
    for path in ArchivedDay(folder, date).all_files:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """How cold days answer a question: by the owner's side, or by `of`, one dimension of the visitors'."""

    of: str | None
    missing: tuple[str, ...]  # dimensions that these days do not have any more

    @classmethod
    def by(cls, dimensions: Iterable[str]) -> "Reading":
        asked = tuple(dict.fromkeys(dimensions))
        visitors = tuple(name for name in asked if name in VISITOR_SIDE)
        others = set(asked) - set(visitors) - {"campaign"} - _DAYS
        if len(visitors) == 1 and not others:
            return cls(of=visitors[0], missing=())
        return cls(of=None, missing=visitors)

    def select(self, kind: Kind, files: str) -> str:
        """SQL that makes rows like those of the columns, each with the `weight` of the rows it stands for."""
        shown = ", ".join(f'{self._cell(kind, name)}::{type_} as "{name}"' for name, type_ in COLUMNS[kind].items())
        where = f"where of = '{self.of}'" if self.of is not None else ""
        return f"select {shown}, n as weight from {files} {where}"

    def _cell(self, kind: Kind, name: str) -> str:
        if name == "clicked_at":
            return f"make_timestamp_ms(quarter::bigint * {QUARTER_MS})"
        if name == "converted_at":
            return f"make_timestamp_ms(converted_quarter::bigint * {QUARTER_MS})"
        if name == "counts":
            return "true"
        if name in MEASURES[kind]:
            return f'"{name}"'
        if name == self.of:
            return "value"
        kept = ("campaign", MONEY) if self.of is not None else OWNER_SIDE
        return f'"{name}"' if name in kept else "null"
