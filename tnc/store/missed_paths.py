"""Requests for paths that look like a campaign's and are none: paid clicks that were answered with 404.

Only such paths are stored, without their queries.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from tnc.core.clock import DAY_MS

_KEPT_MS: Final = 7 * DAY_MS
_MOST: Final = 100


class MissedPath(msgspec.Struct, frozen=True, kw_only=True):
    """`campaign_path` is the one that it looks like."""

    path: str
    campaign_path: str
    count: int
    last_at_ms: int


def read_missed_paths(file: Path, *, now_ms: int) -> list[MissedPath]:
    """Those of the last seven days, the most frequent first. Nothing where the file is missing or damaged."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[MissedPath])
    except (OSError, msgspec.MsgspecError):
        return []
    return [each for each in found if now_ms - each.last_at_ms < _KEPT_MS]


def add_missed_paths(file: Path, new: Iterable[tuple[str, str, int]], *, now_ms: int) -> None:
    """`new`: path, path of the campaign, count. Raises OSError."""
    known = {each.path: each for each in read_missed_paths(file, now_ms=now_ms)}
    for path, campaign_path, count in new:
        before = known[path].count if path in known else 0
        known[path] = MissedPath(path=path, campaign_path=campaign_path, count=before + count, last_at_ms=now_ms)
    most = sorted(known.values(), key=lambda each: each.count, reverse=True)[:_MOST]
    changed = file.with_name(f"{file.name}.new")
    changed.write_bytes(msgspec.json.encode(most))
    changed.replace(file)
