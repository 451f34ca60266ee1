"""How address data gets into its folder: looked at from all sides first, then put there in one step."""

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

from msgspec import Struct, json
from msgspec.structs import replace

from tnc.core.clock import DAY_MS
from tnc.core.errors import FailedError, InvalidError
from tnc.visitors.geo.catalog import MANIFEST, GeoData, Item, Manifest, digest
from tnc.visitors.geo.checks import check_known_addresses
from tnc.visitors.geo.database import Database, Licence
from tnc.visitors.geo.list_formats import pack_feed, read_feed, unpack_feed
from tnc.visitors.geo.lists import KINDS, NetworkKind, NetworkList, compile_lists

MOST_BYTES: Final = 2 << 30  # the largest city database is a tenth of this
_BLOCK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_TAR_AT: Final = 257
_UNREADABLE: Final = (EOFError, OSError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)

Member = TypeVar("Member", tarfile.TarInfo, zipfile.ZipInfo)


def unpack(source: Path, target: Path, *, name: str, most_bytes: int = MOST_BYTES) -> None:
    """Write the one file inside `source` to `target`. Raises InvalidError, with `name` for people to read.

    Names inside archives are looked at and never used: nothing is written anywhere else.
    """
    with source.open("rb") as head:
        start = head.read(512)
    try:
        if start.startswith(_ZIP):
            _from_zip(source, target, name, most_bytes)
        elif start.startswith(_GZIP):
            _from_gzip(source, target, name, most_bytes)
        else:
            with source.open("rb") as plain:
                _copy(plain, target, name, most_bytes)
    except _UNREADABLE as error:
        raise InvalidError(f"{name} ends too early or is damaged; download it again") from error


def _from_gzip(source: Path, target: Path, name: str, most_bytes: int) -> None:
    with gzip.open(source) as inside:
        is_tar = inside.read(512)[_TAR_AT : _TAR_AT + 5] == b"ustar"
    if not is_tar:
        with gzip.open(source) as inside:
            _copy(inside, target, name, most_bytes)
        return
    with tarfile.open(source, "r:gz") as archive:
        found = [each for each in archive if each.isfile() and each.name.endswith(".mmdb")]
        member = archive.extractfile(_only(found, name))
        if member is None:
            raise InvalidError(f"{name} holds a link in place of a file; download it again")
        with member:
            _copy(member, target, name, most_bytes)


def _from_zip(source: Path, target: Path, name: str, most_bytes: int) -> None:
    with zipfile.ZipFile(source) as archive:
        found = [each for each in archive.infolist() if each.filename.lower().endswith(".mmdb")]
        with archive.open(_only(found, name)) as member:
            _copy(member, target, name, most_bytes)


def _only(found: list[Member], name: str) -> Member:
    if len(found) != 1:
        raise InvalidError(f"{name} holds {len(found)} files that end in .mmdb; give an archive with one")
    return found[0]


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, name: str, most_bytes: int) -> None:
    """Copy up to the limit; an endless file is refused, not written."""
    written = 0
    with target.open("wb") as outside:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > most_bytes:
                raise InvalidError(f"{name} unpacks to more than {most_bytes >> 20} MB; that is no address data")
            outside.write(block)


_MARK: Final = b"\xab\xcd\xefMaxMind.com"
_MARK_WITHIN: Final = 128 << 10  # of the end: where the format puts its description
_MOST_LIST_BYTES: Final = 64 << 20
_SUFFIXES: Final = (".mmdb.gz", ".mmdb", ".tar.gz", ".tgz", ".zip", ".txt", ".csv", ".json", ".list", ".gz")
_LEAST_SHARE, _MOST_SHARE = 0.5, 2.0  # of the present file's size
_MOST_CHANGE: Final = 0.5  # of the entries of a list


class Added(Struct, frozen=True, kw_only=True):
    """What an addition did, and what the person should know about it."""

    item: Item
    warnings: tuple[str, ...] = ()


def add(data: GeoData, path: Path, *, kind: NetworkKind | None, now_ms: int) -> Added:
    """Install a local file: a database, packed or not, or with `kind` a list of networks.

    Raises InvalidError with what it found when the file is none of these; then nothing has changed.
    """
    if not path.is_file():
        raise InvalidError(f"there is no file {path}; give the path of a database or a list")
    with data.locked() as manifest:
        change = Change(data.folder, manifest)
        added = change.check(path, name=_plain_name(path.name), source=path.name, kind=kind, now_ms=now_ms)
        change.put(added.item)
    if not added.item.is_stale(now_ms):
        return added
    days = (now_ms - added.item.dated_ms) // DAY_MS
    return replace(added, warnings=(*added.warnings, f"it is {days} days old; `tnc ipdb update` gets a newer one"))


def remove(data: GeoData, name: str) -> None:
    data.find(name)
    with data.locked() as manifest:
        Change(data.folder, manifest).take_away({name})


class Change:
    """One change of the folder, made while its lock is held."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest

    def incoming(self) -> Path:
        """A path for something that is not yet data; what is still there when the change ends is cleared away."""
        self._manifest = replace(self._manifest, serial=self._manifest.serial + 1)
        return self._folder / f"incoming-{self._manifest.serial}"

    def find(self, name: str) -> Item | None:
        return next((each for each in self._manifest.items if each.name == name), None)

    def check(self, path: Path, *, name: str, source: str, kind: NetworkKind | None, now_ms: int) -> Added:
        """Unpack and judge a file; it lies in the folder then, but only `put` makes it data.

        Raises InvalidError when it is nothing that can be used. What only might be wrong is in the warnings.
        """
        room = shutil.disk_usage(self._folder).free
        if room < 2 * path.stat().st_size:
            raise FailedError(f"{source} needs twice its size on disk and {room >> 20} MB are free; make room")
        plain = self.incoming()
        unpack(path, plain, name=source)
        if _is_database(plain):
            return self._database(plain, name=name, source=source, now_ms=now_ms)
        if kind is not None:
            return self._list(plain, name=name, source=source, kind=kind, now_ms=now_ms)
        advice = f"; if it is a list of networks, say what it means: --kind {'|'.join(KINDS)}"
        was_fetched = "://" in source
        raise InvalidError(
            f"{source} is no address database, it begins with {_beginning(plain)}{'' if was_fetched else advice}"
        )

    def put(self, item: Item, licence: Licence | None = None) -> None:
        """Name an item in the manifest, in the place of the one with its name."""
        if licence is not None:
            item = replace(item, licence=licence.name, attribution=licence.attribution, url=licence.url)
        others = [each for each in self._manifest.items if each.name != item.name]
        self._write([*others, item], self._manifest.problems)

    def take_away(self, names: set[str]) -> None:
        self._write([each for each in self._manifest.items if each.name not in names], self._manifest.problems)

    def complain(self, name: str, why: str) -> None:
        """Keep the reason why a name could not be renewed, for lists and doctors."""
        self._write(self._manifest.items, self._manifest.problems | {name: why})

    def praise(self, name: str) -> None:
        """Forget that a name could not be renewed once: now it was."""
        problems = {each: why for each, why in self._manifest.problems.items() if each != name}
        self._write(self._manifest.items, problems)

    def _database(self, plain: Path, *, name: str, source: str, now_ms: int) -> Added:
        database = Database(plain, name=source)
        about, size, before = database.about, plain.stat().st_size, self.find(name)
        old = Database(self._folder / before.file, name=name) if before and not before.is_list else None
        warnings = [*_doubts_of_age(about.built_ms, before, now_ms), *_doubts_of_size(size, before)]
        if old and (old.about.ip_version, old.about.kind) != (about.ip_version, about.kind):
            warnings.append(f"it is {about.kind} for IPv{about.ip_version}, which the present one is not")
        if doubt := check_known_addresses(database, old, size=size):
            warnings.append(doubt)
        item = Item(
            name=name,
            kind=about.kind,
            sha256=digest(plain),
            file=self._keep(plain, name, ".mmdb"),
            size=size,
            added_at_ms=now_ms,
            source=source,
            built_ms=about.built_ms,
            licence=about.licence.name,
            attribution=about.licence.attribution,
            url=about.licence.url,
        )
        return Added(item=item, warnings=tuple(warnings))

    def _list(self, plain: Path, *, name: str, source: str, kind: NetworkKind, now_ms: int) -> Added:
        if plain.stat().st_size > _MOST_LIST_BYTES:
            raise InvalidError(f"{source} has more than {_MOST_LIST_BYTES >> 20} MB; that is no list of networks")
        feed = read_feed(plain.read_bytes(), name=source)
        parsed = self.incoming()
        parsed.write_bytes(pack_feed(feed))
        item = Item(
            name=name,
            kind=kind,
            sha256=digest(parsed),
            size=parsed.stat().st_size,
            file=self._keep(parsed, name, ".list"),
            added_at_ms=now_ms,
            source=source,
            entries=feed.entries,
            unfit=feed.unfit,
        )
        warnings = _doubts_of_length(feed.entries, self.find(name))
        if feed.weak:
            warnings.append("such lists name access networks too: it supports other lists, and decides nothing alone")
        return Added(item=item, warnings=tuple(warnings))

    def _keep(self, plain: Path, name: str, suffix: str) -> str:
        """Make a file's bytes durable and give it a name that was never used before."""
        with plain.open("rb") as written:
            os.fsync(written.fileno())
        kept = f"{name}-{self._manifest.serial}{suffix}"
        plain.rename(self._folder / kept)
        return kept

    def _write(self, items: Sequence[Item], problems: dict[str, str]) -> None:
        compiled = self._manifest.compiled
        lists = [each for each in items if each.is_list]
        if lists != [each for each in self._manifest.items if each.is_list]:
            compiled = self._compile(lists) if lists else None
        self._manifest = replace(self._manifest, items=list(items), compiled=compiled, problems=problems)
        self._durable(MANIFEST, json.format(json.encode(self._manifest)))

    def _compile(self, items: Sequence[Item]) -> str:
        """All lists as one file, so that opening them takes milliseconds."""
        lists = [
            NetworkList(
                name=each.name,
                kind=next(kind for kind in KINDS if kind == each.kind),
                feed=unpack_feed((self._folder / each.file).read_bytes()),
            )
            for each in items
        ]
        name = f"{self.incoming().name.replace('incoming', 'networks')}.bin"
        self._durable(name, compile_lists(lists))
        return name

    def _durable(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, and make sure that it stays."""
        half = self.incoming()
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MARK_WITHIN))
        return _MARK in file.read()


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return repr(file.read(24))[1:]


def _plain_name(file_name: str) -> str:
    """`dbip-city-lite-2026-11.mmdb.gz` as `dbip-city-lite-2026-11`; only what is safe in a file name."""
    lower = file_name.lower()
    stem = next((lower[: -len(suffix)] for suffix in _SUFFIXES if lower.endswith(suffix)), lower)
    return (
        "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in stem).strip(".-")
        or "data"
    )


def _doubts_of_age(built_ms: int | None, before: Item | None, now_ms: int) -> list[str]:
    doubts = []
    if built_ms is not None and built_ms > now_ms + DAY_MS:
        doubts.append("it was built in the future; is this machine's clock right?")
    if built_ms is not None and before and before.built_ms is not None and built_ms < before.built_ms:
        doubts.append("it is older than the present one")
    return doubts


def _doubts_of_size(size: int, before: Item | None) -> list[str]:
    if before is None or _LEAST_SHARE * before.size <= size <= _MOST_SHARE * before.size:
        return []
    return [f"it has {size} bytes, the present one {before.size}"]


def _doubts_of_length(entries: int, before: Item | None) -> list[str]:
    if before is None or not before.entries or abs(entries - before.entries) <= _MOST_CHANGE * before.entries:
        return []
    return [f"it has {entries} entries, the present one {before.entries}"]
