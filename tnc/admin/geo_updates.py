"""Updates of geo and IP data and of exchange rates by the settings of this installation: what is due, and keys."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tnc.admin import rate_updates
from tnc.admin.download import fetching
from tnc.core.errors import FailedError
from tnc.core.process import Child
from tnc.core.settings import Settings, closed_secret
from tnc.store.workspace import Workspace
from tnc.tracking.tracker import Tracker
from tnc.visitors.geo.sources import DataSource, PublisherKeys, standard_sources
from tnc.visitors.geo.update import UpdateReport, due, update

log = logging.getLogger(__name__)

_INTERVAL_SECONDS: Final = 1.0


def wanted_data(settings: Settings, now_ms: int, *, with_keys: bool = True) -> tuple[DataSource, ...]:
    """All sources that are updated. `with_keys=False` reads no key file, which is enough to know what is due.

    Raises RefusedError if others on this machine can read a key, InvalidError if a key is missing.
    """
    keys = _keys(settings) if with_keys else PublisherKeys()
    return standard_sources(now_ms, keys=keys, base_url=settings.base_url or None)


def is_due(workspace: Workspace, settings: Settings) -> bool:
    """Whether geo data or the exchange rates are."""
    now_ms = workspace.world.now_ms()
    wanted = wanted_data(settings, now_ms, with_keys=False)
    return bool(due(workspace.addresses, wanted, now_ms)) or rate_updates.is_due(workspace.paths.rates, now_ms)


def wanted_count(workspace: Workspace, *, all_of_it: bool) -> int:
    """How many sources of geo data `renew` downloads."""
    wanted, now_ms = wanted_data(workspace.settings, workspace.world.now_ms()), workspace.world.now_ms()
    return len(wanted if all_of_it else due(workspace.addresses, wanted, now_ms))


async def renew(
    workspace: Workspace, *, all_of_it: bool = True, done: Callable[[str], None] = lambda _name: None
) -> UpdateReport:
    """Download geo data and exchange rates: all, or only what is out of date. `done` gets the name of each source."""
    settings, now_ms = workspace.settings, workspace.world.now_ms()
    base_url = settings.base_url or None
    wanted = wanted_data(settings, now_ms)
    if not all_of_it:
        wanted = due(workspace.addresses, wanted, now_ms)
    async with fetching(base_url, settings.allow_hosts) as fetch:
        report = await update(workspace.addresses, wanted, fetch=fetch, now_ms=now_ms, done=done)
        if not (all_of_it or rate_updates.is_due(workspace.paths.rates, now_ms)):
            return report
        try:
            changed = await rate_updates.renew(workspace.paths.rates, fetch, base_url=base_url, now_ms=now_ms)
        except FailedError as error:
            return replace(report, failed={**report.failed, rate_updates.NAME: str(error)})
    if changed:
        return replace(report, renewed=(*report.renewed, rate_updates.NAME))
    return replace(report, unchanged=(*report.unchanged, rate_updates.NAME))


def _keys(settings: Settings) -> PublisherKeys:
    return PublisherKeys(
        maxmind_account=settings.maxmind_account or None,
        maxmind_key=_secret(settings.maxmind_key),
        ipinfo_token=_secret(settings.ipinfo_token),
    )


def _secret(reference: str) -> str | None:
    return closed_secret(reference) if reference else None


# ------------------------------------------------------------------------------------------ in a running server


class GeoUpdates:
    """The child process that downloads for a server: one at a time, with low priority and its own memory."""

    def __init__(self, config: Path, workspace: Workspace) -> None:
        words = (sys.executable, "-m", "tnc", "--config", str(config), "ipdb", "update", "--due")
        self._child = Child(words, "geo data could not be updated")
        self._workspace = workspace

    def start_if_due(self) -> None:
        """Start a child if something is due, without waiting for it. The next call logs a failure."""
        workspace = self._workspace
        if self._child.is_running() or not workspace.settings.renew:
            return
        if is_due(workspace, workspace.settings):
            self._child.start()

    def stop(self) -> None:
        """An interrupted update leaves the installed data."""
        self._child.stop()


@asynccontextmanager
async def newest_in_use(workspace: Workspace, tracker: Tracker) -> AsyncIterator[None]:
    """While entered, the server uses newly installed data within a second, without a pause."""
    watching = asyncio.create_task(_watch(workspace, tracker))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(workspace: Workspace, tracker: Tracker) -> None:
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        await use_newest(workspace, tracker)


async def use_newest(workspace: Workspace, tracker: Tracker) -> None:
    """Use the installed data from now on."""
    try:
        geo = await asyncio.to_thread(workspace.geo)
    except OSError:
        log.exception("geo data cannot be read")
        return
    if geo is not tracker.reader.geo:
        tracker.reader.geo = tracker.uncounted_reader.geo = geo
        log.info("new geo data is in use", extra={"data": geo.data})
