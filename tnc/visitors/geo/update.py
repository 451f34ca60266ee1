"""Address data made fresh: fetched, checked against the present one, and only then believed.

Whatever goes wrong, what is in use stays in use, and the reason is kept for whoever asks.
"""

import asyncio
import fcntl
import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from tnc.core.errors import FailedError, InvalidError, TncError
from tnc.visitors.geo.catalog import LOCKS, GeoData, Item, digest
from tnc.visitors.geo.install import Change
from tnc.visitors.geo.sources import Download, Wanted

_DOWNLOADS: Final = "download-"
_MOST_SUM_BYTES: Final = 4096
_SHA256: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")


class Answer(Struct, frozen=True, kw_only=True):
    """What a server answered. The body has been written where it was asked to."""

    status: int
    etag: str | None = None
    last_modified: str | None = None


class Fetch(Protocol):
    """GET an address, following redirects, and write the body of a 200 to `target`.

    The `Authorization` header goes to no other host. Raises FailedError with a clause that names the cause
    (no connection, a body that ends too early, one longer than `most_bytes`), never with a query in it.
    """

    async def __call__(self, url: str, *, headers: Mapping[str, str], target: IO[bytes], most_bytes: int) -> Answer: ...


class Report(Struct, frozen=True, kw_only=True):
    """What an update did: names of data, and for failures the reason in one sentence."""

    renewed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = {}

    @property
    def exit_code(self) -> int:
        """0 everything is fresh, 5 part of it, 1 nothing."""
        if not self.failed:
            return 0
        return 5 if self.renewed or self.unchanged else 1


class _MissingError(TncError):
    """The server has no such file, which for a file of this month is no failure yet."""


def due(data: GeoData, wanted: Iterable[Wanted], now_ms: int) -> tuple[Wanted, ...]:
    """What was last fetched, or last found to be the present one, longer ago than it should be."""
    checked = {each.name: each.checked_at_ms or 0 for each in data.manifest().items}

    def is_due(each: Wanted) -> bool:
        whole = (min(checked.get(download.name, 0) for download in way) for way in each.ways)
        return now_ms - max(whole) >= each.every_ms

    return tuple(filter(is_due, wanted))


async def update(data: GeoData, wanted: Iterable[Wanted], *, fetch: Fetch, now_ms: int) -> Report:
    """Fetch everything that is wanted. Raises FailedError when another update is running."""
    renewed: list[str] = []
    unchanged: list[str] = []
    failed: dict[str, str] = {}
    with _alone(data.folder) as room:
        for each in wanted:
            try:
                changed = await _one_way(data, each, room, fetch, now_ms)
                (renewed if changed else unchanged).append(each.name)
            except TncError as error:
                failed[each.name] = str(error)
                await asyncio.to_thread(_complain, data, each, str(error))
    return Report(renewed=tuple(renewed), unchanged=tuple(unchanged), failed=failed)


async def _one_way(data: GeoData, wanted: Wanted, room: Path, fetch: Fetch, now_ms: int) -> bool:
    """Try the ways in order; True when something new was installed. Raises the first way's error."""
    first: TncError | None = None
    for way in wanted.ways:
        try:
            changed = [await _download(data, each, room, fetch, now_ms) for each in way]
        except TncError as error:
            first = first or error
            continue
        await asyncio.to_thread(_settle, data, wanted, way)
        return any(changed)
    raise first or FailedError(f"there is no way to get {wanted.name}")


async def _download(data: GeoData, download: Download, room: Path, fetch: Fetch, now_ms: int) -> bool:
    before = _present(data, download)
    most_bytes = min(download.most_bytes, 2 * before.size + (1 << 20)) if before else download.most_bytes
    path = room / download.name
    try:
        with path.open("wb") as target:
            answer = await fetch(
                _address(download), headers=_conditions(download, before), target=target, most_bytes=most_bytes
            )
        if answer.status == 304 and before:
            await asyncio.to_thread(_still_fresh, data, before, now_ms)
            return False
        if answer.status != 200:
            raise _refused(download, answer.status)
        await _check_sum(download, path, fetch)
        await asyncio.to_thread(_install, data, download, path, answer, now_ms)
    except (FailedError, InvalidError, OSError) as error:
        raise FailedError(f"{download.name} from {download.url}: {error}; what was there stays in use") from error
    finally:
        path.unlink(missing_ok=True)
    return True


def _present(data: GeoData, download: Download) -> Item | None:
    return next((each for each in data.manifest().items if each.name == download.name), None)


def _address(download: Download) -> str:
    if not download.query:
        return download.url
    return f"{download.url}{'&' if '?' in download.url else '?'}{download.query}"


def _conditions(download: Download, before: Item | None) -> dict[str, str]:
    headers = dict(download.headers)
    if before and before.source == download.url:
        if before.etag:
            headers["If-None-Match"] = before.etag
        if before.last_modified:
            headers["If-Modified-Since"] = before.last_modified
    return headers


def _refused(download: Download, status: int) -> TncError:
    if status == 404:
        return _MissingError(f"{download.name}: {download.url} is not there (404); what was there stays in use")
    return FailedError(f"the server answered {status}")


async def _check_sum(download: Download, path: Path, fetch: Fetch) -> None:
    """Compare with the published sum. TLS says who wrote the file; the sum only that all of it came."""
    if download.sum_url is None:
        return
    published = io.BytesIO()
    answer = await fetch(download.sum_url, headers=download.headers, target=published, most_bytes=_MOST_SUM_BYTES)
    if answer.status == 404:
        return
    found = _SHA256.search(published.getvalue().decode("ascii", "replace"))
    if answer.status != 200 or found is None:
        raise FailedError("its SHA-256 sum cannot be read")
    if found.group().lower() != await asyncio.to_thread(digest, path):
        raise FailedError("its SHA-256 is not the published one")


def _install(data: GeoData, download: Download, path: Path, answer: Answer, now_ms: int) -> None:
    with data.locked() as manifest:
        change = Change(data.folder, manifest)
        added = change.check(path, name=download.name, source=download.url, kind=download.kind, now_ms=now_ms)
        if added.item.is_list != (download.kind is not None):
            raise InvalidError("it is a database where a list is expected")
        if added.warnings:
            raise InvalidError("; ".join(added.warnings))
        item = replace(added.item, etag=answer.etag, last_modified=answer.last_modified, checked_at_ms=now_ms)
        change.put(item, download.licence)


def _still_fresh(data: GeoData, item: Item, now_ms: int) -> None:
    with data.locked() as manifest:
        Change(data.folder, manifest).put(replace(item, checked_at_ms=now_ms))


def _settle(data: GeoData, wanted: Wanted, taken: tuple[Download, ...]) -> None:
    """Remove what another way once gave, two files on one thing would only differ, and the complaint if any."""
    names = {each.name for each in taken}
    others = {each.name for way in wanted.ways for each in way} - names
    with data.locked() as manifest:
        change = Change(data.folder, manifest)
        if any(each.name in others for each in manifest.items):
            change.take_away(others)
        if wanted.name in manifest.problems:
            change.praise(wanted.name)


def _complain(data: GeoData, wanted: Wanted, why: str) -> None:
    with data.locked() as manifest:
        Change(data.folder, manifest).complain(wanted.name, why)


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """A room for downloads that lasts as long as this update; the rooms of killed ones are cleared away."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCKS[1]).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FailedError("another update of address data is running; wait until it is done") from error
        for left in folder.glob(f"{_DOWNLOADS}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_DOWNLOADS) as room:
            yield Path(room)
