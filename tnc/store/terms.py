"""How long everything is kept: one table, read by retention, the data map, the pages and the records of processing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from datetime import date as Date
from typing import Any, Final

from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError
from tnc.core.models import WorkspaceId
from tnc.core.settings import Settings, read_setting
from tnc.store.sqlite import Database, operation

BACKUP_HORIZON_DAYS: Final = 180
"""How long copies of imported data, or of files made with other tools, may be imported again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`setting` names the number of days in `config.toml` [retention]; None: the number is fixed here.

    `days` is then the fixed number.
    """

    name: str
    text: str
    setting: str | None = None
    days: int = 0


TERMS: Final[Mapping[str, Term]] = {
    each.name: each
    for each in (
        Term(name="clicks", text="clicks, their conversions, deliveries and postbacks", setting="clicks_days"),
        Term(name="rollups", text="sums for reports of older times", setting="rollups_days"),
        Term(
            name="support",
            text="questions that visitors asked, and the answers, after they are closed",
            setting="support_days",
        ),
        Term(name="sessions", text="who is signed in to the dashboard", days=1),
        Term(name="salts", text="what makes the pseudonyms of visitors without a cookie", days=2),
        Term(name="requests", text="other requests of visitors, after they are closed", days=730),
        Term(name="receipts", text="receipts of erasures", days=730),
        Term(name="objections by address", text="addresses whose visits leave no trace", days=30),
        Term(name="objections", text="visitors whose visits leave no trace", days=90),
        Term(
            name="tombstones",
            text=f"keyed hashes of erased clicks: as long as clicks, and {BACKUP_HORIZON_DAYS} days",
            setting="clicks_days",
        ),
    )
}

WITHOUT_TERM: Final[Mapping[str, str]] = {
    "installation": "as long as this installation",
    "erasure": "until the erasure is complete",
    "system log": "as long as the system keeps its log; tnc has no log files of its own",
}
"""Other times that data is kept, for the data map: nothing of this is deleted after a number of days."""


def days_of(name: str, settings: Settings) -> int:
    term = TERMS[name]
    if term.setting is None:
        return term.days
    days = int(getattr(settings, term.setting))
    return days + BACKUP_HORIZON_DAYS if name == "tombstones" else days


def describe_terms(settings: Settings) -> dict[str, str]:
    """Every term as text, by name."""
    return {**{name: _named(name, days_of(name, settings)) for name in TERMS}, **WITHOUT_TERM}


def _named(name: str, days: int) -> str:
    return f"{name}: {days} {'day' if days == 1 else 'days'}"


def start_ms(date: Date) -> int:
    """The first moment of a UTC day."""
    return int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * 1000


def last_ended(name: str, settings: Settings, at_ms: int) -> Date:
    """The newest UTC day that has reached the end of a term: `is_over` holds for it and for every earlier day."""
    return datetime.fromtimestamp((at_ms - days_of(name, settings) * DAY_MS) / 1000, UTC).date()


def is_over(date: Date, name: str, settings: Settings, at_ms: int) -> bool:
    """Whether a day is past a term: its first moment is older than that."""
    return start_ms(date) + days_of(name, settings) * DAY_MS <= at_ms


# ------------------------------------------------------------------------------------------ of a workspace

TERM_TABLE: Final = """
create table terms (
  workspace text not null,
  setting   text not null,     -- a key of [retention]
  days      integer not null,  -- instead of those in config.toml
  primary key (workspace, setting)
) strict, without rowid
"""


TERM_CHANGES_TABLE: Final = """
create table term_changes (
  number      integer primary key, -- in the order in which they were made, even if the clock jumped
  workspace   text not null,
  at_ms       integer not null,
  made_by     text not null,       -- an e-mail address of the dashboard, or `command line`
  setting     text not null,       -- a key of [retention]
  days_before integer not null,
  days_after  integer not null,
  gone_days   integer not null,    -- days of clicks that were deleted by this change and those made together with it
  gone_clicks integer not null
) strict
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermChange:
    at_ms: int
    made_by: str
    setting: str
    days_before: int
    days_after: int
    gone_days: int
    gone_clicks: int


_CHANGE: Final = tuple(each.name for each in fields(TermChange))


class WorkspaceTerms:
    """The retention terms of a workspace that differ from `config.toml`."""

    def __init__(self, database: Database, workspace: WorkspaceId) -> None:
        self.database = database
        self._workspace = workspace

    @operation
    async def applied_to(self, settings: Settings) -> Settings:
        own = await self.database.fetch_all("select setting, days from terms where workspace = ?", (self._workspace,))
        known = {term.setting for term in TERMS.values()}  # a row may be of a term that no longer exists
        return with_days(settings, {setting: days for setting, days in own if setting in known})

    @operation
    async def put(self, days: Mapping[str, int], changes: Sequence[TermChange]) -> None:
        """Store new terms together with who changed them."""
        async with self.database.transaction() as writer:
            await writer.executemany(
                "insert or replace into terms values (?, ?, ?)",
                [(self._workspace, setting, number) for setting, number in days.items()],
            )
            await writer.executemany(
                f"insert into term_changes (workspace, {', '.join(_CHANGE)}) values (?, ?, ?, ?, ?, ?, ?, ?)",
                [(self._workspace, *(getattr(each, name) for name in _CHANGE)) for each in changes],
            )

    @operation
    async def changes(self, most: int) -> list[TermChange]:
        """The newest first."""
        rows = await self.database.fetch_all(
            f"select {', '.join(_CHANGE)} from term_changes where workspace = ? order by number desc limit ?",
            (self._workspace, most),
        )
        return [TermChange(**dict(zip(_CHANGE, row, strict=True))) for row in rows]


def with_days(settings: Settings, days: Mapping[str, Any]) -> Settings:
    """The settings with other days, by the keys of [retention]."""
    return replace(settings, **days)


def read_terms(wanted: Mapping[str, object]) -> dict[str, int]:
    """Days by name of a term to days by setting. Raises InvalidError."""
    known = {term.name: term.setting for term in TERMS.values() if term.setting and term.name != "tombstones"}
    read: dict[str, int] = {}
    for name, days in wanted.items():
        setting = known.get(name.removesuffix("_days"))
        if setting is None:
            raise InvalidError(f"{name} cannot be set; these can: {', '.join(known)}.")
        read[setting] = read_setting(f"[retention] {setting}", days, called=name)
    return read
