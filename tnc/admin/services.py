"""What is kept, for how long, and what is forgotten: all of it, put together once for a server and for a command."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date as Date
from typing import Any, Final

from tnc.admin.keys import Keys
from tnc.core.errors import PartlyDoneError
from tnc.privacy import erase as eraser
from tnc.privacy import retention
from tnc.privacy.erase import Eraser
from tnc.privacy.requests import PrivacyRequests
from tnc.privacy.retention import Retention
from tnc.privacy.vault import Alone
from tnc.reports.client import roll_up_days
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)

_START_PATIENCE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a running server does along; a command on files alone needs none of it."""

    erasures: Callable[[frozenset[str]], None] = lambda _visitors: None  # pseudonyms
    objected: Callable[[], None] = lambda: None
    retiring: Callable[[Date], None] = lambda _date: None
    renewed: Callable[[], None] = lambda: None  # keys of a day are others now


class Keeping:
    """`alone` lends the day files."""

    def __init__(self, workspace: Workspace, alone: Alone, hooks: Hooks = Hooks()) -> None:
        self._workspace = workspace
        self.eraser = Eraser(
            workspace,
            alone,
            eraser.Hooks(erasures=hooks.erasures, renewed=hooks.renewed, objected=hooks.objected),
        )
        self.retention = Retention(
            workspace,
            alone,
            retention.Hooks(
                roll_up=lambda dates: roll_up_days(workspace.settings, dates),
                retiring=hooks.retiring,
                renewed=hooks.renewed,
            ),
        )

        self.privacy_requests = PrivacyRequests(workspace, self.eraser)
        self.keys = Keys(workspace)

    def run_startup_work(self) -> None:
        """What was to be forgotten is, and what has outlived its term is gone: before anything is served."""
        for ring in (self._workspace.keyring, self._workspace.restricted_keyring):
            ring.mend()
        self.keys.complete_change()
        try:
            self.eraser.resume(patience_seconds=_START_PATIENCE_SECONDS)
        except PartlyDoneError:
            log.warning("an erasure waits for a reader")  # its keys are gone; a job goes on with it
        self.retention.run()

    def errands(self) -> Mapping[str, Callable[..., Any]]:
        """By name, as commands ask for them."""
        subject = self.eraser.subject
        return {
            "erase": lambda request_id=None, **who: self.eraser.erase(subject(**who), request_id=request_id),
            "restrict": lambda **who: self.eraser.restrict(subject(**who)),
            "unrestrict": lambda **who: self.eraser.unrestrict(subject(**who)),
            "object": lambda **who: self.eraser.object(subject(**who)),
            "request-add": self.privacy_requests.add,
            "request-move": self.privacy_requests.move,
            "request-extend": self.privacy_requests.extend,
            "request-told": self.privacy_requests.settle,
            "keys-rotate": self.keys.rotate,
            "keys-escrow": self.keys.escrow,
            "retention-set": self.retention.set,
            "retention-run": self.retention.run,
        }
