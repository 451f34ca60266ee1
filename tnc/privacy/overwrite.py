"""Overwrite deleted data that SQLite leaves in the unused parts of its pages.

`secure_delete` overwrites a deleted cell, but not the copies that stay behind when cells are moved from one page to
another: of 2000 deleted identifiers up to a handful are still there. `vacuum` would rewrite the whole file and block
all other writes. SQLite's own `scrub.c` overwrites all unused bytes of a copy; this module does the same in place, only
where deleted data was found.

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
    """The unused parts of a b-tree page: the gap before its cells, and its free blocks. Other pages have none.

    `first`: it is page 1, which begins with the file header.
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
            return []  # not as SQLite writes it: leave the page alone
        freed = following
    return spans


def overwrite_unused(path: Path, hits: Iterable[Hit]) -> int:
    """Overwrite the unused part around each hit. Returns how many were overwritten.

    No other connection may write to the database. A hit within a cell in use is left alone: it belongs to another row,
    which contains these bytes by chance.
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
