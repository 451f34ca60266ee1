"""Emptying what SQLite leaves in the unused parts of its pages.

`secure_delete` overwrites a cell that is deleted, but not the copies that stay behind when cells are moved
from one page to another: of 2000 deleted identifiers up to a handful are still there. `vacuum` writes the
whole file anew, and for that time nothing else; what SQLite's own `scrub.c` does to a copy (overwrite all
that is not in use) is done here in place, only where something was found.

https://www.sqlite.org/fileformat2.html#b_tree_pages
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tnc.privacy.byte_scan import Hit

_HEADER: Final = struct.Struct(">BHHH")
_PAIR: Final = struct.Struct(">HH")
_SIZE_AT: Final = 16
_INTERIOR: Final = (2, 5)
_LEAF: Final = (10, 13)

Span = tuple[int, int]


def unused_spans(page: bytes, *, first: bool) -> list[Span]:
    """The parts of a b-tree page that hold nothing: the gap before its cells, and its freed blocks.

    `first`: it is page 1, which begins with the header of the file. Any other kind of page has none.
    """
    at = 100 if first else 0
    kind, freed, cells, content = _HEADER.unpack_from(page, at)
    if kind not in (*_INTERIOR, *_LEAF):
        return []
    spans = [(at + (12 if kind in _INTERIOR else 8) + 2 * cells, min(content or 65536, len(page)))]
    while freed:
        following, size = _PAIR.unpack_from(page, freed)
        spans.append((freed + _PAIR.size, freed + size))
        if following and following <= freed:
            return []  # not as SQLite writes it: nothing here is touched
        freed = following
    return spans


def overwrite_unused(path: Path, hits: Iterable[Hit]) -> int:
    """Overwrite the unused part around each place in a database that nobody else has open to write; how many were.

    What lies within a cell in use is left alone: it belongs to another row, which holds these bytes by chance.
    """
    done = 0
    with path.open("r+b", buffering=0) as file:
        (size,) = struct.unpack(">H", os.pread(file.fileno(), 2, _SIZE_AT))
        size = 65536 if size == 1 else size
        for hit in hits:
            number, at = divmod(hit.start, size)
            page = os.pread(file.fileno(), size, number * size)
            for start, end in unused_spans(page, first=number == 0):
                if start <= at and at + hit.end - hit.start <= end:
                    os.pwrite(file.fileno(), bytes(end - start), number * size + start)
                    done += 1
        os.fsync(file.fileno())
    return done
