"""Alerts that were mailed or are to be mailed, by subject, so that restarts do not mail them again."""

from dataclasses import dataclass
from typing import Final

from tnc.core.models import WorkspaceId
from tnc.store.sqlite import Database, operation

ALERT_TABLE: Final = """
create table alerts (
  workspace text not null,
  subject   text not null,
  at_ms     integer not null,  -- UTC; when it arose: its Message-ID is made from this
  sent      integer not null,  -- 1: the mail server took it
  over      integer not null,  -- 1: its cause is over
  problem   text,              -- why the last attempt failed
  primary key (workspace, subject)
) strict, without rowid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    subject: str
    at_ms: int
    sent: bool = False
    over: bool = False
    problem: str | None = None


class Alerts:
    def __init__(self, database: Database, workspace: WorkspaceId) -> None:
        self.database = database
        self._workspace = workspace

    @operation
    async def all(self) -> dict[str, Alert]:
        """By subject, oldest first."""
        rows = await self.database.fetch_all(
            "select subject, at_ms, sent, over, problem from alerts where workspace = ? order by at_ms, subject",
            (self._workspace,),
        )
        return {
            subject: Alert(subject=subject, at_ms=at_ms, sent=bool(sent), over=bool(over), problem=problem)
            for subject, at_ms, sent, over, problem in rows
        }

    @operation
    async def put(self, alert: Alert) -> None:
        await self.database.write(
            "insert or replace into alerts values (?, ?, ?, ?, ?, ?)",
            (self._workspace, alert.subject, alert.at_ms, alert.sent, alert.over, alert.problem),
        )

    @operation
    async def remove(self, subject: str) -> None:
        await self.database.write("delete from alerts where workspace = ? and subject = ?", (self._workspace, subject))
