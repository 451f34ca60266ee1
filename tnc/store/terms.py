"""How long everything is kept: one table, which the map, the retention, the pages and the documents read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tnc.settings import Settings

BACKUP_HORIZON_DAYS: Final = 180
"""How long a copy that somebody made of an import or with another tool may turn up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`setting` names the number of days in `config.toml` [retention]; None: the number is fixed here.

    `days` is then the fixed number; None without a setting means as long as the installation.
    """

    name: str
    text: str
    setting: str | None = None
    days: int | None = None


TERMS: Final[Mapping[str, Term]] = {
    each.name: each
    for each in (
        Term(name="clicks", text="clicks, their conversions, deliveries and postbacks", setting="clicks_days"),
        Term(name="rollups", text="sums for reports of older times", setting="rollups_days"),
        Term(name="logs", text="server logs", setting="logs_days"),
        Term(name="support", text="questions that were asked, and their answers", setting="support_days"),
        Term(name="billing", text="billing records", setting="billing_days"),
        Term(name="accounts", text="the data of a deleted account", setting="accounts_days"),
        Term(name="sessions", text="who is signed in to the dashboard", days=1),
        Term(name="salts", text="what makes the pseudonyms of visitors without a cookie", days=2),
        Term(name="exports", text="copies made for a person", days=7),
        Term(name="requests", text="requests of people, after they are closed", days=730),
        Term(name="receipts", text="receipts of erasures", days=730),
        Term(name="objections by address", text="addresses whose visits leave no trace", days=30),
        Term(name="objections", text="visitors whose visits leave no trace", days=90),
        Term(
            name="tombstones",
            text=f"keyed hashes of erased clicks: as long as clicks, and {BACKUP_HORIZON_DAYS} days",
            setting="clicks_days",
        ),
        Term(name="installation", text="as long as this installation"),
    )
}

DAY_MS: Final = 86_400_000


def days_of(name: str, settings: Settings) -> int | None:
    """The days of a term; None: as long as the installation."""
    term = TERMS[name]
    if term.setting is None:
        return term.days
    days = int(getattr(settings, term.setting))
    return days + BACKUP_HORIZON_DAYS if name == "tombstones" else days


def in_words(settings: Settings) -> dict[str, str]:
    """Each term as people read it."""
    return {
        name: term.text if (days := days_of(name, settings)) is None else f"{name}: {days} days"
        for name, term in TERMS.items()
    }
