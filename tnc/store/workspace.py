"""An open data directory: keys, configuration and recorded clicks, for the server, its dashboard and commands."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date as Date
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Final, Self

from tnc.campaigns.export import from_document, to_document
from tnc.core import crypto
from tnc.core.clock import DAY_MS, World
from tnc.core.errors import DamagedError, FailedError, NotFoundError, RefusedError, UnavailableError
from tnc.core.models import MAIN, CampaignId, Click, Configuration, WorkspaceId
from tnc.core.settings import Settings
from tnc.rules import Plan, Plans, compile_configuration
from tnc.store import database as control
from tnc.store.accounts import Accounts
from tnc.store.alerts import Alerts
from tnc.store.clock_check import ClockCheck, newest_record_ms
from tnc.store.config_versions import ConfigVersions
from tnc.store.damage import Damage, DamageNotes, note_vanished, put_damaged_days_aside
from tnc.store.days.files import count_clicks, has_clicks
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import day_path, utc_date
from tnc.store.erasures import Erasures
from tnc.store.keys.keyring import Keyring, read_key, read_keys
from tnc.store.keys.records import dictionary_of
from tnc.store.opt_outs import OptOuts
from tnc.store.paths import Paths
from tnc.store.requests import RequestRegister
from tnc.store.snapshot import Snapshot, SnapshotFile
from tnc.store.sqlite import Database
from tnc.store.stopped import StoppedDestinations
from tnc.store.terms import WorkspaceTerms, last_ended
from tnc.visitors.geo.catalog import CurrentGeo, GeoFolder
from tnc.visitors.geo.geo import Geo
from tnc.visitors.user_agent import UserAgentReader

log = logging.getLogger(__name__)


_CLICKS_READ: Final = 2_000  # at a start, to find the newest that was not imported


class Workspace:
    """The keys, the configuration and the recorded clicks of one workspace. Thread-safe.

    `loop` serves the control database; it must not be that of the calling thread. Without one the database has a loop
    of its own (`tnc.store.sqlite.Database`). Methods that are not coroutines may wait for it: they are for threads.
    """

    def __init__(
        self,
        settings: Settings,
        world: World,
        *,
        to_write: bool,
        workspace_id: WorkspaceId = MAIN,
        loop: asyncio.AbstractEventLoop | None = None,
        degraded: bool = False,
    ) -> None:
        """`degraded`: when the control database cannot be used, use the snapshot of the configuration in its place.

        Raises DamagedError when neither can be used.
        """
        self.world = world
        self.id = workspace_id
        self.paths = Paths(settings.data)
        if not self.paths.control.exists() and not self.paths.snapshot.exists():
            raise NotFoundError(f"{settings.data} is no data directory of tnc; make one with `tnc init --data DIR`.")
        keys = read_keys(settings.key)
        self.keyring = Keyring(self.paths.ring, *keys[:2])
        self.restricted_keyring = Keyring(self.paths.ring / "restricted", *keys[:2])
        self.keys = self.keyring.installation()
        self.damage = DamageNotes(self.paths.data)
        self.snapshot = SnapshotFile(self.paths.snapshot, self.keys.control_key, self.id)
        self.degraded: str | None = None  # why changes are not stored
        self._snapshot_opt_outs: Mapping[str, Sequence[bytes]] = {}
        self.addresses = GeoFolder(self.paths.addresses)
        # A process that writes uses geo data for long, and no other may replace a file under it.
        self._installed = CurrentGeo(self.addresses, private=to_write)
        self.histories = ClickHistories(
            self.paths.days,
            self.keyring,
            self.id,
            last_ended=lambda: last_ended("clicks", self.settings, self.world.now_ms()),
        )
        self.clock = ClockCheck(self.paths.clock, world, lambda: newest_record_ms(self.histories))
        self._plans: dict[int, Plans] = {}
        self._given = settings
        self.database = self._open_control(to_write=to_write, loop=loop, degraded=degraded)
        self.versions = ConfigVersions(self.database, self.keys.control_key)
        self.terms = WorkspaceTerms(self.database, self.id)
        self.stopped_destinations = StoppedDestinations(self.database)
        self.alerts = Alerts(self.database, self.id)
        try:
            self.apply_terms()
        except BaseException as error:
            self.close()
            if type(error) is sqlite3.DatabaseError:  # and not a subclass, which has other causes
                raise FailedError(
                    f"the control database {self.paths.control} is damaged ({error}); restore it from a backup."
                ) from error
            raise

    def _open_control(self, *, to_write: bool, loop: asyncio.AbstractEventLoop | None, degraded: bool) -> Database:
        path = self.paths.control
        why = control.damage(path) if degraded or not path.exists() else None
        try:
            if why is not None:
                raise DamagedError(f"the control database {path} is damaged ({why}).")  # noqa: TRY301 - reported below
            if path.stat().st_size == 0:
                raise DamagedError(f"the control database {path} is empty.")  # noqa: TRY301 - as above
            if degraded and to_write and not os.access(self.paths.data, os.W_OK):
                self.degraded = (
                    f"{self.paths.data} cannot be written; if its file system is read-only, type: mount -o remount,rw"
                )
                return control.open_in_memory(path, loop=loop)
            database = control.open_database(path, to_write=to_write, loop=loop)
        except (DamagedError, UnavailableError, sqlite3.DatabaseError, OSError) as error:
            reason = f"{str(error).rstrip('.')}. Restore it from a backup: tnc backup restore --help"
            if not degraded:
                raise DamagedError(reason) from error
            saved = self.snapshot.read()
            if saved is None:
                raise DamagedError(reason) from error
            self.degraded = reason
            return self._from_snapshot(saved, loop)
        latest = ConfigVersions(database, self.keys.control_key)
        try:
            if degraded and (version := latest.latest(self.id).wait()):
                latest.document(self.id, version).wait()
        except BaseException as error:
            database.close()
            saved = self.snapshot.read() if isinstance(error, FailedError | sqlite3.DatabaseError) else None
            if saved is None:
                raise
            self.degraded = f"{str(error).rstrip('.')}. Restore control.db from a backup: tnc backup restore --help"
            return self._from_snapshot(saved, loop)
        return database

    def _from_snapshot(self, saved: Snapshot, loop: asyncio.AbstractEventLoop | None) -> Database:
        database = control.open_in_memory(None, loop=loop)
        self._snapshot_opt_outs = saved.opt_outs
        versions = ConfigVersions(database, self.keys.control_key)
        if saved.version:
            versions.put_back(self.id, saved.version, saved.document, made_at_ms=self.world.now_ms()).wait()
        return database

    def save_snapshot(self) -> None:
        """Keep the present configuration and the opt-outs for a start without the control database."""
        if self.degraded is not None:
            return
        version = self.latest_version()
        document = self.versions.document(self.id, version).wait() if version else b""
        try:
            self.snapshot.write(version, document, self.stored_opt_outs())
        except OSError as error:
            log.warning("the snapshot of the configuration could not be stored", extra={"reason": error.strerror})

    def recover_versions(self) -> None:
        """At a start: put back the version that the control database has lost, and note it.

        The log `control.db-wal` may be lost or emptied while the file stays whole; SQLite says nothing then.
        """
        if self.degraded is not None:
            return
        version, now_ms = self.latest_version(), self.world.now_ms()
        saved = self.snapshot.read()
        clicks = islice(self.histories.newest_clicks(since_ms=0), _CLICKS_READ)
        newest = next((each.config_version for each in clicks if not each.imported), 0)
        known = max(newest or 0, saved.version if saved else 0)
        if known > version:
            back = saved is not None and saved.version > version
            if saved is not None and back:
                self._snapshot_opt_outs = saved.opt_outs
                self.versions.put_back(self.id, saved.version, saved.document, made_at_ms=now_ms).wait()
            restored = (
                f"version {saved.version} was put back from its snapshot" if saved and back else "no snapshot has it"
            )
            self.damage.add(
                Damage(
                    subject="control.db",
                    text=f"The control database knew version {version} of the configuration, but version {known} was "
                    f"applied before: {restored}. Other changes since version {version} may be lost.",
                    fix="Compare with `tnc export`; restore a backup if more is missing (tnc backup restore). To "
                    "acknowledge the loss, delete damage.json in the data directory.",
                    found_at_ms=now_ms,
                )
            )
        self.save_snapshot()

    @classmethod
    def create(cls, settings: Settings, world: World) -> Self:
        """Make a data directory: keys, control database, the workspace `main`."""
        paths = Paths(settings.data)
        for folder in (paths.data, paths.days, paths.ring, paths.columns, paths.addresses):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring = Keyring(paths.ring, read_key(settings.key))
        keyring.create()
        keyring.create_workspace(MAIN)
        database = control.connect(paths.control)
        control.prepare(database, paths.control)
        database.close()
        made = cls(settings, world, to_write=True)
        made.clock.beat()
        return made

    def apply_terms(self) -> None:
        """Apply the stored retention terms of the workspace to `settings`."""
        self.settings = self.terms.applied_to(self._given).wait()

    @cached_property
    def erasures(self) -> Erasures:
        tomb_key = self.keyring.workspace(self.id).tomb_key
        return Erasures(self.database, self.id, tomb_key)

    @cached_property
    def register(self) -> RequestRegister:
        """The privacy requests."""
        return RequestRegister(self.database, self.id, self.keys.control_key)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    @property
    def public_key(self) -> bytes:
        """The key that receipts can be checked with."""
        return crypto.public_key(self.keys.receipt_key)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def examine_days(self) -> None:
        """At a start: put damaged days aside, and note those that had clicks and have no file now."""
        now_ms = self.world.now_ms()
        put_damaged_days_aside(self.damage, self.paths.data, self.paths.days, self.keyring, self.id, now_ms=now_ms)
        self.note_vanished_days()

    def note_day_file(self, day: tuple[WorkspaceId, Date], what: str, aside: Path | None) -> None:
        """Note what happened to the file of a day while the server ran."""
        path = day_path(self.paths.days, *day).relative_to(self.paths.data)
        self.damage.add(
            Damage(
                subject=str(path),
                text=f"{path} {what}",
                fix="Find out what changes files in the data directory. To acknowledge, delete "
                + (f"{aside}." if aside else "damage.json in the data directory."),
                found_at_ms=self.world.now_ms(),
                date=day[1].isoformat(),
                aside=None if aside is None else str(aside.relative_to(self.paths.data)),
            )
        )

    def note_vanished_days(self) -> None:
        """Compare the day files with what was counted last, and count again."""
        folder = self.paths.days / self.id
        counted = self.damage.counted()
        present = {date: self._count(date, counted.get(date, 0)) for date in self.histories.stored_dates()}
        kept = {date: clicks for date, clicks in counted.items() if self.keyring.has_day(self.id, date)}
        note_vanished(
            self.damage, kept.items(), present, folder.relative_to(self.paths.data), now_ms=self.world.now_ms()
        )
        lost = {date: clicks for date, clicks in kept.items() if not present.get(date)}
        self.damage.count(lost | {date: clicks for date, clicks in present.items() if clicks})
        self.damage.keep_since(utc_date(self.clock.cautious_ms() - self.settings.clicks_days * DAY_MS))

    def _count(self, date: Date, counted: int) -> int:
        """Clicks of a day; of an old day that was counted, so many as then, unless its file is empty."""
        path = day_path(self.paths.days, self.id, date)
        if counted and date < utc_date(self.world.now_ms() - DAY_MS) and has_clicks(path):
            return counted
        return count_clicks(path)

    def check_keys(self) -> None:
        """Check that every recorded day has keys and that they open. Raises RefusedError, FailedError."""
        for date in self.histories.stored_dates():
            try:
                self.keyring.open_day(self.id, date)
            except NotFoundError:
                raise RefusedError(
                    f"there are clicks of {date} but no key for them in {self.paths.ring}. Restore the newest copy of "
                    f"that folder. If the key is lost for good, move {self.paths.days / self.id / str(date)}.db away: "
                    "it can no longer be read."
                ) from None

    # -- the configuration

    def latest_version(self) -> int:
        """Number of the present version; 0 is the empty one."""
        known = self.versions.newest_known(self.id)
        return self.versions.latest(self.id).wait() if known is None else known

    def configuration(self) -> tuple[int, Configuration]:
        """The present version's number and content."""
        version = self.latest_version()
        return version, self.plans(version).configuration

    async def load_configuration(self) -> tuple[int, Configuration]:
        """`configuration` for coroutines. A version that is not compiled yet is compiled in a thread."""
        version = await self.versions.latest(self.id)
        plans = self._plans.get(version)
        if plans is None:
            plans = await asyncio.to_thread(self.plans, version)
        return version, plans.configuration

    def dictionary(self) -> bytes:
        """The ids of the present configuration, for the records of a new day."""
        _, present = self.configuration()
        flows = {flow.id for campaign in present.campaigns.values() for flow in campaign.flows}
        tables = (present.filters, present.landers, present.networks, present.sources, present.offers)
        return dictionary_of(chain(sorted(flows), *tables, present.campaigns))

    def version(self, number: int) -> Configuration:
        return self.plans(number).configuration

    def plans(self, version: int) -> Plans:
        """A version, compiled. Kept in memory, since versions never change."""
        found = self._plans.get(version)
        if found is None:
            document = self.versions.document(self.id, version).wait() if version else to_document(Configuration())
            found = self._plans[version] = compile_configuration(from_document(document), version)
        return found

    def plan(self, campaign: CampaignId) -> Plan:
        """The present plan of a campaign. Raises NotFoundError."""
        plans = self.plans(self.latest_version())
        plan = plans.by_id.get(campaign)
        if plan is None:
            known = ", ".join(sorted(plans.by_id)) or "none yet"
            raise NotFoundError(f"there is no campaign {campaign!r}; there are: {known}.")
        return plan

    def plan_of(self, click: Click) -> Plan | None:
        """The plan that decided a click; None for an imported click, whose version is of another installation."""
        if click.imported or click.config_version is None:
            return None
        try:
            return self.plans(click.config_version).by_id.get(click.campaign)
        except (NotFoundError, FailedError):  # the control database has lost that version, or it is damaged
            return None

    def destination(self, click: Click) -> str | None:
        """The URL that a click was sent to, recomputed from its plan."""
        plan = self.plan_of(click)
        return click.destination if plan is None else plan.destination(click)

    # -- the tracker

    def geo(self) -> Geo:
        """All geo data that is installed now. Readers of replaced data keep it."""
        return self._installed.geo()

    @cached_property
    def agents(self) -> UserAgentReader:
        """Reads user agents; shared, because it caches them."""
        return UserAgentReader()

    def opt_outs(self) -> OptOuts:
        """The opt-outs that are in force."""
        found = OptOuts(hash_of=self.erasures.hash)
        found.replace(self.stored_opt_outs())
        return found

    def stored_opt_outs(self) -> dict[str, set[bytes]]:
        """Keyed hashes by kind; with those of the snapshot where the control database has lost some."""
        found = self.erasures.opt_outs(now_ms=self.clock.cautious_ms()).wait()
        for kind, hashes in self._snapshot_opt_outs.items():
            found.setdefault(kind, set()).update(hashes)
        return found

    def rotate_salts(self) -> dict[str, bytes]:
        """The salts of yesterday, today and tomorrow; others are destroyed, but not while the clock is doubted."""
        today = utc_date(self.world.now_ms())
        return self.keyring.rotate_salts(self.id, today, keep_others=self.clock.doubt() is not None)


@asynccontextmanager
async def served_workspace(settings: Settings, world: World) -> AsyncIterator[Workspace]:
    """A workspace that may write and whose control database the running loop serves."""
    loop = asyncio.get_running_loop()
    workspace = await asyncio.to_thread(Workspace, settings, world, to_write=True, loop=loop, degraded=True)
    try:
        yield workspace
    finally:
        await asyncio.to_thread(workspace.close)
