"""What the search for words in the clear found, as it is kept: files, kinds and counts, and never a word itself."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

ROW_WITHOUT_KEY: Final = "row whose key is destroyed"

Stamp = tuple[int, int]
"""Of a file: nanoseconds of its last change, and its size."""


class Leak(Struct, frozen=True, kw_only=True):
    """Something in the clear. `count` stops where more would say no more."""

    file: str  # below the data directory
    kind: str
    count: int


class Inspection(Struct, frozen=True, kw_only=True):
    """One search."""

    at_ms: int  # when it ended
    clicks: int  # whose words were looked for
    words: int
    files: int  # that were looked through
    bytes: int
    unchanged: int  # files that were clean before and were not written to since
    left: int  # files that could not be read, or that time did not suffice for
    leaks: list[Leak]
    clean_at_ms: int | None  # when the last search ended that found nothing and left nothing
    seen: dict[str, Stamp]  # clean files


def last_inspection(path: Path) -> Inspection | None:
    """None when there was none, or what is left of it cannot be read: then it is made again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Inspection)
    except (OSError, msgspec.MsgspecError):
        return None


def keep_inspection(path: Path, inspection: Inspection) -> None:
    """Whole or not at all; that it outlives a power cut is not needed."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(inspection))
    new.chmod(0o600)
    new.replace(path)


def stamp_of(path: Path) -> Stamp | None:
    """None when it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
