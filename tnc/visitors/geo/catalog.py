"""The folder of geo data: files under names that tnc chooses, and one manifest that lists them.

A file is complete on disk before the manifest names it, and the manifest is replaced in one step: after a power cut,
the next start finds complete files, the old or the new. A server reads private copies: writing over a mapped file would
kill the process.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from msgspec import DecodeError, Struct, json

from tnc.core.clock import DAY_MS
from tnc.core.errors import FailedError, InvalidError, NotFoundError
from tnc.core.fields import rfc3339
from tnc.visitors.geo.database import UNKNOWN_LICENCE, Database
from tnc.visitors.geo.geo import REGISTRY, Geo
from tnc.visitors.geo.lists import KINDS, NO_NETWORKS, Networks

log: Final = logging.getLogger(__name__)

MANIFEST: Final = "manifest.json"
LOCKS: Final = ("lock", "updating")  # held during a change; held during a whole update
_BLOCK_BYTES: Final = 8 << 20  # large: after each read the thread waits for the GIL
_RETRIES: Final = 2

# Age changes no decision: stale data is only shown as stale.
_FRESH_MS: Final = {"tor": 2 * DAY_MS, "asn": 14 * DAY_MS} | dict.fromkeys(
    ("relay", "vpn", "datacenter", "proxy", "cellular", "corporate", "anonymous", "residential"), 7 * DAY_MS
)
_FRESH_OTHERS_MS: Final = 45 * DAY_MS


class InstalledFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One installed file, as the manifest lists it."""

    name: str
    kind: str
    file: str
    sha256: str
    size: int
    added_at_ms: int
    source: str  # the file or URL it came from, never with a key in it
    built_ms: int | None = None
    licence: str = UNKNOWN_LICENCE.name
    attribution: str | None = None
    url: str | None = None
    entries: int | None = None  # of a list
    unfit: int = 0  # lines of a list that could not be read
    etag: str | None = None
    last_modified: str | None = None
    checked_at_ms: int | None = None  # when the publisher last confirmed that this is the newest one

    @property
    def is_list(self) -> bool:
        return self.kind in KINDS

    @property
    def dated_ms(self) -> int:
        """The time its age is counted from: when it was built, else last confirmed, else added."""
        return self.built_ms or self.checked_at_ms or self.added_at_ms

    def is_stale(self, now_ms: int) -> bool:
        return now_ms - self.dated_ms > _FRESH_MS.get(self.kind, _FRESH_OTHERS_MS)


class Manifest(Struct, frozen=True, kw_only=True):
    items: list[InstalledFile] = []
    compiled: str | None = None  # all lists in one file
    serial: int = 0  # in the last file name that was used
    problems: dict[str, str] = {}  # why the last update of a name failed


class GeoFolder:
    """The folder. Commands and a running server may use it together: changes hold a lock, reading needs none."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def manifest(self) -> Manifest:
        path = self.path / MANIFEST
        try:
            return json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError:
            return Manifest()
        except (DecodeError, OSError) as error:
            raise FailedError(f"{path} is damaged; remove it and run `tnc ipdb update`") from error

    def find(self, name: str) -> InstalledFile:
        """Raises NotFoundError that names what is installed."""
        items = self.manifest().items
        for each in items:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in items) or "nothing"
        raise NotFoundError(f"no geo data is called {name!r}; installed: {names}")

    def state(self) -> tuple[int, int]:
        """A value that changes with every change of the folder. A server compares it to know when to reload."""
        try:
            stat = (self.path / MANIFEST).stat()
        except FileNotFoundError:
            return (0, 0)
        return (stat.st_mtime_ns, stat.st_ino)

    def describe(self, now_ms: int) -> list[dict[str, Any]]:
        """All data in use, with the reason if the last update failed. For `tnc ipdb list`; ready for JSON."""
        manifest = self.manifest()
        shown = [_described(each, now_ms, _problem(each, manifest)) for each in manifest.items]
        return [*shown, _registry()]

    def describe_one(self, name: str, now_ms: int) -> dict[str, Any]:
        """The entry of `describe` for one name. Raises NotFoundError."""
        item = self.find(name)
        return _described(item, now_ms, _problem(item, self.manifest()))

    def open(self, *, private: bool = False, registry: bool = True) -> Geo:
        """Open all installed data. A damaged file is logged in one line and left out.

        `private` reads copies that no other process can write over, which a server must do.
        """
        geo, problems = self._open_all(private=private, registry=registry)
        for _ in range(_RETRIES):
            if not problems:
                break
            # Another process may have replaced a file while it was being opened: then there is a newer manifest.
            geo, problems = self._open_all(private=private, registry=registry)
        for name, why in problems.items():
            log.error("geo data cannot be used", extra={"data_name": name, "why": why})
        return geo

    def damaged(self) -> dict[str, str]:
        """Why installed data cannot be used, by name. Raises FailedError when the manifest is damaged."""
        return self._open_all(private=False, registry=False)[1]

    def _open_all(self, *, private: bool, registry: bool) -> tuple[Geo, dict[str, str]]:
        manifest = self.manifest()
        databases: list[Database] = []
        problems: dict[str, str] = {}
        for each in sorted(manifest.items, key=_priority):
            if not each.is_list:
                try:
                    databases.append(self._open_database(each, private=private))
                except (InvalidError, OSError) as error:
                    problems[each.name] = str(error)
        try:
            networks = self._open_networks(manifest)
        except (DecodeError, ValueError, OSError) as error:
            networks, problems["networks"] = NO_NETWORKS, str(error)
        return Geo(databases, networks, registry=registry), problems

    def _open_database(self, item: InstalledFile, *, private: bool) -> Database:
        path = self.path / item.file
        # On a read-only file system no process can write over the file either.
        with (
            _unnamed_file(self.path) if private and os.access(self.path, os.W_OK) else contextlib.nullcontext() as copy
        ):
            if digest(path, copy) != item.sha256:
                raise InvalidError(f"{item.file} is no longer the file that was added; add it again")
            return Database(Path(f"/proc/self/fd/{copy.fileno()}") if copy else path, name=item.name)

    def _open_networks(self, manifest: Manifest) -> Networks:
        if manifest.compiled is None:
            return NO_NETWORKS
        return Networks((self.path / manifest.compiled).read_bytes())

    @contextmanager
    def locked(self) -> Iterator[Manifest]:
        """Hold the lock for a change of the folder. Removes what a killed change left."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCKS[0]).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._remove_unlisted()
            try:
                yield self.manifest()
            finally:
                self._remove_unlisted()

    def _remove_unlisted(self) -> None:
        """Remove files that the manifest does not name: replaced data, and the rest of killed changes."""
        manifest = self.manifest()
        named = {MANIFEST, *LOCKS, manifest.compiled, *(each.file for each in manifest.items)}
        for path in self.path.iterdir():
            if path.name not in named and path.is_file():
                path.unlink(missing_ok=True)


class CurrentGeo:
    """The geo data of the folder as it is now: opened at the first call, and again when the folder has changed."""

    def __init__(self, data: GeoFolder, *, private: bool) -> None:
        self._data = data
        self._private = private
        self._lock = threading.Lock()
        self._opened: tuple[tuple[int, int], Geo] | None = None

    def geo(self) -> Geo:
        """Costs one `stat` when nothing has changed."""
        with self._lock:
            state = self._data.state()
            if self._opened is None or self._opened[0] != state:
                self._opened = state, self._open()
            return self._opened[1]

    def _open(self) -> Geo:
        try:
            return self._data.open(private=self._private)
        except FailedError as error:  # a damaged folder must not stop a server: it keeps what it has
            log.error("geo data cannot be used", extra={"why": str(error)})  # noqa: TRY400 - the message says it all
            return Geo() if self._opened is None else self._opened[1]


def digest(path: Path, copy: IO[bytes] | None = None) -> str:
    """SHA-256 of a file, which is also written to `copy`."""
    sha256 = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
            if copy is not None:
                copy.write(block)
    if copy is not None:
        copy.flush()
    return sha256.hexdigest()


def _unnamed_file(folder: Path) -> IO[bytes]:
    """An unnamed file, which disappears when it is closed everywhere."""
    return tempfile.TemporaryFile(dir=folder)


def _priority(item: InstalledFile) -> tuple[bool, int, str]:
    """Sort key: cities before countries only, newer before older."""
    return ("city" not in item.kind, -item.dated_ms, item.name)


def _problem(item: InstalledFile, manifest: Manifest) -> str | None:
    """Problems of lists are kept by name, those of databases by kind."""
    return manifest.problems.get(item.name) or manifest.problems.get(item.kind)


def _described(item: InstalledFile, now_ms: int, problem: str | None) -> dict[str, Any]:
    return {
        "name": item.name,
        "kind": item.kind,
        "built": None if item.built_ms is None else rfc3339(item.built_ms),
        "added": rfc3339(item.added_at_ms),
        "age_days": max(0, (now_ms - item.dated_ms) // DAY_MS),
        "stale": item.is_stale(now_ms),
        "source": item.source,
        "licence": item.licence,
        "attribution": item.attribution,
        "url": item.url,
        "bytes": item.size,
        "entries": item.entries,
        "unfit": item.unfit,
        "problem": problem,
    }


def _registry() -> dict[str, Any]:
    """The countries of the package `iptocc`, in the same form."""
    about = REGISTRY
    shown = dict.fromkeys(("built", "added", "age_days", "attribution", "bytes", "entries", "problem"))
    known = {"name": about.name, "kind": about.kind, "stale": False, "source": "the package", "unfit": 0}
    return shown | known | {"licence": about.licence.name, "url": about.licence.url}
