"""What a link says of the visitor in so many words, hashed: only after an explicit yes.

The owner's own links may carry an e-mail address or the like, under the short names of Meta's manual advanced
matching (`em`, `ph`, `fn`, ...). It is sent hashed, and only where the visitor granted consent.
"""

from collections.abc import Mapping

from tnc.deliver.delivery import Delivery
from tnc.deliver.normalise import Normaliser, hashed


def person(delivery: Delivery, table: Mapping[str, tuple[str, Normaliser]]) -> dict[str, str]:
    """`table` is parameter -> (field of the platform, its normaliser); the hashes by field."""
    if delivery.consent != "granted" or delivery.mode != "full":
        return {}
    params = delivery.click.visit.params
    found = {}
    for parameter, (theirs, normalise) in table.items():
        if (plain := normalise(params.get(parameter, ""), delivery.country)) is not None:
            found[theirs] = hashed(plain)
    return found
