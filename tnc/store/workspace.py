"""A data directory, opened: what every face of tnc - server, dashboard, command - stands on."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final, Self

from tnc.campaigns.export import from_document, to_document
from tnc.core import crypto
from tnc.core.clock import World
from tnc.core.errors import NotFoundError, RefusedError
from tnc.core.models import MAIN, CampaignId, Click, Configuration, WorkspaceId
from tnc.core.settings import Settings
from tnc.rules import Plan, Plans, compile_configuration
from tnc.store import database as control
from tnc.store.alerts import Alerts
from tnc.store.database import ConfigVersions
from tnc.store.days.history import Stories
from tnc.store.days.writer import utc_date
from tnc.store.erasures import Forgotten
from tnc.store.keys.keyring import Keyring, read_key, read_keys
from tnc.store.keys.records import words_of
from tnc.store.opt_outs import Objections
from tnc.store.requests import Register
from tnc.store.stopped import Stops
from tnc.store.terms import WorkspaceTerms
from tnc.visitors.geo.catalog import AddressData, Installed
from tnc.visitors.geo.geo import Geo
from tnc.visitors.user_agent import Agents

_OWN_FILES: Final = ("config.toml", "sign-in", "lock", "socket")  # the owner's words, also those of a demo, and nothing


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where things lie in a data directory."""

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
        """Day files of clicks that may be kept and not used."""
        return self.data / "restricted"

    @property
    def columns(self) -> Path:
        return self.data / "columns"

    @property
    def addresses(self) -> Path:
        return self.data / "ipdb"

    @property
    def inspection(self) -> Path:
        """What the last search for words in the clear found."""
        return self.data / "inspection.json"

    def files(self) -> Iterator[Path]:
        """Every file in which nothing may be in the clear: all but the owner's own words and address data."""
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
def locked(rooms: Rooms) -> Iterator[None]:
    """Be the only one who writes here. Raises RefusedError when somebody else is."""
    descriptor = os.open(rooms.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"another tnc is using {rooms.data}; stop it first, or work through it: while a server runs, "
                "commands go through it by themselves."
            ) from None
        yield
    finally:
        os.close(descriptor)


class House:
    """The keys, the configuration and the recorded clicks of one workspace. Safe for several threads."""

    def __init__(self, settings: Settings, world: World, *, to_write: bool, workspace: WorkspaceId = MAIN) -> None:
        self.world = world
        self.workspace = workspace
        self.rooms = Rooms(settings.data)
        if not self.rooms.control.exists():
            raise NotFoundError(f"{settings.data} is no data directory of tnc; make one with `tnc init --data DIR`.")
        keys = read_keys(settings.key)
        self.keyring = Keyring(self.rooms.ring, *keys[:2])
        self.restricted_keyring = Keyring(self.rooms.ring / "restricted", *keys[:2])
        self.keys = self.keyring.installation()
        connect = control.connect if to_write else control.connect_to_read
        self.database = connect(self.rooms.control)
        control.prepare(self.database, self.rooms.control)
        self.database_lock = threading.Lock()
        self.versions = ConfigVersions(self.database, self.keys.control_key, self.database_lock)
        self.terms = WorkspaceTerms(self.database, self.database_lock, workspace)
        self._given = settings
        self.take_terms()
        self.stops = Stops(self.database, self.database_lock)
        self.alerts = Alerts(self.database, self.database_lock, workspace)
        self.addresses = AddressData(self.rooms.addresses)
        # Who writes is a server or works in its place: nobody may pull a file from under it.
        self._installed = Installed(self.addresses, private=to_write)
        self.stories = Stories(self.rooms.days, self.keyring, workspace)
        self._plans: dict[int, Plans] = {}

    @classmethod
    def create(cls, settings: Settings, world: World) -> Self:
        """A new data directory: keys, control database, the workspace `main`."""
        rooms = Rooms(settings.data)
        for folder in (rooms.data, rooms.days, rooms.ring, rooms.columns, rooms.addresses):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring = Keyring(rooms.ring, read_key(settings.key))
        keyring.create()
        keyring.create_workspace(MAIN)
        database = control.connect(rooms.control)
        control.prepare(database, rooms.control)
        database.close()
        return cls(settings, world, to_write=True)

    def take_terms(self) -> None:
        """Keep to the terms of the workspace as they are now."""
        self.settings = self.terms.applied_to(self._given)

    @cached_property
    def forgotten(self) -> Forgotten:
        tomb_key = self.keyring.workspace(self.workspace).tomb_key
        return Forgotten(self.database, self.database_lock, self.workspace, tomb_key)

    @cached_property
    def register(self) -> Register:
        """The requests of people."""
        return Register(self.database, self.database_lock, self.workspace, self.keys.control_key)

    @property
    def public_key(self) -> bytes:
        """By which anybody can check our receipts."""
        return crypto.public_key(self.keys.receipt_key)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_keys(self) -> None:
        """Every recorded day has its keys and they open. Raises RefusedError or FailedError that says what to do."""
        for date in self.stories.dates():
            try:
                self.keyring.open_day(self.workspace, date)
            except NotFoundError:
                raise RefusedError(
                    f"there are clicks of {date} but no key for them in {self.rooms.ring}. Put the newest copy of that "
                    f"folder back. If the key is lost for good, move {self.rooms.days / self.workspace / str(date)}.db "
                    "away: nobody can read it any more."
                ) from None

    # -- the configuration

    def configuration(self) -> tuple[int, Configuration]:
        """The present version's number and content; version 0 is the empty one."""
        version = self.versions.latest(self.workspace)
        return version, self.plans(version).configuration

    def words(self) -> bytes:
        """The owner's ids, which the records of a new day need not say again."""
        _, present = self.configuration()
        flows = {flow.id for campaign in present.campaigns.values() for flow in campaign.flows}
        tables = (present.filters, present.landers, present.networks, present.sources, present.offers)
        return words_of(chain(sorted(flows), *tables, present.campaigns))

    def version(self, number: int) -> Configuration:
        return self.plans(number).configuration

    def plans(self, version: int) -> Plans:
        """A version, compiled; kept, since versions never change."""
        found = self._plans.get(version)
        if found is None:
            document = self.versions.document(self.workspace, version) if version else to_document(Configuration())
            found = self._plans[version] = compile_configuration(from_document(document), version)
        return found

    def plan(self, campaign: CampaignId) -> Plan:
        """The present plan of a campaign. Raises NotFoundError."""
        plans = self.plans(self.versions.latest(self.workspace))
        plan = plans.by_id.get(campaign)
        if plan is None:
            known = ", ".join(sorted(plans.by_id)) or "none yet"
            raise NotFoundError(f"there is no campaign {campaign!r}; there are: {known}.")
        return plan

    def plan_of(self, click: Click) -> Plan | None:
        """The plan that decided a click; None for an imported one, whose version is one of another appliance."""
        if click.imported or click.config_version is None:
            return None
        return self.plans(click.config_version).by_id.get(click.campaign)

    def destination(self, click: Click) -> str | None:
        """Where a click was sent, made again from its plan."""
        plan = self.plan_of(click)
        return click.destination if plan is None else plan.destination(click)

    # -- the tracker

    def geo(self) -> Geo:
        """All address data that is installed now. Of one that was replaced, only its readers know."""
        return self._installed.geo()

    @cached_property
    def agents(self) -> Agents:
        """What reads user agents; it remembers them, so all readers share it."""
        return Agents()

    def objections(self) -> Objections:
        """Who wants no trace, as of now."""
        found = Objections(hashed=self.forgotten.hash)
        found.take(self.forgotten.objections(now_ms=self.world.now_ms()))
        return found

    def turn_salts(self) -> dict[str, bytes]:
        """Salts of yesterday, today and tomorrow; older ones are destroyed."""
        return self.keyring.turn_salts(self.workspace, utc_date(self.world.now_ms()))
