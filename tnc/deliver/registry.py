"""Every type of destination. A new one is a file of its own and a line here."""

from collections.abc import Mapping
from typing import Final

from tnc.deliver.csv_feeds import GOOGLE_CSV, MICROSOFT_CSV
from tnc.deliver.google_ads import GOOGLE_ADS
from tnc.deliver.google_data_manager import GOOGLE_DATA_MANAGER
from tnc.deliver.meta import META
from tnc.deliver.platform import Platform
from tnc.deliver.postback import POSTBACK
from tnc.deliver.tiktok import TIKTOK
from tnc.deliver.webhook import WEBHOOK
from tnc.model import DestinationType

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
