"""The network that a postback belongs to, and whether its key and IP address are accepted."""

import hmac
import ipaddress
from collections.abc import Mapping

from tnc.core.errors import InvalidError
from tnc.core.models import Network, NetworkId, Offer

WRONG_KEY = "wrong key"
WRONG_ADDRESS = "address not allowed"


def network_of(
    *,
    offer: Offer | None,
    recorded: NetworkId | None,
    named: NetworkId | None,
    networks: Mapping[NetworkId, Network],
) -> Network | None:
    """The network of the offer that the click was sent to, else the one stored with the click, else the one that the
    postback names with `&network=ID`.
    """
    own = (offer.network if offer else None) or recorded
    if own is not None and own in networks:
        return networks[own]
    if named is not None and named not in networks:
        raise InvalidError("unknown network: `tnc export` lists the ids, or leave the parameter out")
    return networks[named] if named is not None else None


def refusal(network: Network | None, *, key: str | None, peer_ip: str) -> str | None:
    """The text of a 403, or None when the postback is accepted.

    Called after the click was found: an unknown click is answered as such, so that postbacks about old clicks do not
    look like an attack.
    """
    if network is None:
        return None
    if network.key is not None and not hmac.compare_digest((key or "").encode(), network.key.encode()):
        return WRONG_KEY
    if network.allow_ips and not _within(peer_ip, network.allow_ips):
        return WRONG_ADDRESS
    return None


def _within(ip: str, prefixes: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(ip.partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in ipaddress.ip_network(prefix, strict=False) for prefix in prefixes)
