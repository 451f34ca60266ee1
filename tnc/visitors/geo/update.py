"""Updates geo data: download, check against the installed file, install.

If anything goes wrong, the installed data stays in use and the manifest keeps the reason.
"""

import asyncio
import fcntl
import io
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from tnc.core.errors import FailedError, InvalidError, TncError
from tnc.visitors.geo.catalog import LOCKS, GeoFolder, InstalledFile, digest
from tnc.visitors.geo.install import FolderChange
from tnc.visitors.geo.sources import DataSource, Download

_DOWNLOADS: Final = "download-"
_MAX_SHA256_BYTES: Final = 4096
_SHA256: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")


class FetchResponse(Struct, frozen=True, kw_only=True):
    """The response of a server. Its body has been written to `target`."""

    status: int
    etag: str | None = None
    last_modified: str | None = None


class Fetch(Protocol):
    """GET a URL, follow redirects, and write the body of a 200 to `target`.

    The `Authorization` header is sent to no other host. Raises FailedError with a clause that names the cause
    (no connection, a body that ends too early or is longer than `max_bytes`), never with the query of the URL.
    """

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], target: IO[bytes], max_bytes: int
    ) -> FetchResponse: ...


class UpdateReport(Struct, frozen=True, kw_only=True):
    """What an update did: names of data sources, and for failures the reason in one sentence."""

    renewed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = {}

    @property
    def exit_code(self) -> int:
        """0 if everything is up to date, 5 if part of it, 1 if nothing."""
        if not self.failed:
            return 0
        return 5 if self.renewed or self.unchanged else 1


class _MissingError(TncError):
    """The server has no such file; this month's file may not be published yet."""


def due(folder: GeoFolder, sources: Iterable[DataSource], now_ms: int) -> tuple[DataSource, ...]:
    """The sources that were downloaded or confirmed longer ago than their interval."""
    checked = {each.name: each.checked_at_ms or 0 for each in folder.manifest().items}

    def is_due(each: DataSource) -> bool:
        # An alternative is as old as its oldest file; the newest alternative is the one in use.
        ages = (min(checked.get(download.name, 0) for download in files) for files in each.alternatives)
        return now_ms - max(ages) >= each.interval_ms

    return tuple(filter(is_due, sources))


async def update(
    folder: GeoFolder,
    sources: Iterable[DataSource],
    *,
    fetch: Fetch,
    now_ms: int,
    done: Callable[[str], None] = lambda _name: None,
) -> UpdateReport:
    """Update all these sources; `done` gets the name of each afterwards. Raises FailedError when another update is
    running.
    """
    renewed: list[str] = []
    unchanged: list[str] = []
    failed: dict[str, str] = {}
    with _update_lock(folder.path) as directory:
        for each in sources:
            try:
                changed = await _update_source(folder, each, directory, fetch, now_ms)
                (renewed if changed else unchanged).append(each.name)
            except TncError as error:
                failed[each.name] = str(error)
                await asyncio.to_thread(_record_problem, folder, each, str(error))
            done(each.name)
    return UpdateReport(renewed=tuple(renewed), unchanged=tuple(unchanged), failed=failed)


async def _update_source(folder: GeoFolder, source: DataSource, directory: Path, fetch: Fetch, now_ms: int) -> bool:
    """Try the alternatives in order. True when something new was installed. Raises the error of the first one."""
    first: TncError | None = None
    for files in source.alternatives:
        try:
            changed = [await _download(folder, each, directory, fetch, now_ms) for each in files]
        except TncError as error:
            first = first or error
            continue
        await asyncio.to_thread(_remove_alternatives, folder, source, files)
        return any(changed)
    raise first or FailedError(f"there is no download for {source.name}")


async def _download(folder: GeoFolder, download: Download, directory: Path, fetch: Fetch, now_ms: int) -> bool:
    before = _installed(folder, download)
    max_bytes = min(download.max_bytes, 2 * before.size + (1 << 20)) if before else download.max_bytes
    path = directory / download.name
    try:
        with path.open("wb") as target:
            response = await fetch(
                _url(download), headers=_conditions(download, before), target=target, max_bytes=max_bytes
            )
        if response.status == 304 and before:
            await asyncio.to_thread(_confirm, folder, before, now_ms)
            return False
        if response.status != 200:
            raise _http_error(download, response.status)
        await _check_sha256(download, path, fetch)
        await asyncio.to_thread(_install, folder, download, path, response, now_ms)
    except (FailedError, InvalidError, OSError) as error:
        raise FailedError(f"{download.name} from {download.url}: {error}; what was there stays in use") from error
    finally:
        path.unlink(missing_ok=True)
    return True


def _installed(folder: GeoFolder, download: Download) -> InstalledFile | None:
    return next((each for each in folder.manifest().items if each.name == download.name), None)


def _url(download: Download) -> str:
    if not download.query:
        return download.url
    return f"{download.url}{'&' if '?' in download.url else '?'}{download.query}"


def _conditions(download: Download, before: InstalledFile | None) -> dict[str, str]:
    headers = dict(download.headers)
    if before and before.source == download.url:
        if before.etag:
            headers["If-None-Match"] = before.etag
        if before.last_modified:
            headers["If-Modified-Since"] = before.last_modified
    return headers


def _http_error(download: Download, status: int) -> TncError:
    if status == 404:
        return _MissingError(f"{download.name}: {download.url} is not there (404); what was there stays in use")
    return FailedError(f"the server answered {status}")


async def _check_sha256(download: Download, path: Path, fetch: Fetch) -> None:
    """Compare with the published SHA-256. It shows that the file is complete; TLS shows who sent it."""
    if download.sha256_url is None:
        return
    published = io.BytesIO()
    response = await fetch(download.sha256_url, headers=download.headers, target=published, max_bytes=_MAX_SHA256_BYTES)
    if response.status == 404:
        return
    found = _SHA256.search(published.getvalue().decode("ascii", "replace"))
    if response.status != 200 or found is None:
        raise FailedError("its SHA-256 sum cannot be read")
    if found.group().lower() != await asyncio.to_thread(digest, path):
        raise FailedError("its SHA-256 is not the published one")


def _install(folder: GeoFolder, download: Download, path: Path, response: FetchResponse, now_ms: int) -> None:
    with folder.locked() as manifest:
        change = FolderChange(folder.path, manifest)
        checked = change.check(path, name=download.name, source=download.url, kind=download.kind, now_ms=now_ms)
        if checked.file.is_list != (download.kind is not None):
            raise InvalidError("it is a database where a list is expected")
        if checked.warnings:
            raise InvalidError("; ".join(checked.warnings))
        file = replace(checked.file, etag=response.etag, last_modified=response.last_modified, checked_at_ms=now_ms)
        change.install(file, download.licence)


def _confirm(folder: GeoFolder, item: InstalledFile, now_ms: int) -> None:
    with folder.locked() as manifest:
        FolderChange(folder.path, manifest).install(replace(item, checked_at_ms=now_ms))


def _remove_alternatives(folder: GeoFolder, source: DataSource, used: tuple[Download, ...]) -> None:
    """Remove files of the alternatives that are not used, which would only contradict, and the problem if any."""
    names = {each.name for each in used}
    others = {each.name for files in source.alternatives for each in files} - names
    with folder.locked() as manifest:
        change = FolderChange(folder.path, manifest)
        if any(each.name in others for each in manifest.items):
            change.remove(others)
        if source.name in manifest.problems:
            change.clear_problem(source.name)


def _record_problem(folder: GeoFolder, source: DataSource, why: str) -> None:
    with folder.locked() as manifest:
        FolderChange(folder.path, manifest).record_problem(source.name, why)


@contextmanager
def _update_lock(folder: Path) -> Iterator[Path]:
    """A temporary directory for this update's downloads. Removes those of killed updates."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCKS[1]).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FailedError("another update of geo data is running; wait until it is done") from error
        for left in folder.glob(f"{_DOWNLOADS}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_DOWNLOADS) as directory:
            yield Path(directory)
