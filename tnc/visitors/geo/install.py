"""Installs geo data: unpack a file, check it, and put it into the folder in one step."""

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
from tnc.visitors.geo.catalog import MANIFEST, GeoFolder, InstalledFile, Manifest, digest
from tnc.visitors.geo.checks import check_known_addresses
from tnc.visitors.geo.database import Database, Licence
from tnc.visitors.geo.list_formats import pack_feed, read_feed, unpack_feed
from tnc.visitors.geo.lists import KINDS, NetworkKind, NetworkList, compile_lists

_MAX_LIST_BYTES: Final = 64 << 20
_SUFFIXES: Final = (".mmdb.gz", ".mmdb", ".tar.gz", ".tgz", ".zip", ".txt", ".csv", ".json", ".list", ".gz")
_MIN_SIZE_RATIO, _MAX_SIZE_RATIO = 0.5, 2.0  # to the installed file
_MAX_CHANGE: Final = 0.5  # of the entries of a list


class CheckedFile(Struct, frozen=True, kw_only=True):
    """A file that passed the checks, with what may still be wrong with it."""

    file: InstalledFile
    warnings: tuple[str, ...] = ()


def add(folder: GeoFolder, path: Path, *, kind: NetworkKind | None, now_ms: int) -> CheckedFile:
    """Install a local file: a database, packed or not, or with `kind` a list of networks.

    Raises InvalidError that says what the file is, and changes nothing, if it is neither.
    """
    if not path.is_file():
        raise InvalidError(f"there is no file {path}; give the path of a database or a list")
    with folder.locked() as manifest:
        change = FolderChange(folder.path, manifest)
        checked = change.check(path, name=_data_name(path.name), source=path.name, kind=kind, now_ms=now_ms)
        change.install(checked.file)
    if not checked.file.is_stale(now_ms):
        return checked
    days = (now_ms - checked.file.dated_ms) // DAY_MS
    return replace(checked, warnings=(*checked.warnings, f"it is {days} days old; `tnc ipdb update` gets a newer one"))


def remove(folder: GeoFolder, name: str) -> None:
    folder.find(name)
    with folder.locked() as manifest:
        FolderChange(folder.path, manifest).remove({name})


class FolderChange:
    """One change of the folder, made while its lock is held."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest

    def temporary_path(self) -> Path:
        """A new path for a temporary file. It is removed when the change ends, unless it was renamed."""
        self._manifest = replace(self._manifest, serial=self._manifest.serial + 1)
        return self._folder / f"incoming-{self._manifest.serial}"

    def find(self, name: str) -> InstalledFile | None:
        return next((each for each in self._manifest.items if each.name == name), None)

    def check(self, path: Path, *, name: str, source: str, kind: NetworkKind | None, now_ms: int) -> CheckedFile:
        """Unpack and check a file, and copy it into the folder. Only `install` puts it to use.

        Raises InvalidError for a file that cannot be used, FailedError without disk space. Doubts are warnings.
        """
        free = shutil.disk_usage(self._folder).free
        if free < 2 * path.stat().st_size:
            raise FailedError(f"{source} needs twice its size on disk and {free >> 20} MB are free; free some space")
        plain = self.temporary_path()
        unpack(path, plain, name=source)
        if _is_database(plain):
            return self._check_database(plain, name=name, source=source, now_ms=now_ms)
        if kind is not None:
            return self._check_list(plain, name=name, source=source, kind=kind, now_ms=now_ms)
        advice = f"; if it is a list of networks, say of what kind: --kind {'|'.join(KINDS)}"
        is_download = "://" in source
        raise InvalidError(
            f"{source} is no geo database, it begins with {_first_bytes(plain)}{'' if is_download else advice}"
        )

    def install(self, file: InstalledFile, licence: Licence | None = None) -> None:
        """Add a checked file to the manifest, replacing the one of the same name."""
        if licence is not None:
            file = replace(file, licence=licence.name, attribution=licence.attribution, url=licence.url)
        others = [each for each in self._manifest.items if each.name != file.name]
        self._write([*others, file], self._manifest.problems)

    def remove(self, names: set[str]) -> None:
        self._write([each for each in self._manifest.items if each.name not in names], self._manifest.problems)

    def record_problem(self, name: str, why: str) -> None:
        """Keep the reason why an update failed, for `tnc ipdb list` and `tnc doctor`."""
        self._write(self._manifest.items, self._manifest.problems | {name: why})

    def clear_problem(self, name: str) -> None:
        """Remove the reason of a failed update after one that worked."""
        problems = {each: why for each, why in self._manifest.problems.items() if each != name}
        self._write(self._manifest.items, problems)

    def _check_database(self, plain: Path, *, name: str, source: str, now_ms: int) -> CheckedFile:
        database = Database(plain, name=source)
        about, size, before = database.about, plain.stat().st_size, self.find(name)
        old = Database(self._folder / before.file, name=name) if before and not before.is_list else None
        warnings = [*_age_warnings(about.built_ms, before, now_ms), *_size_warnings(size, before)]
        if old and (old.about.ip_version, old.about.kind) != (about.ip_version, about.kind):
            warnings.append(f"it is {about.kind} for IPv{about.ip_version}, which the installed one is not")
        if problem := check_known_addresses(database, old, size=size):
            warnings.append(problem)
        file = InstalledFile(
            name=name,
            kind=about.kind,
            sha256=digest(plain),
            file=self._name_file(plain, name, ".mmdb"),
            size=size,
            added_at_ms=now_ms,
            source=source,
            built_ms=about.built_ms,
            licence=about.licence.name,
            attribution=about.licence.attribution,
            url=about.licence.url,
        )
        return CheckedFile(file=file, warnings=tuple(warnings))

    def _check_list(self, plain: Path, *, name: str, source: str, kind: NetworkKind, now_ms: int) -> CheckedFile:
        if plain.stat().st_size > _MAX_LIST_BYTES:
            raise InvalidError(f"{source} has more than {_MAX_LIST_BYTES >> 20} MB; that is no list of networks")
        feed = read_feed(plain.read_bytes(), name=source)
        parsed = self.temporary_path()
        parsed.write_bytes(pack_feed(feed))
        file = InstalledFile(
            name=name,
            kind=kind,
            sha256=digest(parsed),
            size=parsed.stat().st_size,
            file=self._name_file(parsed, name, ".list"),
            added_at_ms=now_ms,
            source=source,
            entries=feed.entries,
            unfit=feed.unfit,
        )
        warnings = _entries_warnings(feed.entries, self.find(name))
        if feed.weak:
            warnings.append(
                "such lists contain access networks too: it is shown beside other lists and sets no flag of its own"
            )
        return CheckedFile(file=file, warnings=tuple(warnings))

    def _name_file(self, plain: Path, name: str, suffix: str) -> str:
        """Sync a file and give it a name that was never used before."""
        with plain.open("rb") as written:
            os.fsync(written.fileno())
        kept = f"{name}-{self._manifest.serial}{suffix}"
        plain.rename(self._folder / kept)
        return kept

    def _write(self, items: Sequence[InstalledFile], problems: dict[str, str]) -> None:
        compiled = self._manifest.compiled
        lists = [each for each in items if each.is_list]
        if lists != [each for each in self._manifest.items if each.is_list]:
            compiled = self._compile(lists) if lists else None
        self._manifest = replace(self._manifest, items=list(items), compiled=compiled, problems=problems)
        self._write_durably(MANIFEST, json.format(json.encode(self._manifest)))

    def _compile(self, files: Sequence[InstalledFile]) -> str:
        """Write all lists into one file, which opens in milliseconds. Returns its name."""
        lists = [
            NetworkList(
                name=each.name,
                kind=next(kind for kind in KINDS if kind == each.kind),
                feed=unpack_feed((self._folder / each.file).read_bytes()),
            )
            for each in files
        ]
        name = f"{self.temporary_path().name.replace('incoming', 'networks')}.bin"
        self._write_durably(name, compile_lists(lists))
        return name

    def _write_durably(self, name: str, content: bytes) -> None:
        """Write a file in full or not at all, and sync it and the folder."""
        temporary = self.temporary_path()
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _data_name(file_name: str) -> str:
    """`dbip-city-lite-2026-11.mmdb.gz` -> dbip-city-lite-2026-11; only characters that are safe in a file name."""
    lower = file_name.lower()
    stem = next((lower[: -len(suffix)] for suffix in _SUFFIXES if lower.endswith(suffix)), lower)
    return (
        "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in stem).strip(".-")
        or "data"
    )


# ---------------------------------------------------------------------------------------------- warnings


def _age_warnings(built_ms: int | None, before: InstalledFile | None, now_ms: int) -> list[str]:
    warnings = []
    if built_ms is not None and built_ms > now_ms + DAY_MS:
        warnings.append("it was built in the future; is this machine's clock right?")
    if built_ms is not None and before and before.built_ms is not None and built_ms < before.built_ms:
        warnings.append("it is older than the installed one")
    return warnings


def _size_warnings(size: int, before: InstalledFile | None) -> list[str]:
    if before is None or _MIN_SIZE_RATIO * before.size <= size <= _MAX_SIZE_RATIO * before.size:
        return []
    return [f"it has {size} bytes, the installed one {before.size}"]


def _entries_warnings(entries: int, before: InstalledFile | None) -> list[str]:
    if before is None or not before.entries or abs(entries - before.entries) <= _MAX_CHANGE * before.entries:
        return []
    return [f"it has {entries} entries, the installed one {before.entries}"]


# ------------------------------------------------------------------------------------------- file formats

_DATABASE_MARK: Final = b"\xab\xcd\xefMaxMind.com"
_MARK_WITHIN: Final = 128 << 10  # bytes before the end of the file, by the MaxMind DB specification


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MARK_WITHIN))
        return _DATABASE_MARK in file.read()


def _first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        return repr(file.read(24))[1:]


MAX_BYTES: Final = 2 << 30  # the largest city database has a tenth of this
_BLOCK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_TAR_AT: Final = 257
_UNREADABLE: Final = (EOFError, OSError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)

Member = TypeVar("Member", tarfile.TarInfo, zipfile.ZipInfo)


def unpack(source: Path, target: Path, *, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Write the one database or list in `source` to `target`. Raises InvalidError that begins with `name`.

    Names inside archives are never used as paths: nothing is written anywhere else.
    """
    with source.open("rb") as head:
        start = head.read(512)
    try:
        if start.startswith(_ZIP):
            _from_zip(source, target, name, max_bytes)
        elif start.startswith(_GZIP):
            _from_gzip(source, target, name, max_bytes)
        else:
            with source.open("rb") as plain:
                _copy(plain, target, name, max_bytes)
    except _UNREADABLE as error:
        raise InvalidError(f"{name} ends too early or is damaged; download it again") from error


def _from_gzip(source: Path, target: Path, name: str, max_bytes: int) -> None:
    with gzip.open(source) as inside:
        is_tar = inside.read(512)[_TAR_AT : _TAR_AT + 5] == b"ustar"
    if not is_tar:
        with gzip.open(source) as inside:
            _copy(inside, target, name, max_bytes)
        return
    with tarfile.open(source, "r:gz") as archive:
        found = [each for each in archive if each.isfile() and each.name.endswith(".mmdb")]
        member = archive.extractfile(_only_member(found, name))
        if member is None:
            raise InvalidError(f"{name} holds a link in place of a file; download it again")
        with member:
            _copy(member, target, name, max_bytes)


def _from_zip(source: Path, target: Path, name: str, max_bytes: int) -> None:
    with zipfile.ZipFile(source) as archive:
        found = [each for each in archive.infolist() if each.filename.lower().endswith(".mmdb")]
        with archive.open(_only_member(found, name)) as member:
            _copy(member, target, name, max_bytes)


def _only_member(found: list[Member], name: str) -> Member:
    if len(found) != 1:
        raise InvalidError(f"{name} holds {len(found)} files that end in .mmdb; give an archive with one")
    return found[0]


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, name: str, max_bytes: int) -> None:
    """Copy up to the limit. Raises InvalidError for a file that is longer."""
    written = 0
    with target.open("wb") as outside:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > max_bytes:
                raise InvalidError(f"{name} unpacks to more than {max_bytes >> 20} MB; that is no geo data")
            outside.write(block)
