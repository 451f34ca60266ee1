"""The objects that the handlers of a tracking domain share."""

from dataclasses import dataclass, field

from tnc.admin.services import Services
from tnc.core.clock import World
from tnc.store.days.click_log import ClickLog
from tnc.tracking.tracker import Tracker
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.rate import ClickRate
from tnc.web.tracking.paths import UnknownPaths


@dataclass(frozen=True, slots=True)
class Tracking:
    """One served workspace. The methods of `services` block, so handlers call them in threads."""

    services: Services
    tracker: Tracker
    click_log: ClickLog
    unknown_paths: UnknownPaths = field(default_factory=UnknownPaths)
    form_rate: ClickRate = field(default_factory=ClickRate)  # of requests to the privacy page, by IP address

    @property
    def proxies(self) -> ClientIpReader:
        return ClientIpReader(self.services.workspace.settings.trusted_proxies)

    @property
    def world(self) -> World:
        return self.tracker.world

    @property
    def page_key(self) -> bytes:
        """The key that signs test links and encrypts the URLs of double meta refreshes."""
        return self.services.workspace.keys.control_key
