"""Every type of destination. A new one is a file of its own and a line here."""

from collections.abc import Mapping
from typing import Final

from tnc.core.models import DestinationType
from tnc.destinations.platforms.base import Platform
from tnc.destinations.platforms.csv_feeds import GOOGLE_CSV, MICROSOFT_CSV
from tnc.destinations.platforms.google_ads import GOOGLE_ADS
from tnc.destinations.platforms.google_data_manager import GOOGLE_DATA_MANAGER
from tnc.destinations.platforms.meta import META
from tnc.destinations.platforms.postback import POSTBACK
from tnc.destinations.platforms.tiktok import TIKTOK
from tnc.destinations.platforms.webhook import WEBHOOK

DESTINATIONS: Final[Mapping[DestinationType, Platform]] = {
    each.type: each
    for each in (
        META,
        TIKTOK,
        GOOGLE_DATA_MANAGER,
        GOOGLE_ADS,
        GOOGLE_CSV,
        MICROSOFT_CSV,
        POSTBACK,
        WEBHOOK,
    )
}
