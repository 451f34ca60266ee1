"""Builds the tracker of a workspace: visit readers, the present plans, salts, opt-outs and caps."""

from collections.abc import Collection

from tnc.core.conversions import counts_for_cap
from tnc.core.models import OfferId
from tnc.store.workspace import House
from tnc.tracking.caps import Caps, Recount
from tnc.tracking.identity import Pseudonyms
from tnc.tracking.tracker import Tracker
from tnc.visitors.client_ip import ClientAddress
from tnc.visitors.rate import Frequency
from tnc.visitors.visit import VisitReader


def visit_reader(house: House, frequency: Frequency | None = None) -> VisitReader:
    return VisitReader(
        address=ClientAddress(house.settings.trusted_proxies),
        geo=house.geo(),
        agents=house.agents,
        elsewhere=house.settings.default_mode_elsewhere,
        frequency=frequency,
    )


def make_tracker(house: House, looker: VisitReader, reader: VisitReader | None = None) -> Tracker:
    """A tracker with the present configuration, the stored salts and the caps as they stand.

    `reader` reads real visits and counts their frequency; `looker` reads test visits. One may do both.
    """
    keys = house.keyring.workspace(house.workspace)
    tracker = Tracker(
        workspace=house.workspace,
        world=house.world,
        reader=reader or looker,
        looker=looker,
        plans=house.plans(house.versions.latest(house.workspace)),
        pseudonyms=Pseudonyms(house.workspace, keys.cookie_key),
    )
    tracker.objections = house.objections()
    tracker.take_salts(keys.salts)
    tracker.caps.counted(recount_caps(house, tracker.caps, tracker.take_plans(tracker.plans)))
    return tracker


def recount_caps(house: House, caps: Caps, offers: Collection[OfferId]) -> Recount:
    """Count the recorded conversions of these offers in their present cap periods."""
    since_ms = caps.since_ms(offers, house.world.now_ms())
    up_to = house.stories.last_words() if offers else {}
    counted = [
        (story.offer, conversion.converted_at_ms)
        for story in house.stories.converted_since(since_ms, up_to=up_to)
        if story.offer is not None and story.offer in offers
        for conversion in story.conversions
        if counts_for_cap(conversion)
    ]
    return Recount(offers=frozenset(offers), conversions=counted, up_to=up_to)
