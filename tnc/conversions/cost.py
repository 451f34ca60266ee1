"""What a conversion costs where the source is paid by conversion or takes a share of the revenue."""

from decimal import Decimal

from tnc.model import Campaign, ConversionStatus
from tnc.money import micros


def conversion_cost(
    campaign: Campaign | None,
    *,
    event: str | None,
    status: ConversionStatus | None,
    payout_micros: int | None,
    currency: str | None,
) -> tuple[int | None, str | None]:
    """Micros and currency; (None, None) where this campaign owes nothing for this conversion (yet).

    `cpa` is owed for a lead or a sale, once and not again for events beside it; `revshare` is a
    share of what every sale and event earns. What was rejected costs 0.
    """
    cost = campaign.cost if campaign else None
    if cost is None or cost.amount is None or status is None:
        return None, None
    if cost.model == "cpa" and event is None:
        return (0 if status == "rejected" else micros(cost.amount)), cost.currency
    if cost.model == "revshare" and status != "lead" and payout_micros is not None:
        return (0 if status == "rejected" else round(payout_micros * Decimal(str(cost.amount)))), currency
    return None, None
