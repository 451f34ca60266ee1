"""Address data as it is handed out: plain, gzip, tar.gz or zip, told apart by content and unpacked to a limit."""

import gzip
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final, TypeVar

from tnc.errors import InvalidError

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
