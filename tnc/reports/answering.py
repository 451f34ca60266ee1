"""One report, from the words it was asked in to its answer: the same in a command and in the server's child."""

from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
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
from tnc.store.workspace import House


def reports_of(house: House, columns: Columns) -> Reports:
    def dates(workspace: WorkspaceId) -> list[Date]:
        if workspace != house.workspace:
            raise InvalidError(f"there is no workspace {workspace!r} here.")
        today = utc_date(house.world.now_ms())  # the file of tomorrow may be there already, empty
        return [date for date in house.stories.dates() if date <= today]

    return Reports(columns, open_day=lambda _workspace, date: house.stories.day(date), dates=dates)


def question_of(house: House, asked: Asked) -> Question:
    return question(
        workspace=house.workspace,
        now_ms=house.world.now_ms(),
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


def exchange_of(house: House) -> Exchange:
    """The workspace's currency, and what others are worth in it."""
    home, file = house.settings.currency, house.settings.rates_file
    dated = read_dated_rates(Path(file), home) if file else {}
    return Exchange(home=home, rates={**dict(house.settings.rates), home: 1.0}, dated=dated)


def answer(house: House, asked: Asked) -> Answer:
    """Bring the columns up to date and ask them. Raises InvalidError with what can be asked instead."""
    asked_for = question_of(house, asked)
    with Columns(house.rooms.columns) as columns:
        return reports_of(house, columns).ask(asked_for, exchange_of(house))
