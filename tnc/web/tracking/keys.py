"""What the tracking side's handlers share; there is no other state."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tnc.conversions.incoming import Incoming
from tnc.live.tracker import Tracker
from tnc.recording import Recorded, Speaker
from tnc.store.clicklog import ClickLog
from tnc.store.stories import Stories
from tnc.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """One served workspace. `convert` stores a word about a conversion and tells the caps."""

    world: World
    tracker: Tracker
    log: ClickLog
    stories: Stories
    convert: Callable[[Incoming, Speaker], Awaitable[Recorded]]
    version: str
    page_key: bytes
