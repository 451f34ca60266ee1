"""The versions of each workspace's configuration.

A version is one sealed document, written once and never changed. To roll back is to apply an older one.
"""

from dataclasses import dataclass

import zstandard

from tnc.core import crypto
from tnc.core.errors import FailedError, NotFoundError
from tnc.core.models import WorkspaceId
from tnc.store.sqlite import Database, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    version: int
    made_at_ms: int
    made_by: str
    note: str


class ConfigVersions:
    def __init__(self, database: Database, control_key: bytes) -> None:
        self.database = database
        self._key = control_key
        self._newest: dict[WorkspaceId, int] = {}  # only of a database that no other process writes

    @staticmethod
    def _place(workspace: WorkspaceId, version: int) -> bytes:
        return f"tnc configuration 1|{workspace}|{version}".encode()

    def newest_known(self, workspace: WorkspaceId) -> int | None:
        """`latest` without a look at the database; None when that would take one.

        A postback needs the number, and in a thread the way to the loop and back takes 160 us.
        """
        return self._newest.get(workspace)

    @operation
    async def latest(self, workspace: WorkspaceId) -> int:
        """Number of the newest version; 0 when there is none."""
        known = self._newest.get(workspace)
        if known is not None:
            return known
        (found,) = await self.database.fetch_one(
            "select coalesce(max(version), 0) from config_versions where workspace = ?", (workspace,)
        )
        if self.database.writes:
            return self._newest.setdefault(workspace, found)  # one may have been added meanwhile
        return int(found)

    @operation
    async def document(self, workspace: WorkspaceId, version: int) -> bytes:
        row = await self.database.fetch_one(
            "select document from config_versions where workspace = ? and version = ?", (workspace, version)
        )
        if row is None:
            raise NotFoundError(
                f"there is no version {version} of the configuration; `tnc export` prints the present one."
            )
        try:
            packed = crypto.unseal(self._key, row[0], self._place(workspace, version))
        except crypto.CannotOpenError as error:
            raise FailedError(
                f"version {version} of the configuration does not open: it was damaged or moved."
            ) from error
        return zstandard.decompress(packed, max_output_size=1 << 28)

    @operation
    async def add(self, workspace: WorkspaceId, document: bytes, *, made_at_ms: int, made_by: str, note: str) -> int:
        """Make the next version; durable when this returns."""
        packed = zstandard.compress(document)
        async with self.database.transaction() as writer:
            ((version,),) = await writer.execute_fetchall(
                "select coalesce(max(version), 0) + 1 from config_versions where workspace = ?", (workspace,)
            )
            sealed = crypto.seal(self._key, packed, self._place(workspace, version))
            await writer.execute(
                "insert into config_versions values (?, ?, ?, ?, ?, ?)",
                (workspace, version, made_at_ms, made_by, note, sealed),
            )
        self._newest[workspace] = version
        await self.database.checkpoint()
        return int(version)

    @operation
    async def put_back(self, workspace: WorkspaceId, version: int, document: bytes, *, made_at_ms: int) -> None:
        """Store a version under its former number, which the database has lost."""
        sealed = crypto.seal(self._key, zstandard.compress(document), self._place(workspace, version))
        note = "put back: the control database had lost this version"
        await self.database.write(
            "insert or replace into config_versions values (?, ?, ?, ?, ?, ?)",
            (workspace, version, made_at_ms, "tnc", note, sealed),
        )
        self._newest.pop(workspace, None)
        await self.database.checkpoint()

    @operation
    async def all_versions(self, workspace: WorkspaceId) -> list[Version]:
        """Newest first, without their documents."""
        rows = await self.database.fetch_all(
            "select version, made_at_ms, made_by, note from config_versions where workspace = ? order by version desc",
            (workspace,),
        )
        return [Version(version=v, made_at_ms=at, made_by=by, note=note) for v, at, by, note in rows]
