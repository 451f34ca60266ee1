"""Destinations that are stopped until the operator acts: the only state of a destination that survives a restart."""

from dataclasses import dataclass
from typing import Final

from tnc.core.models import DestinationId, WorkspaceId
from tnc.store.sqlite import Database, operation

STOP_TABLE: Final = """
create table stopped_destinations (
  workspace      text not null,
  destination    text not null,
  reason         text not null,     -- codes of the platform and texts of ours
  at_ms          integer not null,  -- UTC
  config_version integer not null,  -- that was live: a later one may have a new token
  primary key (workspace, destination)
) strict, without rowid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedDestination:
    destination: DestinationId
    reason: str
    at_ms: int
    config_version: int


class StoppedDestinations:
    def __init__(self, database: Database) -> None:
        self.database = database

    @operation
    async def all_of(self, workspace: WorkspaceId) -> list[StoppedDestination]:
        rows = await self.database.fetch_all(
            "select destination, reason, at_ms, config_version from stopped_destinations where workspace = ?",
            (workspace,),
        )
        return [
            StoppedDestination(destination=of, reason=reason, at_ms=at, config_version=v) for of, reason, at, v in rows
        ]

    @operation
    async def put(self, workspace: WorkspaceId, stop: StoppedDestination) -> None:
        await self.database.write(
            "insert or replace into stopped_destinations values (?, ?, ?, ?, ?)",
            (workspace, stop.destination, stop.reason, stop.at_ms, stop.config_version),
        )

    @operation
    async def remove(self, workspace: WorkspaceId, destination: DestinationId) -> None:
        await self.database.write(
            "delete from stopped_destinations where workspace = ? and destination = ?", (workspace, destination)
        )
