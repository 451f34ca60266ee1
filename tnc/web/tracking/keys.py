"""What the tracking side's handlers share; there is no other state."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tnc.live.tracker import Tracker
from tnc.receiving import Answered, Heard
from tnc.store.clicklog import ClickLog
from tnc.store.stories import Stories
from tnc.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """One served workspace. `hear` takes a call that tells of a conversion: stored when it is answered."""

    world: World
    tracker: Tracker
    log: ClickLog
    stories: Stories
    hear: Callable[[Heard], Awaitable[Answered]]
    version: str
    page_key: bytes
