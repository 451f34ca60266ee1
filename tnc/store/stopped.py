"""Destinations that were stopped until the operator acts: the one thing about them that outlives a restart."""

import sqlite3
import threading
from dataclasses import dataclass
from typing import Final

from tnc.core.models import DestinationId, WorkspaceId

STOP_TABLE: Final = """
create table stopped_destinations (
  workspace      text not null,
  destination    text not null,
  reason         text not null,     -- codes of the platform and words of ours
  at_ms          integer not null,  -- UTC
  config_version integer not null,  -- that was live: another one may hold a new token
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
    """Safe for several threads, which share `lock`."""

    def __init__(self, database: sqlite3.Connection, lock: threading.Lock) -> None:
        self._database = database
        self._lock = lock

    def all_of(self, workspace: WorkspaceId) -> list[StoppedDestination]:
        with self._lock:
            rows = self._database.execute(
                "select destination, reason, at_ms, config_version from stopped_destinations where workspace = ?",
                (workspace,),
            ).fetchall()
        return [
            StoppedDestination(destination=of, reason=reason, at_ms=at, config_version=v) for of, reason, at, v in rows
        ]

    def put(self, workspace: WorkspaceId, stop: StoppedDestination) -> None:
        with self._lock:
            self._database.execute(
                "insert or replace into stopped_destinations values (?, ?, ?, ?, ?)",
                (workspace, stop.destination, stop.reason, stop.at_ms, stop.config_version),
            )

    def remove(self, workspace: WorkspaceId, destination: DestinationId) -> None:
        with self._lock:
            self._database.execute(
                "delete from stopped_destinations where workspace = ? and destination = ?", (workspace, destination)
            )
