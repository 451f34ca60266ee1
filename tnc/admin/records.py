"""Records of processing and data breach reports, made from the current configuration and stores.

They are drafts with the facts filled in and no legal advice: somebody has to read them before they are used.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date as Date
from typing import Any, Final
from urllib.parse import urlsplit

from tnc.admin.doctor import examine
from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import HOUR_MS
from tnc.core.errors import InvalidError
from tnc.core.fields import FIELDS, rfc3339
from tnc.core.models import Campaign, Configuration, Destination, Privacy
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import DayReader, utc_date
from tnc.store.terms import describe_terms
from tnc.store.workspace import Workspace

_CLOCK_HOURS: Final = 72

_UNKNOWN: Final = "unknown"


def processing(workspace: Workspace) -> dict[str, Any]:
    """Records of processing (GDPR 30): purposes, categories, receivers, retention times and measures."""
    version, configuration = workspace.configuration()
    return {
        "workspace": workspace.id,
        "config_version": version,
        "purposes": [_purpose(each) for each in configuration.campaigns.values() if not each.archived],
        "people": "visitors who follow a link of these campaigns",
        "categories": categories(),
        "receivers": list(receivers(configuration)),
        "retention": describe_terms(workspace.settings),
        "default_mode_elsewhere": workspace.settings.default_mode_elsewhere,
        "measures": [{"check": each.check, "state": each.state, "text": each.text} for each in examine(workspace)],
    }


def _purpose(campaign: Campaign) -> dict[str, Any]:
    what = "counting visits, crediting the traffic source, detecting bots"
    forwards = campaign.destinations or ()
    return {
        "campaign": campaign.id,
        "name": campaign.name,
        "purpose": what + (", reporting conversions to receivers" if forwards else ""),
        "receivers": list(forwards),
    }


def categories() -> list[dict[str, str]]:
    """The fields of a record that say something about a visitor."""
    personal = (Privacy.PII, Privacy.PSEUDONYM, Privacy.QUASI)
    return [
        {"field": name, "class": field.about.privacy.value, "text": field.about.text}
        for name, field in FIELDS.items()
        if field.about.privacy in personal and name != "headers"
    ]


def receivers(configuration: Configuration) -> Iterator[dict[str, str]]:
    """Destinations, the postbacks of sources, and networks."""
    for destination in all_destinations(configuration).values():
        if not destination.archived:
            yield _receiver(destination)
    for network in configuration.networks.values():
        if not network.archived:
            yield {
                "name": network.id, "type": "network", "host": _UNKNOWN, "country": _UNKNOWN,
                "gets": "the click id, in the URL of its offers",
            }  # fmt: skip


def _receiver(destination: Destination) -> dict[str, str]:
    platform = PLATFORMS[destination.type]
    url = destination.base_url or destination.settings.get("url")
    host = urlsplit(url).hostname if isinstance(url, str) else platform.host
    return {
        "name": destination.id,
        "type": destination.type,
        "host": host or _UNKNOWN,
        "country": platform.receiver.countries,
        "gets": platform.receiver.gets,
    }


# ---------------------------------------------------------------------------------------------------- a breach


def breach(workspace: Workspace, *, since_ms: int, until_ms: int) -> dict[str, Any]:
    """The facts for the notification of a data breach between two times (GDPR 33)."""
    if since_ms >= until_ms:
        raise InvalidError("--from must be before --to.")
    clicks, conversions = Counter[str](), 0
    people: dict[str, set[str]] = defaultdict(set)
    days: set[str] = set()
    for date, reader in _days_between(workspace, utc_date(since_ms), utc_date(until_ms - 1)):
        concerned: set[int] = set()
        for seq, click in reader.clicks():
            if since_ms <= click.clicked_at_ms < until_ms and not click.erased:
                country = click.visit.country or _UNKNOWN
                clicks[country] += 1
                people[country].add(click.visit.visitor or click.click_id)
                concerned.add(seq)
                days.add(date.isoformat())
        conversions += sum(seq in concerned for seq, _ in reader.conversions_since(0))
    now_ms = workspace.world.now_ms()
    everybody = len(set().union(*people.values()))
    result = {
        "from": rfc3339(since_ms),
        "to": rfc3339(until_ms),
        "days": sorted(days),
        "clicks": clicks.total(),
        "conversions": conversions,
        "visitors": everybody,
        "by_country": [
            {"country": country, "clicks": count, "visitors": len(people[country])}
            for country, count in clicks.most_common()
        ],
        "categories": categories(),
        "sealed": _SEALED,
        "became_aware_at": rfc3339(now_ms),
        "tell_the_authority_by": rfc3339(now_ms + _CLOCK_HOURS * HOUR_MS),
    }
    return result | {"draft": _DRAFT.format(**result)}


def _days_between(workspace: Workspace, first: Date, last: Date) -> Iterator[tuple[Date, DayReader]]:
    """The days of normal and of restricted clicks."""
    restricted = ClickHistories(workspace.paths.restricted, workspace.restricted_keyring, workspace.id)
    for histories in (workspace.histories, restricted):
        for date in histories.dates():
            if first <= date <= last:
                with histories.day(date) as reader:
                    yield date, reader


_SEALED: Final = (
    "every record is encrypted under a key of its own; the files are unreadable without the keyring and the key file"
)
_DRAFT: Final = """\
Notification of a personal data breach (Art. 33 GDPR). A draft: complete the text in brackets.

1. What happened: [describe it; when it began and ended; how it was discovered].
2. Persons concerned: about {visitors} visitors of links, {clicks} visits between {from} and {to}.
3. Data concerned: time and link of the visit, IP address and browser as far as they were stored, the destination
   of the redirect, and {conversions} conversions. No names, e-mail addresses or payment data, unless the traffic
   source put them into its links.
4. Protection: {sealed}. [Say whether the keyring and the key file were exposed too.]
5. Likely consequences: [if only files were taken: none, because they cannot be read; otherwise: describe].
6. Measures: [what was done; `tnc keys rotate` encrypts the keyring with a new key].
7. Contact: [name, e-mail, telephone].
We became aware at {became_aware_at}; the authority must be notified by {tell_the_authority_by}.
"""
