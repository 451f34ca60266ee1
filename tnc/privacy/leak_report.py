"""What the search for words in the clear found, as it is kept: files, kinds and counts, and never a word itself."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tnc.core.errors import FailedError
from tnc.core.fields import rfc3339
from tnc.core.process import Child
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace

ROW_WITHOUT_KEY: Final = "row whose key is destroyed"

FileStamp = tuple[int, int]
"""Of a file: nanoseconds of its last change, and its size."""


class Leak(Struct, frozen=True, kw_only=True):
    """Something in the clear. `count` stops where more would say no more."""

    file: str  # below the data directory
    kind: str
    count: int


class LeakReport(Struct, frozen=True, kw_only=True):
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
    seen: dict[str, FileStamp]  # clean files

    def to_json(self) -> dict[str, Any]:
        return {
            "at": rfc3339(self.at_ms),
            "clean_at": None if self.clean_at_ms is None else rfc3339(self.clean_at_ms),
            "clicks": self.clicks,
            "words": self.words,
            "files": self.files,
            "bytes": self.bytes,
            "unchanged": self.unchanged,
            "left": self.left,
            "leaks": [{"file": each.file, "kind": each.kind, "count": each.count} for each in self.leaks],
        }


def last_leak_report(path: Path) -> LeakReport | None:
    """None when there was none, or what is left of it cannot be read: then it is made again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LeakReport)
    except (OSError, msgspec.MsgspecError):
        return None


def save_leak_report(path: Path, inspection: LeakReport) -> None:
    """Whole or not at all; that it outlives a power cut is not needed."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(inspection))
    new.chmod(0o600)
    new.replace(path)


def stamp_of(path: Path) -> FileStamp | None:
    """None when it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def run_leak_search(config: Path) -> None:
    """All of it, and wait for it. Raises FailedError."""
    if subprocess.run(_words(config, "all"), check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own
        raise FailedError("the search could not be made; the lines above say why.")


def _words(config: Path, which: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tnc.privacy.leak_worker", str(config), which)


class LeakSearchSchedule:
    """Searches once each day (UTC) through the files that were written to since the last search."""

    def __init__(self, config: Path, workspace: Workspace) -> None:
        self._child = Child(_words(config, "changed"), "the search for words in the clear failed")
        self._workspace = workspace

    def last_ms(self) -> int | None:
        """When the last search ended; None when there was none."""
        last = last_leak_report(self._workspace.paths.inspection)
        return None if last is None else last.at_ms

    def start_if_due(self) -> None:
        """Start the child and do not wait for it. It is due on every other date than that of the last search, also on
        an earlier one: the clock may have been set back.
        """
        last_ms = self.last_ms()
        if last_ms is None or utc_date(last_ms) != utc_date(self._workspace.world.now_ms()):
            self._child.start()

    def stop(self) -> None:
        """A search that is cut off leaves the result of the last one."""
        self._child.stop()
