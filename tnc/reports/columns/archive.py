"""Archived days: sums of days whose clicks were deleted, and how a report reads them.

By owner dimensions (campaign, offer, source, time to the quarter of an hour, money) the sums are exact. Of the
visitor dimensions (country, device, ...) there is one at a time, with the campaign, for the whole day, and only in
groups of at least ten visitors: smaller groups are added up under `other`, so totals do not change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import Final

import msgspec

from tnc.core.clock import QUARTER_MS
from tnc.core.fields import DIMENSION_FIELDS
from tnc.core.models import Privacy
from tnc.reports.columns.schema import COLUMNS, KINDS, Kind
from tnc.store.days.opted_out import OptedOutVisits

MIN_GROUP: Final = 10  # visitors
OTHER: Final = "other"

VISITOR_DIMENSIONS: Final = tuple(each.name for each in DIMENSION_FIELDS if each.about.privacy is Privacy.QUASI)
OWNER_DIMENSIONS: Final = tuple(each.name for each in DIMENSION_FIELDS if each.about.privacy is not Privacy.QUASI)

# The columns beside the dimensions. There is also `n`: how many rows of the live columns one row stands for.
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
COST_CURRENCY: Final = "currency"  # a dimension that the groups of visitors keep, so that costs stay exact

_DAYS: Final = frozenset({"day", "week", "month", "weekday"})
_NOON_QUARTER: Final = 48


def noon_quarter(date: Date) -> int:
    """The quarter of an hour at noon UTC, which stands for the whole day: in most time zones it is the same day."""
    return int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * 1000 // QUARTER_MS + _NOON_QUARTER


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """The files of one day; `folder` holds the columns of its workspace."""

    folder: Path
    date: Date

    @property
    def directory(self) -> Path:
        return self.folder / "cold"

    def path(self, kind: Kind, *, grouped: bool) -> Path:
        return self.directory / f"{self.date.isoformat()}-{kind}{'-grouped' if grouped else ''}.parquet"

    @property
    def all_files(self) -> list[Path]:
        return [self.path(kind, grouped=grouped) for kind in KINDS for grouped in (False, True)]

    @property
    def opted_out_file(self) -> Path:
        """JSON of the day's `OptedOutVisits`; days that were archived before they were kept have none."""
        return self.directory / f"{self.date.isoformat()}-opted-out.json"

    @property
    def present_files(self) -> list[Path]:
        return [*self.all_files, *([self.opted_out_file] if self.opted_out_file.exists() else [])]

    def opted_out(self) -> list[OptedOutVisits]:
        """Nothing where the file is missing or damaged."""
        try:
            return msgspec.json.decode(self.opted_out_file.read_bytes(), type=list[OptedOutVisits])
        except (OSError, msgspec.MsgspecError):
            return []

    def is_complete(self) -> bool:
        return all(path.exists() for path in self.all_files)

    def made_ns(self) -> int | None:
        """Modification time of the oldest file; None unless all files exist."""
        return min(path.stat().st_mtime_ns for path in self.all_files) if self.is_complete() else None


def archived_dates(folder: Path) -> list[Date]:
    """The archived days of a workspace, oldest first."""
    found = sorted((folder / "cold").glob("????-??-??-clicks.parquet"))
    dates = [Date.fromisoformat(path.name[:10]) for path in found]
    return [date for date in dates if ArchivedDay(folder, date).is_complete()]


def remove_archived(folder: Path, date: Date) -> None:
    day = ArchivedDay(folder, date)
    for path in (*day.all_files, day.opted_out_file):
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ArchiveReading:
    """Which files of archived days a query reads: the exact ones, or those grouped by one visitor dimension, `of`."""

    of: str | None
    missing: tuple[str, ...]  # visitor dimensions of the query that read `unknown`

    @classmethod
    def of_dimensions(cls, dimensions: Iterable[str]) -> "ArchiveReading":
        names = tuple(dict.fromkeys(dimensions))
        visitors = tuple(name for name in names if name in VISITOR_DIMENSIONS)
        others = set(names) - set(visitors) - {"campaign"} - _DAYS
        if len(visitors) == 1 and not others:
            return cls(of=visitors[0], missing=())
        return cls(of=None, missing=visitors)

    def select(self, kind: Kind, files: str) -> str:
        """SQL for rows like those of the live columns, each with the `weight`: how many rows it stands for."""
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
        kept = ("campaign", COST_CURRENCY) if self.of is not None else OWNER_DIMENSIONS
        return f'"{name}"' if name in kept else "null"
