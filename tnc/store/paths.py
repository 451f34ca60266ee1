"""The files of a data directory, and the lock that one process which writes holds."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tnc.core.errors import RefusedError

_OWN_FILES: Final = (
    "config.toml",
    "sign-in",
    "lock",
    "socket",
)  # written by the owner, the password of a demo, and two without content


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths in a data directory."""

    data: Path

    @property
    def control(self) -> Path:
        return self.data / "control.db"

    @property
    def days(self) -> Path:
        return self.data / "days"

    @property
    def ring(self) -> Path:
        return self.data / "ring"

    @property
    def restricted(self) -> Path:
        """Day files of restricted clicks: stored and not used."""
        return self.data / "restricted"

    @property
    def columns(self) -> Path:
        return self.data / "columns"

    @property
    def addresses(self) -> Path:
        return self.data / "ipdb"

    @property
    def snapshot(self) -> Path:
        """The configuration that was applied last, for a start without the control database."""
        return self.data / "control.snapshot"

    @property
    def inspection(self) -> Path:
        """The result of the last search for personal data in plain text."""
        return self.data / "inspection.json"

    @property
    def clock(self) -> Path:
        """What is known about the time: `tnc.store.clock_check`."""
        return self.data / "clock.json"

    @property
    def missed_paths(self) -> Path:
        """Unknown paths that look like a campaign's: `tnc.store.missed_paths`."""
        return self.data / "missed-paths.json"

    @property
    def rates(self) -> Path:
        """Exchange rates that were downloaded."""
        return self.data / "ecb-rates.csv"

    def files(self) -> Iterator[Path]:
        """Every file that must not contain plain text: all but the owner's files and geo data."""
        for path in sorted(self.data.rglob("*")):
            own = path.parent == self.data and path.name in _OWN_FILES
            if not own and path.is_file() and self.addresses not in path.parents:
                yield path

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def socket(self) -> Path:
        return self.data / "socket"


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the lock of the data directory, which one process that writes can hold. Raises RefusedError."""
    try:
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if not paths.lock.exists():
            if error.errno != errno.EROFS:
                raise
            yield  # no process can write here
            return
        descriptor = os.open(paths.lock, os.O_RDONLY)  # a read-only file system, or a directory in its place
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"another tnc is using {paths.data}; stop it first. While a server runs, commands go through it by "
                "themselves."
            ) from None
        yield
    finally:
        os.close(descriptor)
