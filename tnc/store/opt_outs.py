"""Visitors who want no trace: keyed hashes of pseudonyms and addresses, looked up on each visit while there are any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tnc.core.models import Visit


@dataclass(slots=True)
class OptOuts:
    """`hashed` makes what `take` was given: a kind (`visitor`, `address`) and a value in, its hash out."""

    hashed: Callable[[str, str], bytes] = lambda _kind, _value: b""
    _held: Mapping[str, set[bytes]] = field(default_factory=dict)

    def take(self, held: Mapping[str, set[bytes]]) -> None:
        self._held = held

    def include(self, visitor: str, ip: str | None) -> bool:
        """Whether one of those who object is here."""
        if not self._held:
            return False
        return self._is_held("visitor", visitor) or (ip is not None and self._is_held("address", ip))

    def concern(self, visit: Visit) -> bool:
        """Whether nobody may be told of a visit that was: its visitor objects, or opted out in its browser since."""
        if not self._held:
            return False
        known = ("visitor", visit.visitor), ("address", visit.ip), ("browser", visit.browser_id)
        return any(value is not None and self._is_held(kind, value) for kind, value in known)

    def _is_held(self, kind: str, value: str) -> bool:
        known = self._held.get(kind)
        return known is not None and self.hashed(kind, value) in known
