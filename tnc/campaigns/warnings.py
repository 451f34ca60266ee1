"""What a valid configuration would still lose money by: said when it is planned, in the doctor and in a test run."""

from collections.abc import Iterator, Mapping
from typing import Any

from tnc.campaigns.templates.catalogue import NetworkTemplate, all_templates, recognise
from tnc.core.models import Configuration, Lander, Offer
from tnc.rules.templates import UrlTemplate


def warnings(configuration: Configuration) -> list[str]:
    """A sentence for each offer whose URL does not carry the click id, without which no conversion can come back, and
    for each flow that no visitor can take.
    """
    lost = (missing_click_id(offer) for offer in configuration.offers.values() if not offer.archived)
    return [*(text for text in lost if text is not None), *_without_weight(configuration)]


def _without_weight(configuration: Configuration) -> Iterator[str]:
    """Flows in which every lander, or every offer, that is not paused has weight 0."""
    for campaign in configuration.campaigns.values():
        for flow in campaign.flows:
            if campaign.archived or flow.archived or flow.paused:
                continue
            landers = [each for each in flow.landers if not each.paused and _is_live(configuration.landers, each.id)]
            offers = [each for each in flow.offers if not each.paused and _is_live(configuration.offers, each.id)]
            for noun, options in (("lander", landers), ("offer", offers)):
                if options and not any(each.weight for each in options):
                    yield (
                        f"campaign {campaign.id!r}, flow {flow.id!r}: every {noun} that is not paused has weight 0, so "
                        "no visitor takes this flow; give one a weight above 0, or pause the flow."
                    )


def _is_live(things: Mapping[Any, Lander | Offer], id_: str) -> bool:
    found = things.get(id_)
    return found is not None and not (found.paused or found.archived)


def missing_click_id(offer: Offer) -> str | None:
    """Why conversions of an offer cannot be matched, and the parameter that its network reads; None when they can."""
    if "click_id" in UrlTemplate.parse(offer.url).macros:
        return None
    network = _network(offer)
    sign = "&" if "?" in offer.url else "?"
    if network is None or network.append is None:
        return (
            f"offer {offer.id!r}: its URL has no {{click_id}}, so no conversion can come back to its click; add the "
            f"network's sub id parameter, for example {sign}subid={{click_id}}."
        )
    return (
        f"offer {offer.id!r}: its URL has no {{click_id}}, so no conversion can come back to its click; add "
        f"{sign}{network.append.lstrip('&?')}, which is what {network.name} reads."
    )


def _network(offer: Offer) -> NetworkTemplate | None:
    named = (each for each in all_templates() if isinstance(each, NetworkTemplate) and each.id == offer.network)
    return next(named, None) or next(iter(recognise(offer.url)), None)
