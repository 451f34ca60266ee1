"""From deliveries that may go to what became of them: built, allowed once more, put together, sent, judged."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tnc.deliver.courier import HALTING, Courier, Fate, Told
from tnc.deliver.delivery import Delivery
from tnc.deliver.fates import EXPIRED, closed, held_back, settled
from tnc.deliver.gates import gate
from tnc.deliver.registry import DESTINATIONS
from tnc.deliver.rows import delivery_of
from tnc.deliver.sorting import Taken
from tnc.deliver.verdict import Verdict, drop
from tnc.model import Click, Configuration
from tnc.store.deliveries import DeliveryRow
from tnc.world import World

log = logging.getLogger(__name__)

LARGEST_BATCH: Final = 25
"""Deliveries in one request: more would keep visitors waiting while it is built."""

_IN_ONE_GO: Final = 8


class _Ready(NamedTuple):
    row: DeliveryRow
    delivery: Delivery


@dataclass(slots=True)
class Carried:
    """The rows as they are to be stored, and what the answers said of the receiver."""

    rows: list[DeliveryRow] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Carries what was taken for one destination. `scale` multiplies waits; `objected`: is it of somebody who wants
    no trace now, whatever he said when he clicked?
    """

    courier: Courier
    world: World
    scale: float
    objected: Callable[[Click], bool] = lambda _click: False

    async def carry(self, taken: Sequence[Taken], configuration: Configuration) -> Carried:
        """Once the receiver fails, what is left of the turn is not even tried: it shares the wait."""
        carried = Carried()
        for batch in _batches(await self._allowed(taken, configuration, carried)):
            halted = next((each for each in carried.verdicts if each.outcome in HALTING), None)
            if halted is None:
                fates = await self._send(batch)
                carried.verdicts += [fate.verdict for fate in fates]
            else:
                fates = [Fate(each.delivery, halted, Told()) for each in batch]
            carried.rows += [
                self._settled(each.row, fate.verdict, fate.told, len(batch))
                for each, fate in zip(batch, fates, strict=True)
            ]
        return carried

    def _settled(self, row: DeliveryRow, verdict: Verdict, told: Told, size: int) -> DeliveryRow:
        return settled(
            row,
            verdict,
            told,
            size=size,
            now_ms=self.world.now_ms(),
            chance=self.world.chance(),
            scale=self.scale,
        )

    async def _allowed(self, taken: Sequence[Taken], configuration: Configuration, carried: Carried) -> list[_Ready]:
        now_ms, ready = self.world.now_ms(), []
        for number, each in enumerate(taken, start=1):
            if each.click is None:
                carried.rows.append(closed(each.row, "cancelled", "its click is gone", now_ms))
                continue
            if now_ms > each.row.expires_at_ms:
                carried.rows.append(closed(each.row, "dead", EXPIRED, now_ms))
                continue
            delivery = delivery_of(each.row, each.click, each.changes, configuration)
            if delivery is None:
                carried.rows.append(closed(each.row, "cancelled", "its destination is gone", now_ms))
                continue
            delivery = replace(delivery, is_known=each.is_known)
            if self.objected(each.click):
                delivery = replace(delivery, mode="none")
            why = gate(delivery, DESTINATIONS[delivery.destination.type], now_ms)
            if why is not None:
                carried.rows.append(held_back(each.row, why, now_ms))
                continue
            ready.append(_Ready(each.row, delivery))
            if number % _IN_ONE_GO == 0:
                await asyncio.sleep(0)  # visitors first
        return ready

    async def _send(self, batch: Sequence[_Ready]) -> list[Fate]:
        first = batch[0]
        platform = DESTINATIONS[first.delivery.destination.type]
        if first.row.state == "accepted":
            record = first.row.record
            verdict = await self.courier.confirm(platform, first.delivery, record.receipt or "", record.size)
            return [Fate(each.delivery, verdict, Told()) for each in batch]
        try:
            return await self.courier.deliver(platform, [each.delivery for each in batch])
        except Exception as error:  # noqa: BLE001 - one that cannot be built must not keep the others from going
            reason = type(error).__name__
            log.error("a delivery could not be built", extra={"destination": first.row.destination, "reason": reason})  # noqa: TRY400 - no values
        if len(batch) == 1:
            return [Fate(first.delivery, drop(f"could not be built: {reason}"), Told())]
        middle = len(batch) // 2
        return [*await self._send(batch[:middle]), *await self._send(batch[middle:])]


def _batches(ready: Sequence[_Ready]) -> Iterator[list[_Ready]]:
    """What goes together in one request: one lane, and the fewer the more often it failed; of what was accepted
    together, one question.
    """
    groups: dict[tuple[str, str, int], list[_Ready]] = {}
    for each in ready:
        platform = DESTINATIONS[each.delivery.destination.type]
        record = each.row.record
        if each.row.state == "accepted":
            key = ("confirm", record.receipt or "", LARGEST_BATCH)
        else:
            room = min(LARGEST_BATCH, platform.room(each.delivery.destination), record.room or LARGEST_BATCH)
            # One bad event that makes the receiver fail must not take others down with it for ever.
            key = ("send", platform.lane(each.delivery), max(1, room >> max(0, each.row.attempts - 1)))
        groups.setdefault(key, []).append(each)
    for (_, _, room), members in groups.items():
        for start in range(0, len(members), room):
            yield members[start : start + room]
