"""Builds the tracker of a workspace: visit readers, current plans, salts, opt-outs and caps."""

from collections.abc import Collection

from tnc.campaigns.platforms.registry import COOKIES
from tnc.core.conversions import counts_for_cap
from tnc.core.models import OfferId
from tnc.store.workspace import Workspace
from tnc.tracking.caps import Caps, Recount
from tnc.tracking.identity import Pseudonyms
from tnc.tracking.tracker import Tracker
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.rate import ClickRate
from tnc.visitors.visit import VisitReader


def visit_reader(workspace: Workspace, frequency: ClickRate | None = None) -> VisitReader:
    return VisitReader(
        client_ip=ClientIpReader(workspace.settings.trusted_proxies),
        geo=workspace.geo(),
        user_agents=workspace.agents,
        default_mode=workspace.settings.default_mode_elsewhere,
        click_rate=frequency,
        platform_cookies=COOKIES,
    )


def make_tracker(workspace: Workspace, uncounted_reader: VisitReader, reader: VisitReader | None = None) -> Tracker:
    """A tracker with the current configuration, the stored salts and the counted caps.

    `reader` reads real visits and counts their frequency; `uncounted_reader` reads all other requests.
    """
    keys = workspace.keyring.workspace(workspace.id)
    tracker = Tracker(
        workspace=workspace.id,
        world=workspace.world,
        reader=reader or uncounted_reader,
        uncounted_reader=uncounted_reader,
        plans=workspace.plans(workspace.latest_version()),
        pseudonyms=Pseudonyms(workspace.id, keys.cookie_key),
    )
    tracker.opt_outs = workspace.opt_outs()
    tracker.take_salts(keys.salts)
    tracker.caps.finish_recount(recount_caps(workspace, tracker.caps, tracker.take_plans(tracker.plans)))
    return tracker


def recount_caps(workspace: Workspace, caps: Caps, offers: Collection[OfferId]) -> Recount:
    """Count the recorded conversions of these offers in their current cap periods."""
    since_ms = caps.since_ms(offers, workspace.world.now_ms())
    up_to = workspace.histories.last_events() if offers else {}
    conversions = [
        (history.offer, conversion.converted_at_ms)
        for history in workspace.histories.converted_since(since_ms, up_to=up_to)
        if history.offer is not None and history.offer in offers
        for conversion in history.conversions
        if counts_for_cap(conversion)
    ]
    return Recount(offers=frozenset(offers), conversions=conversions, up_to=up_to)
