"""The puncturable key of a day: one short secret that opens every record except the erased ones.

A GGM tree (Goldreich, Goldwasser, Micali 1986; "puncturable" use: Green and Miers 2015). The root is 32 random bytes;
the two children of a node are the halves of its BLAKE2b-512; leaf number `seq` is the key of record `seq`. Stored is
the *frontier*: the smallest set of nodes from which every remaining leaf can be derived. At first it is the root.
`puncture(seq)` replaces the node above that leaf by the siblings on the path down to it, so the leaf and all its
ancestors are gone and every other leaf remains.

Leaves are numbered in the order of arrival and never by anything about a person: the frontier shows which leaves are
punctured, and a number that is derived from an IP address could be found by trying all addresses.

`tests/vectors/tree.json` fixes the construction.
"""

import struct
from collections.abc import Iterable
from hashlib import blake2b

DEPTH = 28
"""268,435,456 records per day and workspace; a punctured leaf costs at most 28 nodes of 37 bytes."""

NODE_BYTES = 32
_PERSON = b"tnc-ggm"
_ENTRY = struct.Struct(">BI32s")

Position = tuple[int, int]  # depth, number from the left


class PuncturedError(Exception):
    """The leaf was punctured: its record is erased."""


def children(node: bytes) -> tuple[bytes, bytes]:
    both = blake2b(node, digest_size=2 * NODE_BYTES, person=_PERSON).digest()
    return both[:NODE_BYTES], both[NODE_BYTES:]


def _leaves(position: Position) -> tuple[int, int]:
    """(first, last) leaf below a node."""
    depth, number = position
    width = 1 << (DEPTH - depth)
    return number * width, (number + 1) * width - 1


class PuncturableKey:
    """A tree of record keys, known by its frontier."""

    def __init__(self, frontier: Iterable[tuple[Position, bytes]]) -> None:
        self._frontier = dict(frontier)
        self._reset_path()

    @classmethod
    def from_root(cls, root: bytes) -> "PuncturableKey":
        return cls([((0, 0), root)])

    @classmethod
    def load(cls, text: bytes) -> "PuncturableKey":
        return cls(((depth, number), node) for depth, number, node in _ENTRY.iter_unpack(text))

    def dump(self) -> bytes:
        return b"".join(_ENTRY.pack(*position, node) for position, node in sorted(self._frontier.items()))

    @property
    def positions(self) -> frozenset[Position]:
        """The positions of the frontier's nodes, without their keys."""
        return frozenset(self._frontier)

    def gaps(self) -> list[tuple[int, int]]:
        """(first, last) of every run of punctured leaves, in order."""
        gaps, after = [], 0
        for first, last in sorted(_leaves(position) for position in self._frontier):
            if first > after:
                gaps.append((after, first - 1))
            after = last + 1
        return [*gaps, (after, (1 << DEPTH) - 1)] if after < 1 << DEPTH else gaps

    def _reset_path(self) -> None:
        # The pairs of children on the path to the last derived leaf, from the covering node down. Leaves that are
        # derived in order share most of their path: one hash a leaf on average instead of 28.
        self._path: list[tuple[bytes, bytes]] = []
        self._last: int | None = None
        self._top = 0

    def _cover(self, seq: int) -> Position:
        for depth in range(DEPTH + 1):
            position = (depth, seq >> (DEPTH - depth))
            if position in self._frontier:
                return position
        raise PuncturedError

    def is_punctured(self, seq: int) -> bool:
        try:
            self._cover(seq)
        except PuncturedError:
            return True
        return False

    def leaf(self, seq: int) -> bytes:
        """The 32-byte key of record `seq`. Raises PuncturedError."""
        if not 0 <= seq < 1 << DEPTH:
            raise ValueError(f"no such leaf: {seq}")
        if self._last is None or (seq ^ self._last) >> (DEPTH - self._top):
            top, number = self._cover(seq)
            self._top, self._path = top, []
            node = self._frontier[top, number]
            if top == DEPTH:
                self._reset_path()
                return node
            start = top
        else:
            start = DEPTH - (seq ^ self._last).bit_length() if seq != self._last else DEPTH - 1
            del self._path[start - self._top + 1 :]
            if start == DEPTH - 1:
                self._last = seq
                return self._path[-1][seq & 1]
            node = self._path[-1][(seq >> (DEPTH - 1 - start)) & 1]
            start += 1
        for depth in range(start, DEPTH):
            pair = children(node)
            self._path.append(pair)
            node = pair[(seq >> (DEPTH - 1 - depth)) & 1]
        self._last = seq
        return node

    def puncture(self, seq: int) -> bool:
        """Puncture leaf `seq`: final once the previous frontier is overwritten. False if it was punctured before."""
        try:
            top, number = self._cover(seq)
        except PuncturedError:
            return False
        self._reset_path()
        node = self._frontier.pop((top, number))
        for depth in range(top, DEPTH):
            pair = children(node)
            below = seq >> (DEPTH - 1 - depth)
            self._frontier[depth + 1, below ^ 1] = pair[(below & 1) ^ 1]
            node = pair[below & 1]
        return True
