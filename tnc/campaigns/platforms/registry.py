"""Every platform, by its type. A new one is a file of its own and a line here."""

from collections.abc import Mapping
from typing import Final

from tnc.campaigns.platforms.base import Platform
from tnc.campaigns.platforms.csv_feeds import GOOGLE_CSV, MICROSOFT_CSV
from tnc.campaigns.platforms.google_ads import GOOGLE_ADS
from tnc.campaigns.platforms.google_data_manager import GOOGLE_DATA_MANAGER
from tnc.campaigns.platforms.meta import META
from tnc.campaigns.platforms.postback import POSTBACK
from tnc.campaigns.platforms.snapchat import SNAPCHAT
from tnc.campaigns.platforms.tiktok import TIKTOK
from tnc.campaigns.platforms.webhook import WEBHOOK

PLATFORMS: Final[Mapping[str, Platform]] = {
    each.type: each
    for each in (
        META,
        TIKTOK,
        SNAPCHAT,
        GOOGLE_DATA_MANAGER,
        GOOGLE_ADS,
        GOOGLE_CSV,
        MICROSOFT_CSV,
        POSTBACK,
        WEBHOOK,
    )
}

CLICK_IDS: Final = tuple(dict.fromkeys(name for each in PLATFORMS.values() for name in each.click_ids[:1]))
"""The usual click id parameter of every platform's ads, as a test click brings them."""

COOKIES: Final = tuple(dict.fromkeys(name for each in PLATFORMS.values() for name in each.cookies))
"""Cookies of the platforms' pixels."""
