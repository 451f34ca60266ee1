"""Consent denied on a later visit: what waits to be told of the earlier ones is called back, behind the answer.

Nobody is told of them later either: each keeps the withdrawal beside it. What was consented to again since is a visit
of its own, and goes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date as Date
from datetime import timedelta
from typing import Final

from tnc.core.errors import NotFoundError, UnavailableError
from tnc.core.models import Withdrawal
from tnc.store.days.transactions import Writer, in_portions
from tnc.store.days.writer import LABEL, DayWriter, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.pending import PendingWithdrawal, PendingWithdrawals
from tnc.tracking.record import record_withdrawal

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0

Said = Mapping[str, int]
"""When it was denied, by browser or by pseudonym."""


class ConsentWithdrawals:
    """The worker of a server. `transact` lends the writer to a thread."""

    def __init__(self, workspace: Workspace, writer: Writer, pending_withdrawals: PendingWithdrawals) -> None:
        self._workspace = workspace
        self._writer = writer
        self._denials = pending_withdrawals

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        working = asyncio.create_task(self._work(), name="withdrawing")
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working])
            await self.call_back_all()  # what was said until the end

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.call_back_all()

    async def call_back_all(self) -> None:
        """Everything that is in line."""
        pending_withdrawals = self._denials.take()
        if not pending_withdrawals:
            return
        try:
            await asyncio.to_thread(self._call_back, pending_withdrawals)
        except UnavailableError:  # that the disk refuses is told elsewhere
            self._denials.give_back(pending_withdrawals)
        except asyncio.CancelledError:
            self._denials.give_back(pending_withdrawals)  # a second time it is no news
            raise
        except Exception:
            log.exception("a withdrawal of consent could not be carried out")

    def _call_back(self, pending_withdrawals: Sequence[PendingWithdrawal]) -> None:
        browsers = {
            each.browser_id: each.at_ms for each in pending_withdrawals if each.browser_id and self._is_news(each)
        }
        visitors = {visitor: each.at_ms for each in pending_withdrawals for visitor in each.visitors}
        pseudonyms_of = {utc_date(at_ms) - timedelta(days=ago) for at_ms in visitors.values() for ago in (0, 1)}
        for date in reversed(self._workspace.histories.dates()):
            found = dict(self._clicks(date, browsers, visitors if date in pseudonyms_of else {}))
            day = (self._workspace.id, date)
            for portion in in_portions(self._writer, day, list(found.items()), _withdraw, world=self._workspace.world):
                log.info("consent withdrawn", extra={"clicks": len(portion), "called_back": sum(portion)})

    def _is_news(self, denial: PendingWithdrawal) -> bool:
        """A cookie keeps its last click that was consented to: where that was seen to, so were those before it."""
        date = None if denial.last_click is None else self._workspace.histories.date_of(denial.last_click)
        if denial.last_click is None or date is None:
            return True
        with suppress(NotFoundError), self._workspace.histories.day(date) as reader:
            found = reader.find(denial.last_click)
            events = [] if found is None else reader.events_of(found[0], kind=LABEL)
            return not any(isinstance(event, Withdrawal) for event in events)
        return True

    def _clicks(self, date: Date, browsers: Said, visitors: Said) -> Iterator[tuple[int, int]]:
        """Number of each click of a day that is meant, and when consent to it was denied."""
        if not browsers and not visitors:
            return
        with suppress(NotFoundError), self._workspace.histories.day(date) as reader:
            for seq, click in reader.search.clicks_among("browser", browsers):
                yield seq, browsers[click.visit.browser_id or ""]
            for seq, click in reader.search.clicks_among("visitor", visitors):
                yield seq, visitors[click.visit.visitor or ""]


def _withdraw(writer: DayWriter, of: tuple[int, int]) -> int:
    return record_withdrawal(writer, of[0], at_ms=of[1])
