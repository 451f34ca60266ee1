"""Opt-outs in memory: keyed hashes of pseudonyms and IP addresses, compared on each visit while there are any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tnc.core.models import Visit


@dataclass(slots=True)
class OptOuts:
    """`hash_of` gives the hash of a kind (`visitor`, `address`, `browser`) and a value, as `Erasures.hash` does."""

    hash_of: Callable[[str, str], bytes] = lambda _kind, _value: b""
    _hashes: Mapping[str, set[bytes]] = field(default_factory=dict)

    def replace(self, hashes: Mapping[str, set[bytes]]) -> None:
        """Use these hashes by kind from now on."""
        self._hashes = hashes

    def match(self, visitor: str, ip: str | None) -> bool:
        """Whether a visitor who is here now has opted out."""
        if not self._hashes:
            return False
        return self._has("visitor", visitor) or (ip is not None and self._has("address", ip))

    def match_visit(self, visit: Visit) -> bool:
        """Whether nothing of a stored visit may be sent: its visitor, address or browser has opted out since."""
        if not self._hashes:
            return False
        known = ("visitor", visit.visitor), ("address", visit.ip), ("browser", visit.browser_id)
        return any(value is not None and self._has(kind, value) for kind, value in known)

    def _has(self, kind: str, value: str) -> bool:
        known = self._hashes.get(kind)
        return known is not None and self.hash_of(kind, value) in known
