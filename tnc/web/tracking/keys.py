"""What the tracking side's handlers share; there is no other state."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tnc.core.clock import World
from tnc.privacy.requests import PrivacyRequests
from tnc.store.days.click_log import ClickLog
from tnc.store.days.history import ClickHistories
from tnc.tracking.conversions.inbox import PostbackCall, PostbackReply
from tnc.tracking.tracker import Tracker
from tnc.visitors.rate import ClickRate
from tnc.web.tracking.paths import UnknownPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """One served workspace. `hear` takes a call that tells of a conversion: stored when it is answered.

    `file` gives what lies at a secret address for an ad platform to fetch.
    """

    world: World
    tracker: Tracker
    log: ClickLog
    histories: ClickHistories
    hear: Callable[[PostbackCall], Awaitable[PostbackReply]]
    file: Callable[[str], Awaitable[str | None]]
    privacy_requests: PrivacyRequests
    clicks_days: Callable[[], int]
    version: str
    page_key: bytes
    unknown_paths: UnknownPaths = field(default_factory=UnknownPaths)
    asking: ClickRate = field(default_factory=ClickRate)  # forms of the privacy page, by address
