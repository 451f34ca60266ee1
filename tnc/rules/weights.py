"""Weighted rendezvous hashing: a visitor keeps their option, and each option gets its share of visitors.

Every option gets a score from a hash of the visitor and the option; the highest score wins. Removing an option
therefore moves only the visitors who had it, and adding one moves only the visitors who get it.
Mark Schmidt, "Weighted rendezvous hashing": score = ln(u) / weight, with u uniform in (0, 1).
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
    """Options to pick from, without those of weight 0. Each has a hash of its constant part, to be copied per pick."""

    options: tuple[tuple[Id, int, Any], ...]

    @classmethod
    def between(cls, options: list[Option[Id]], *seed: str) -> "Draw[Id]":
        """`seed` names what is drawn: the campaign, the flow, and `lander` or `offer`."""
        return cls(
            tuple(
                (option.id, option.weight, blake2b("\0".join((*seed, option.id, "")).encode(), digest_size=8))
                for option in options
                if option.weight > 0
            )
        )

    def pick(self, key: bytes, excluded: Container[Id] = ()) -> Id | None:
        """The option for this key among those that are not excluded; None when all are."""
        if len(self.options) == 1:
            only = self.options[0][0]
            return None if only in excluded else only
        best: Id | None = None
        highest = -math.inf
        for identity, weight, prepared in self.options:
            if identity in excluded:
                continue
            hashed = prepared.copy()
            hashed.update(key)
            (drawn,) = _UNSIGNED.unpack(hashed.digest())
            # Half a step up, so that the logarithm of 0 is never asked for.
            score = math.log((drawn + 0.5) / _SCALE) / weight
            if score > highest:
                best, highest = identity, score
        return best

    def shares(self, excluded: Container[Id] = ()) -> dict[Id, float]:
        """The part of the visitors that each option gets, 0 to 1."""
        live = {identity: weight for identity, weight, _ in self.options if identity not in excluded}
        total = sum(live.values())
        return {identity: weight / total for identity, weight in live.items()}
