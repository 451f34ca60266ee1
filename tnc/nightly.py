"""The search for words in the clear, as a server and a command have it made: by a child, and once a night."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tnc.errors import FailedError
from tnc.fields import rfc3339
from tnc.house import House
from tnc.process import Child
from tnc.store.days import utc_date
from tnc.store.leaks import Inspection, last_inspection


def search_now(config: Path) -> None:
    """All of it, and wait for it. Raises FailedError."""
    if subprocess.run(_words(config, "all"), check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own
        raise FailedError("the search could not be made; the lines above say why.")


def _words(config: Path, which: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tnc.scanchild", str(config), which)


class Nightly:
    """Begins with the first hour of each day (UTC), and looks through what was written to since the last time."""

    def __init__(self, config: Path, house: House) -> None:
        self._child = Child(_words(config, "changed"), "the search for words in the clear failed")
        self._house = house

    def start_if_due(self) -> None:
        """Start the child and do not wait for it; whatever way the clock was set, another date is another night."""
        last = last_inspection(self._house.rooms.inspection)
        if last is None or utc_date(last.at_ms) != utc_date(self._house.world.now_ms()):
            self._child.start()

    def stop(self) -> None:
        """A search that is cut off leaves the result of the last one."""
        self._child.stop()


def told(found: Inspection) -> dict[str, Any]:
    """As JSON tells it."""
    return {
        "at": rfc3339(found.at_ms),
        "clean_at": None if found.clean_at_ms is None else rfc3339(found.clean_at_ms),
        "clicks": found.clicks,
        "words": found.words,
        "files": found.files,
        "bytes": found.bytes,
        "unchanged": found.unchanged,
        "left": found.left,
        "leaks": [{"file": each.file, "kind": each.kind, "count": each.count} for each in found.leaks],
    }
