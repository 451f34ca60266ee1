"""One report, from the words it was asked in to its answer: the same in a command and in the server's child."""

from datetime import date as Date
from pathlib import Path

from tnc.core.errors import InvalidError
from tnc.core.exchange import read_dated_rates
from tnc.core.models import WorkspaceId
from tnc.reports.client import Asked
from tnc.reports.columns.columns import Columns
from tnc.reports.query import Question, question
from tnc.reports.result import Answer
from tnc.reports.run import Exchange, Reports
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace


def reports_of(workspace: Workspace, columns: Columns) -> Reports:
    def dates(workspace_id: WorkspaceId) -> list[Date]:
        if workspace_id != workspace.id:
            raise InvalidError(f"there is no workspace {workspace_id!r} here.")
        today = utc_date(workspace.world.now_ms())  # the file of tomorrow may be there already, empty
        return [date for date in workspace.histories.dates() if date <= today]

    return Reports(columns, open_day=lambda _workspace, date: workspace.histories.day(date), dates=dates)


def question_of(workspace: Workspace, asked: Asked) -> Question:
    return question(
        workspace=workspace.id,
        now_ms=workspace.world.now_ms(),
        by=asked.by,
        metrics=asked.metrics,
        start=asked.start,
        end=asked.end,
        where=asked.where,
        timezone=asked.timezone,
        time=asked.time,
        sort=asked.sort,
        limit=asked.limit,
        currency=asked.currency,
    )


def exchange_of(workspace: Workspace) -> Exchange:
    """The workspace's currency, and what others are worth in it."""
    home, file = workspace.settings.currency, workspace.settings.rates_file
    dated = read_dated_rates(Path(file), home) if file else {}
    return Exchange(home=home, rates={**dict(workspace.settings.rates), home: 1.0}, dated=dated)


def answer(workspace: Workspace, asked: Asked) -> Answer:
    """Bring the columns up to date and ask them. Raises InvalidError with what can be asked instead."""
    asked_for = question_of(workspace, asked)
    with Columns(workspace.paths.columns) as columns:
        return reports_of(workspace, columns).ask(asked_for, exchange_of(workspace))
