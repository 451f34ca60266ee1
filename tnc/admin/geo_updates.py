"""Geo data kept fresh, by the settings of this installation: from where, with which keys, and what is due."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tnc.admin.download import fetching
from tnc.core.process import Child
from tnc.core.settings import Settings, closed_secret
from tnc.store.workspace import Workspace
from tnc.tracking.tracker import Tracker
from tnc.visitors.geo.catalog import GeoFolder
from tnc.visitors.geo.sources import DataSource, PublisherKeys, standard_sources
from tnc.visitors.geo.update import UpdateReport, due, update

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0


def wanted_data(settings: Settings, now_ms: int, *, with_keys: bool = True) -> tuple[DataSource, ...]:
    """All that is kept fresh. Without keys, which nobody needs to tell what is due, no file is read.

    Raises RefusedError when others on this machine can read a key, InvalidError when there is none.
    """
    keys = _keys(settings) if with_keys else PublisherKeys()
    return standard_sources(now_ms, keys=keys, base_url=settings.base_url or None)


def is_due(settings: Settings, data: GeoFolder, now_ms: int) -> bool:
    return bool(due(data, wanted_data(settings, now_ms, with_keys=False), now_ms))


async def renew(settings: Settings, data: GeoFolder, now_ms: int, *, all_of_it: bool = True) -> UpdateReport:
    """Fetch everything, or only what is older than it should be."""
    wanted = wanted_data(settings, now_ms)
    if not all_of_it:
        wanted = due(data, wanted, now_ms)
    async with fetching(settings.base_url or None, settings.allow_hosts) as fetch:
        return await update(data, wanted, fetch=fetch, now_ms=now_ms)


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
    """The child process that fetches for a server: one at a time, of low priority, with a memory of its own."""

    def __init__(self, config: Path, workspace: Workspace) -> None:
        words = (sys.executable, "-m", "tnc", "--config", str(config), "ipdb", "update", "--due")
        self._child = Child(words, "geo data could not be renewed")
        self._workspace = workspace

    def start_if_due(self) -> None:
        """Start a child when there is something to fetch, and do not wait for it: the next turn tells how it went."""
        workspace = self._workspace
        if self._child.is_running() or not workspace.settings.renew:
            return
        if is_due(workspace.settings, workspace.addresses, workspace.world.now_ms()):
            self._child.start()

    def stop(self) -> None:
        """An update that is cut off leaves what was there."""
        self._child.stop()


@asynccontextmanager
async def newest_in_use(workspace: Workspace, tracker: Tracker) -> AsyncIterator[None]:
    """While this lasts, a server uses what is installed within a second, without a pause."""
    looking = asyncio.create_task(_look_for_newer(workspace, tracker))
    try:
        yield
    finally:
        looking.cancel()


async def _look_for_newer(workspace: Workspace, tracker: Tracker) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            geo = await asyncio.to_thread(workspace.geo)
        except OSError:
            log.exception("geo data cannot be looked at")
            continue
        if geo is not tracker.reader.geo:
            tracker.reader.geo = tracker.uncounted_reader.geo = geo
            log.info("new geo data is in use", extra={"data": geo.data})
