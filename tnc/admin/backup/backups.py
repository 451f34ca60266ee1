"""Creating, listing, verifying and restoring backups.

A restore leaves out what the current keyring cannot decrypt, clicks that were erased since, and what is older than its
retention term.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date as Date
from pathlib import Path
from typing import Any, Final

from tnc.admin.backup.archive import ENDING, BackupReader, BackupWriter, Manifest, Table, disk_errors
from tnc.admin.backup.restore import DayRestorer, MissingTotals
from tnc.admin.install import write_new
from tnc.core.errors import DamagedError, InvalidError, NotFoundError, RefusedError
from tnc.core.fields import parse_rfc3339_ms, rfc3339
from tnc.core.models import ClickHistory, ClickId
from tnc.core.settings import render
from tnc.privacy.journal import Journal, VaultName
from tnc.reports.columns.archive import ArchivedDay, archived_dates
from tnc.store import database as control
from tnc.store.days.history import click_history
from tnc.store.days.writer import day_path, sealer_of
from tnc.store.erasures import KEPT_BY_RESTORE
from tnc.store.keys.keyring import DayKeys, Keyring
from tnc.store.paths import Paths
from tnc.store.terms import is_over
from tnc.store.workspace import Workspace

_SEALED: Final = ("clicks", "events", "deliveries", "inbox")


class Backups:
    """The backups of a workspace, with or without a running server."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    # -- make

    @property
    def folder(self) -> Path:
        return self._workspace.paths.data / "backups"

    def create(self, folder: Path | None = None) -> dict[str, Any]:
        """Write a backup into `folder`. If it fails, no file is left."""
        workspace = self._workspace
        place = folder or self.folder
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = rfc3339(workspace.world.now_ms())
        path = place / f"tnc-{workspace.id}-{now.translate({ord(':'): '', ord('-'): ''})}{ENDING}"
        begun = path.with_name(f"{path.name}.new")
        begun.unlink(missing_ok=True)
        with disk_errors():
            try:
                manifest = self._write(begun, now)
                begun.chmod(0o600)
                begun.replace(path)
            finally:
                begun.unlink(missing_ok=True)
        return {"file": str(path), "clicks": manifest.clicks, "sha256": _digest(path)}

    def _write(self, path: Path, now: str) -> Manifest:
        workspace = self._workspace
        with BackupWriter(path, workspace.keys.control_key, workspace.id) as writer:
            for vault, keyring, days in self._vaults():
                for date in keyring.all_days(workspace.id):
                    day = day_path(days, workspace.id, date)
                    if day.exists():
                        writer.add_day(vault, date, day)
            with closing(control.connect_to_read(workspace.paths.control)) as database:
                writer.add_control(database)
            columns = workspace.paths.columns / workspace.id
            for date in archived_dates(columns):
                for file in ArchivedDay(columns, date).present_files:
                    writer.add_sum(file)
            return writer.finish(now)

    def _vaults(self) -> Iterator[tuple[VaultName, Keyring, Path]]:
        yield "days", self._workspace.keyring, self._workspace.paths.days
        yield "restricted", self._workspace.restricted_keyring, self._workspace.paths.restricted

    # -- look

    def all_files(self, folder: Path | None = None) -> list[dict[str, Any]]:
        """The backups in a folder, newest first; nulls for one that cannot be read."""
        found = []
        for path in sorted((folder or self.folder).glob(f"*{ENDING}"), reverse=True):
            its = _manifest(path)
            made_at, clicks = (None, None) if its is None else (its.made_at, its.clicks)
            found.append({"file": str(path), "made_at": made_at, "clicks": clicks, "bytes": path.stat().st_size})
        return found

    def verify(self, path: Path) -> dict[str, int]:
        """Try to decrypt every record with the current keyring, and count the results."""
        tried: Counter[str] = Counter(records=0, opened=0, refused=0)
        with closing(BackupReader(path)) as backup, backup.reading():
            refusal = self._authenticate(backup)
            for vault, keyring, _ in self._vaults():
                for date in backup.manifest.days[vault]:
                    keys = _keys_of(keyring, backup, date)
                    for table in backup.day(vault, date):
                        _try(table, keys, tried)
        if refusal is not None and tried["opened"]:
            raise refusal  # our records in a file that we did not seal like this
        return dict(tried)

    def _authenticate(self, backup: BackupReader) -> RefusedError | None:
        """What is wrong with the file as a whole; a backup of another installation looks like a changed one."""
        key = self._workspace.keys.control_key
        try:
            backup.authenticate(key)
            backup.control(key)
            for _ in backup.sums(key):
                pass
        except RefusedError as error:
            return error
        return None

    # -- put back

    def restore(self, path: Path, data: Path) -> dict[str, Any]:
        """Make a new data directory with the current keyring and the same key file. The current one is not changed."""
        workspace = self._workspace
        if data.exists() and any(data.iterdir()):
            raise RefusedError(f"{data} is not empty; restore into a new directory with --data DIR.")
        if workspace.paths.data.resolve() in data.resolve().parents:
            raise RefusedError(f"{data} lies in the present data directory; name another place with --data DIR.")
        if Journal(workspace.keyring.intent_file(workspace.id)).read() is not None:
            raise RefusedError(
                "an erasure is not complete yet; start `tnc serve` once, or wait a minute, then restore."
            )
        with closing(BackupReader(path)) as backup, disk_errors(), backup.reading():
            if backup.manifest.workspace != workspace.id:
                raise InvalidError(f"this backup is of the workspace {backup.manifest.workspace!r}.")
            backup.authenticate(workspace.keys.control_key)
            made = not data.exists()
            try:
                missing = MissingTotals()
                result = self._restore_all(backup, Paths(data), missing)
            except BaseException:  # no half data directory is left
                for left in [data] if made else list(data.iterdir()):
                    shutil.rmtree(left, ignore_errors=True)
                raise
        config = data / "config.toml"
        write_new(config, render(replace(workspace.settings, data=data), data))
        return {
            "data": str(data),
            "config": str(config),
            **{name: result[name] for name in _TOLD},
            "totals_lack": missing.to_json(),
        }

    def _restore_all(self, backup: BackupReader, paths: Paths, missing: MissingTotals) -> Counter[str]:
        for room in (paths.data, paths.days, paths.columns, paths.addresses, paths.restricted):
            room.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._restore_control(backup, paths)
        result = Counter(clicks=0, refused=0, expired_days=0)
        for vault, keyring, _ in self._vaults():
            for date in backup.manifest.days[vault]:
                result += self._restore_day(backup, vault, keyring, Date.fromisoformat(date), paths, missing=missing)
        self._restore_sums(backup, paths)
        self._copy_keys(paths)
        if self._workspace.paths.clock.exists():  # the records are older than the present, and no reason for doubt
            shutil.copy2(self._workspace.paths.clock, paths.clock)
        return result

    def _restore_control(self, backup: BackupReader, paths: Paths) -> None:
        tables = backup.control(self._workspace.keys.control_key)
        with (
            closing(control.connect(paths.control)) as database,
            closing(control.connect_to_read(self._workspace.paths.control)) as present,
        ):
            control.prepare(database, paths.control, up_to=backup.manifest.control_schema)
            control.insert_tables(database, tables)
            control.CONTROL.migrate(database)
            control.insert_tables(
                database, control.read_tables(present, KEPT_BY_RESTORE)
            )  # erasures and promises since then hold

    def _restore_day(
        self,
        backup: BackupReader,
        vault: VaultName,
        keyring: Keyring,
        date: Date,
        paths: Paths,
        *,
        missing: MissingTotals,
    ) -> Counter[str]:
        workspace = self._workspace
        if vault == "days" and is_over(date, "clicks", workspace.settings, workspace.world.now_ms()):
            return Counter(expired_days=1)
        keys = _keys_of(keyring, backup, date.isoformat())
        if keys is None:
            return Counter(expired_days=1)
        folder = paths.days if vault == "days" else paths.restricted
        restorer = DayRestorer(
            day_path(folder, workspace.id, date),
            keys,
            lambda click_ids: workspace.erasures.find_erased(click_ids).wait(),
            day_schema=backup.manifest.day_schema,
        )
        put = restorer.put_back(backup.day(vault, date.isoformat()))
        if vault == "days" and put.refused:
            made_at_ms = parse_rfc3339_ms(backup.manifest.made_at)
            missing.add_day(put.refused, self._remainders(date, put.remainders), made_at_ms=made_at_ms)
        return Counter(clicks=put.clicks, refused=put.refused)

    def _remainders(self, date: Date, known: Collection[ClickId]) -> list[ClickHistory]:
        """The remainders of erased clicks in the present data, without the known ones."""
        found: list[ClickHistory] = []
        with suppress(NotFoundError, DamagedError), self._workspace.histories.day(date) as reader:
            for seq, click in reader.clicks():
                if click.erased and click.click_id not in known:
                    found.append(click_history(click, reader.events_of(seq)))
        return found

    def _restore_sums(self, backup: BackupReader, paths: Paths) -> None:
        workspace = self._workspace
        place = ArchivedDay(paths.columns / workspace.id, Date.min).directory
        for name, content in backup.sums(workspace.keys.control_key):
            if not is_over(Date.fromisoformat(name[:10]), "rollups", workspace.settings, workspace.world.now_ms()):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                (place / Path(name).name).write_bytes(content)

    def _copy_keys(self, paths: Paths) -> None:
        """Copy the current keyring: what it cannot decrypt here, it cannot decrypt there."""
        shutil.copytree(self._workspace.paths.ring, paths.ring)
        for folder in (paths.ring, *(path for path in paths.ring.rglob("*") if path.is_dir())):
            folder.chmod(0o700)


_TOLD: Final = ("clicks", "refused", "expired_days")


def _manifest(path: Path) -> Manifest | None:
    try:
        with closing(BackupReader(path)) as backup:
            return backup.manifest
    except (InvalidError, RefusedError):
        return None


def _keys_of(keyring: Keyring, backup: BackupReader, date: str) -> DayKeys | None:
    try:
        return keyring.open_day(backup.manifest.workspace, Date.fromisoformat(date))
    except NotFoundError:
        return None


def _try(table: Table, keys: DayKeys | None, tried: Counter[str]) -> None:
    if table.name not in _SEALED:
        for _ in table.rows:
            pass
        return
    number, sealed = table.columns.index("seq"), table.columns.index("sealed")
    sealer = None if keys is None else sealer_of(keys, table.name)  # type: ignore[arg-type]
    for row in table.rows:
        tried["records"] += 1
        tried["opened" if sealer is not None and sealer.opens(row[number], row[sealed]) else "refused"] += 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
