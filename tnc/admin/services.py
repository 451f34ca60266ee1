"""What is kept, for how long, and what is forgotten: all of it, put together once for a server and for a command."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from typing import Any, Final

from tnc.admin.keys import Keys
from tnc.core.errors import PartlyDoneError
from tnc.privacy import erase as forgetting
from tnc.privacy import retention
from tnc.privacy.erase import Forgetting
from tnc.privacy.requests import Rights
from tnc.privacy.retention import Retention
from tnc.privacy.vault import Alone
from tnc.reports.client import keep_sums
from tnc.store.workspace import House

log = logging.getLogger(__name__)

_START_PATIENCE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a running server does along; a command on files alone needs none of it."""

    forgotten: Callable[[frozenset[str]], None] = lambda _visitors: None  # pseudonyms
    objected: Callable[[], None] = lambda: None
    retiring: Callable[[Date], None] = lambda _date: None
    renewed: Callable[[], None] = lambda: None  # keys of a day are others now


class Keeping:
    """`alone` lends the day files."""

    def __init__(self, house: House, alone: Alone, hooks: Hooks = Hooks()) -> None:
        self._house = house
        self.forgetting = Forgetting(
            house,
            alone,
            forgetting.Hooks(forgotten=hooks.forgotten, renewed=hooks.renewed, objected=hooks.objected),
        )
        self.retention = Retention(
            house,
            alone,
            retention.Hooks(
                roll_up=lambda dates: keep_sums(house.settings, dates), retiring=hooks.retiring, renewed=hooks.renewed
            ),
        )

        self.rights = Rights(house, self.forgetting)
        self.keys = Keys(house)

    def keep_promises(self) -> None:
        """What was to be forgotten is, and what has outlived its term is gone: before anything is served."""
        for ring in (self._house.keyring, self._house.restricted_keyring):
            ring.mend()
        self.keys.complete_change()
        try:
            self.forgetting.resume(patience_seconds=_START_PATIENCE_SECONDS)
        except PartlyDoneError:
            log.warning("an erasure waits for a reader")  # its keys are gone; a job goes on with it
        self.retention.run()

    def errands(self) -> Mapping[str, Callable[..., Any]]:
        """By name, as commands ask for them."""
        subject = self.forgetting.subject
        return {
            "erase": lambda request_id=None, **who: self.forgetting.erase(subject(**who), request_id=request_id),
            "restrict": lambda **who: self.forgetting.restrict(subject(**who)),
            "unrestrict": lambda **who: self.forgetting.unrestrict(subject(**who)),
            "object": lambda **who: self.forgetting.object(subject(**who)),
            "request-add": self.rights.add,
            "request-move": self.rights.move,
            "request-extend": self.rights.extend,
            "request-told": self.rights.settle,
            "keys-rotate": self.keys.rotate,
            "keys-escrow": self.keys.escrow,
            "retention-set": self.retention.set,
            "retention-run": self.retention.run,
        }
