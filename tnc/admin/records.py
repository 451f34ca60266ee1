"""Records of processing, and the kit for a breach: made from what is really configured and stored.

Not legal advice: drafts with the facts filled in, to be read by a person before they are used.
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
from tnc.store.terms import in_words
from tnc.store.workspace import Workspace

_CLOCK_HOURS: Final = 72

_UNKNOWN: Final = "unknown"


def processing(workspace: Workspace) -> dict[str, Any]:
    """Records of processing (GDPR 30): purposes, categories, receivers, terms, measures, as they are now."""
    version, configuration = workspace.configuration()
    return {
        "workspace": workspace.id,
        "config_version": version,
        "purposes": [_purpose(each) for each in configuration.campaigns.values() if not each.archived],
        "people": "visitors who follow a link of these campaigns",
        "categories": categories(),
        "receivers": list(receivers(configuration)),
        "retention": in_words(workspace.settings),
        "default_mode_elsewhere": workspace.settings.default_mode_elsewhere,
        "measures": [{"check": each.check, "state": each.state, "text": each.text} for each in examine(workspace)],
    }


def _purpose(campaign: Campaign) -> dict[str, Any]:
    what = "counting visits, crediting the traffic source, telling people from programs"
    forwards = campaign.destinations or ()
    return {
        "campaign": campaign.id,
        "name": campaign.name,
        "purpose": what + (", reporting conversions to receivers" if forwards else ""),
        "receivers": list(forwards),
    }


def categories() -> list[dict[str, str]]:
    """What a record says of a person, by field."""
    said = (Privacy.PII, Privacy.PSEUDONYM, Privacy.QUASI)
    return [
        {"field": name, "class": field.about.privacy.value, "text": field.about.text}
        for name, field in FIELDS.items()
        if field.about.privacy in said and name != "headers"
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
                "gets": "the click id, in the address of its offers",
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
    """What a breach between two times would have to be told of: whom it concerns, and how many (GDPR 33)."""
    if since_ms >= until_ms:
        raise InvalidError("a breach begins before it ends: --from must be before --to.")
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
    told = {
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
    return told | {"draft": _DRAFT.format(**told)}


def _days_between(workspace: Workspace, first: Date, last: Date) -> Iterator[tuple[Date, DayReader]]:
    """Restricted clicks are stored as well."""
    restricted = ClickHistories(workspace.paths.restricted, workspace.restricted_keyring, workspace.id)
    for histories in (workspace.histories, restricted):
        for date in histories.dates():
            if first <= date <= last:
                with histories.day(date) as reader:
                    yield date, reader


_SEALED: Final = (
    "every record is encrypted under a key of its own; who has files without the keyring and the key file can read "
    "nothing of them"
)
_DRAFT: Final = """\
Notification of a personal data breach (Art. 33 GDPR). A draft: complete what stands in brackets.

1. What happened: [describe it; when it began and ended; how it was noticed].
2. Whom it concerns: about {visitors} visitors of links, {clicks} visits between {from} and {to}.
3. Which data: time and link of the visit, address and browser as far as they were stored, where the visitor was
   sent, and {conversions} reports of conversions. No names, e-mail addresses or payment data, as far as the
   traffic source did not put them into its links.
4. Protection: {sealed}. [Say whether the keyring and the key file were exposed as well.]
5. Likely consequences: [if only files were taken: none, because they cannot be read; else: describe].
6. Measures: [what was done; `tnc keys rotate` closes the keyring by a new key].
7. Contact: [name, e-mail, telephone].
We became aware at {became_aware_at}; the authority must be told by {tell_the_authority_by}.
"""
