"""Campaigns: their links, and what each does, in campaign_text."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import web

from tnc.campaigns.warnings import missing_click_id
from tnc.core.errors import NotFoundError
from tnc.core.models import Campaign, CampaignId, Configuration, Filter, Network, Offer
from tnc.web.dashboard import campaign_text
from tnc.web.dashboard.keys import QUERIES, SERVICES
from tnc.web.dashboard.pages import page

_CLICK_ID_MACROS: Final = ("{click_id}", "{raw:click_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One campaign in the list."""

    campaign: Campaign
    link: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postback:
    """The postback URL for a network. `echo` is the parameter in which its offer's URL carries our click id."""

    network: Network | None
    url: str
    echo: str


async def index(request: web.Request) -> web.StreamResponse:
    """GET /campaigns"""
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    base = await asyncio.to_thread(request.app[QUERIES].link_base)
    lines = [
        Line(campaign=each, link=tracking_link(base.url, each), state=campaign_text.state(each))
        for each in configuration.campaigns.values()
    ]
    return page(
        request,
        "campaigns.html",
        current=[line for line in lines if not line.campaign.archived],
        archived=[line for line in lines if line.campaign.archived],
        sources=configuration.sources,
        link_base=base,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}"""
    base = await asyncio.to_thread(request.app[QUERIES].link_base)
    version, configuration = await request.app[SERVICES].workspace.load_configuration()
    campaign = configuration.campaigns.get(CampaignId(request.match_info["campaign_id"]))
    if campaign is None:
        raise NotFoundError("There is no campaign with this id; the page Campaigns lists all.")
    source = configuration.sources.get(campaign.source) if campaign.source else None
    offers = _offers_of(campaign, configuration)
    return page(
        request,
        "campaign.html",
        campaign=campaign,
        version=version,
        state=campaign_text.state(campaign),
        link=tracking_link(base.url, campaign),
        link_base=base,
        source=source,
        parameters=campaign_text.parameters(source) if source else (),
        filter=_filter(campaign, configuration),
        flows=[campaign_text.flow(each, configuration) for each in campaign.flows if not each.archived],
        otherwise=campaign_text.action(campaign.otherwise),
        settings=campaign_text.settings(campaign, configuration),
        offers=[(each, campaign_text.payout(each), campaign_text.cap(each.cap, configuration)) for each in offers],
        warnings=[text for each in offers if (text := missing_click_id(each)) is not None],
        postbacks=_postbacks(base.url, offers, configuration),
    )


def tracking_link(base: str, campaign: Campaign) -> str:
    return f"{base}/{quote(campaign.path)}"


def _filter(campaign: Campaign, configuration: Configuration) -> tuple[Filter, str] | None:
    found = configuration.filters.get(campaign.filter) if campaign.filter else None
    return (found, campaign_text.effect(found)) if found else None


def _offers_of(campaign: Campaign, configuration: Configuration) -> Sequence[Offer]:
    """The offers that a visit may reach, each once, in the order of the flows; also those that take over at a cap."""
    wanted = [offer.id for flow in campaign.flows if not flow.archived for offer in flow.offers]
    wanted += [campaign.otherwise.offer] if campaign.otherwise.offer else []
    for offer_id in wanted:  # grows while it is read: an offer that takes over may have a cap of its own
        offer = configuration.offers.get(offer_id)
        if offer and offer.cap and offer.cap.then and offer.cap.then not in wanted:
            wanted.append(offer.cap.then)
    return [configuration.offers[each] for each in dict.fromkeys(wanted) if each in configuration.offers]


def _postbacks(base: str, offers: Sequence[Offer], configuration: Configuration) -> Sequence[Postback]:
    """One for each network of these offers, made from the first of its offers."""
    first_of = {offer.network: offer for offer in reversed(offers)}
    return [
        _postback(base, offer, configuration.networks.get(network) if network else None)
        for network, offer in reversed(first_of.items())
    ]


def _postback(base: str, offer: Offer, network: Network | None) -> Postback:
    echo = _echo(offer.url)
    ours = f"cid={{{echo}}}&payout={{payout}}&currency={{currency}}&status={{status}}&txid={{transaction_id}}"
    key = f"&{urlencode({'key': network.key})}" if network and network.key else ""
    return Postback(network=network, url=f"{base}/postback?{ours}{key}", echo=echo)


def _echo(url: str) -> str:
    """The query parameter in which an offer's URL carries our click id."""
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if value in _CLICK_ID_MACROS:
            return name
    return "click_id"
