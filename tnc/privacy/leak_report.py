"""The result of a search for unencrypted personal data: files, kinds and counts, never the data itself."""

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

FileStamp = tuple[int, int]  # modification time in nanoseconds, and size in bytes


class Leak(Struct, frozen=True, kw_only=True):
    """Unencrypted personal data of one kind in one file. `count` has a limit."""

    file: str  # path below the data directory
    kind: str
    count: int


class LeakReport(Struct, frozen=True, kw_only=True):
    """The result of one search."""

    at_ms: int  # when it ended
    clicks: int  # in the sample whose personal data was searched for
    words: int  # different byte strings from these clicks
    files: int  # that were searched
    bytes: int
    unchanged: int  # files that were clean before and were not changed since
    left: int  # files that could not be read, or for which there was no time
    leaks: list[Leak]
    clean_at_ms: int | None  # when the last complete search without a finding ended
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
    """None when there was no search, or when its result cannot be read: then everything is searched again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LeakReport)
    except (OSError, msgspec.MsgspecError):
        return None


def save_leak_report(path: Path, report: LeakReport) -> None:
    """Written in full or not at all. Not synced: after a power cut everything is searched again."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(report))
    new.chmod(0o600)
    new.replace(path)


def stamp_of(path: Path) -> FileStamp | None:
    """None when the file does not exist."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def run_leak_search(config: Path) -> None:
    """Search all files in a child process, and wait for it. Raises FailedError."""
    if subprocess.run(_command(config, "all"), check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own
        raise FailedError("the search could not be made; the lines above say why.")


def _command(config: Path, which: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tnc.privacy.leak_worker", str(config), which)


class LeakSearchSchedule:
    """Searches the changed files once each UTC day."""

    def __init__(self, config: Path, workspace: Workspace) -> None:
        self._child = Child(_command(config, "changed"), "the search for unencrypted personal data failed")
        self._workspace = workspace

    def last_ms(self) -> int | None:
        """When the last search ended; None when there was none."""
        last = last_leak_report(self._workspace.paths.inspection)
        return None if last is None else last.at_ms

    def start_if_due(self) -> None:
        """Start the child without waiting for it. It is due on any date other than that of the last search, also on an
        earlier one: the clock may have been set back.
        """
        last_ms = self.last_ms()
        if last_ms is None or utc_date(last_ms) != utc_date(self._workspace.world.now_ms()):
            self._child.start()

    def stop(self) -> None:
        """Stop a running search. The result of the last one stays."""
        self._child.stop()
