"""What a valid configuration would still lose money by: said when it is planned, in the doctor and in a test run."""

from tnc.campaigns.templates.catalogue import NetworkTemplate, all_templates, recognise
from tnc.core.models import Configuration, Offer
from tnc.rules.templates import UrlTemplate


def warnings(configuration: Configuration) -> list[str]:
    """A sentence for each offer whose URL does not carry the click id, without which no conversion can come back."""
    return [
        text
        for offer in configuration.offers.values()
        if not offer.archived and (text := missing_click_id(offer)) is not None
    ]


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
