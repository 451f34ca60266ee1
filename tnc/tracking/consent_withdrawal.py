"""A visitor denies consent on a later visit: waiting deliveries of their earlier clicks are cancelled.

Runs after the visit was answered. Each of those clicks stores the withdrawal, so that later conversions of it are not
sent either. A visit with a new consent after that is a click of its own, and is sent.
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

_INTERVAL_SECONDS: Final = 1.0

DeniedAt = Mapping[str, int]
"""Time in milliseconds by browser id or by pseudonym."""


class ConsentWithdrawals:
    """A background task of the server."""

    def __init__(self, workspace: Workspace, writer: Writer, pending: PendingWithdrawals) -> None:
        self._workspace = workspace
        self._writer = writer
        self._pending = pending

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        working = asyncio.create_task(self._work(), name="consent withdrawals")
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working])
            await self.cancel_all()  # also what came in until the end

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self.cancel_all()

    async def cancel_all(self) -> None:
        """Carry out everything in the queue."""
        withdrawals = self._pending.take()
        if not withdrawals:
            return
        try:
            await asyncio.to_thread(self._cancel, withdrawals)
        except UnavailableError:  # the doctor and alerts report the disk
            self._pending.put_back(withdrawals)
        except asyncio.CancelledError:
            self._pending.put_back(withdrawals)  # done twice, it changes nothing more
            raise
        except Exception:
            log.exception("a withdrawal of consent could not be carried out")

    def _cancel(self, withdrawals: Sequence[PendingWithdrawal]) -> None:
        browsers = {each.browser_id: each.at_ms for each in withdrawals if each.browser_id and self._is_new(each)}
        visitors = {visitor: each.at_ms for each in withdrawals for visitor in each.visitors}
        pseudonyms_of = {utc_date(at_ms) - timedelta(days=ago) for at_ms in visitors.values() for ago in (0, 1)}
        for date in reversed(self._workspace.histories.dates()):
            found = dict(self._clicks(date, browsers, visitors if date in pseudonyms_of else {}))
            day = (self._workspace.id, date)
            for portion in in_portions(self._writer, day, list(found.items()), _withdraw, world=self._workspace.world):
                log.info("consent withdrawn", extra={"clicks": len(portion), "cancelled": sum(portion)})

    def _is_new(self, withdrawal: PendingWithdrawal) -> bool:
        """False when the last click of the cookie stores a withdrawal: the clicks before it do, too."""
        date = None if withdrawal.last_click is None else self._workspace.histories.date_of(withdrawal.last_click)
        if withdrawal.last_click is None or date is None:
            return True
        with suppress(NotFoundError), self._workspace.histories.day(date) as reader:
            found = reader.find(withdrawal.last_click)
            events = [] if found is None else reader.events_of(found[0], kind=LABEL)
            return not any(isinstance(event, Withdrawal) for event in events)
        return True

    def _clicks(self, date: Date, browsers: DeniedAt, visitors: DeniedAt) -> Iterator[tuple[int, int]]:
        """Number of each click of these browsers and visitors on a day, and when consent was denied."""
        if not browsers and not visitors:
            return
        with suppress(NotFoundError), self._workspace.histories.day(date) as reader:
            for seq, click in reader.search.clicks_among("browser", browsers):
                yield seq, browsers[click.visit.browser_id or ""]
            for seq, click in reader.search.clicks_among("visitor", visitors):
                yield seq, visitors[click.visit.visitor or ""]


def _withdraw(writer: DayWriter, click: tuple[int, int]) -> int:
    return record_withdrawal(writer, click[0], at_ms=click[1])
