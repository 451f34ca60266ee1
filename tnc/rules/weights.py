"""Weighted rendezvous hashing: the same visitor keeps the same option, and each option its share of visitors.

Every option gets a score from a hash of the visitor and itself, and the highest score wins. Taking an option away
therefore moves only the visitors who had it, and adding one moves only those who get it.
Mark Schmidt, "Weighted rendezvous hashing": score = ln(u) / weight, u even in (0, 1).
"""

import math
from collections.abc import Container
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, Generic, NamedTuple, TypeVar

Id = TypeVar("Id", bound=str)
_UNSIGNED: Final = Struct(">Q")
_SCALE: Final = 2.0**64


class Option(NamedTuple, Generic[Id]):
    id: Id
    weight: int


@dataclass(frozen=True, slots=True)
class Draw(Generic[Id]):
    """Options that are drawn from, those with weight 0 left out, each with the hash of what never changes."""

    options: tuple[tuple[Id, int, Any], ...]

    @classmethod
    def between(cls, options: list[Option[Id]], *seed: str) -> "Draw[Id]":
        """`seed` says what is drawn: the campaign, the flow, and whether a lander or an offer."""
        return cls(
            tuple(
                (option.id, option.weight, blake2b("\0".join((*seed, option.id, "")).encode(), digest_size=8))
                for option in options
                if option.weight > 0
            )
        )

    def pick(self, who: bytes, gone: Container[Id] = ()) -> Id | None:
        """The option of this visitor among those that are not gone; None when all are."""
        if len(self.options) == 1:
            only = self.options[0][0]
            return None if only in gone else only
        best: Id | None = None
        highest = -math.inf
        for identity, weight, keyed in self.options:
            if identity in gone:
                continue
            hashed = keyed.copy()
            hashed.update(who)
            (drawn,) = _UNSIGNED.unpack(hashed.digest())
            # Half a step up, so that the logarithm of 0 is never asked for.
            score = math.log((drawn + 0.5) / _SCALE) / weight
            if score > highest:
                best, highest = identity, score
        return best

    def shares(self, gone: Container[Id] = ()) -> dict[Id, float]:
        """What part of the visitors each option gets, 0 to 1."""
        live = {identity: weight for identity, weight, _ in self.options if identity not in gone}
        total = sum(live.values())
        return {identity: weight / total for identity, weight in live.items()}
