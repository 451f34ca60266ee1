"""All services of a workspace, built once: by the running server, and by a command while no server runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date as Date

import msgspec

from tnc.admin.keys import Keys
from tnc.admin.remote import Json
from tnc.destinations.service import DestinationService, OfflineOutbox, Outbox
from tnc.privacy.erase import Eraser
from tnc.privacy.requests import PrivacyRequests
from tnc.privacy.retention import Retention
from tnc.store.days.transactions import Writer
from tnc.store.workspace import Workspace
from tnc.tracking.configure import Configure
from tnc.tracking.conversions.inbox import PostbackInbox
from tnc.tracking.conversions.postback import read_postback
from tnc.tracking.import_clicks import ClickImport
from tnc.tracking.listener import NO_LISTENER, Listener
from tnc.tracking.reclassify import Change, store_changes

Commands = Mapping[str, Callable[..., Json]]
"""Functions by name, whose arguments and results are JSON."""


class Services:
    """Everything that can be done in one workspace. All methods block: the server calls them in threads.

    `writer` is a ServerWriter, OfflineWriter or ReadOnly; only the running server passes `outbox` and `listener`.
    """

    def __init__(
        self,
        workspace: Workspace,
        writer: Writer,
        *,
        outbox: Outbox | None = None,
        listener: Listener = NO_LISTENER,
    ) -> None:
        self.workspace = workspace
        self.writer = writer
        self.conversions = PostbackInbox(workspace, writer, listener)
        self.configure = Configure(workspace, self.conversions, listener)
        self.imports = ClickImport(workspace, writer)
        self.destinations = DestinationService(workspace, writer, outbox or OfflineOutbox(workspace))
        self.eraser = Eraser(workspace, writer, listener)
        self.retention = Retention(workspace, writer, listener)
        self.privacy_requests = PrivacyRequests(workspace, self.eraser)
        self.keys = Keys(workspace)

    def commands(self) -> Commands:
        """What `tnc` commands call by name: in the running server, or in their own process while none runs."""
        return {
            "apply": self._apply,
            "roll-back": self.configure.roll_back,
            "conversion-add": lambda params: self.conversions.add(read_postback(params)),
            "conversion-import": self.conversions.import_csv,
            "conversion-replay": self.conversions.replay,
            "reclassify": self._store_changes,
            "destination-list": self.destinations.listed,
            "destination-show": self.destinations.shown,
            "destination-replay": self.destinations.replay,
            "destination-resume": self.destinations.resume,
            "erase": lambda request_id=None, **who: self.eraser.erase(
                self.eraser.subject(**who), request_id=request_id
            ),
            "restrict": lambda **who: self.eraser.restrict(self.eraser.subject(**who)),
            "unrestrict": lambda **who: self.eraser.unrestrict(self.eraser.subject(**who)),
            "object": lambda **who: self.eraser.object(self.eraser.subject(**who)),
            "request-add": self.privacy_requests.add,
            "request-move": self.privacy_requests.move,
            "request-extend": self.privacy_requests.extend,
            "request-outcome": self.privacy_requests.record_outcome,
            "keys-rotate": self.keys.rotate,
            "keys-escrow": self.keys.escrow,
            "retention-set": self.retention.set,
            "retention-run": self.retention.run,
            "user-password": self._set_password,
        }

    def _apply(self, *, text: str, file: str, prune: bool, secrets: Mapping[str, str]) -> Json:
        """`secrets` holds the values of "env:NAME" and "file:/path" in `text`, which the command has read."""
        return self.configure.apply(text, file=file, prune=prune, secret=secrets.__getitem__)

    def _set_password(self, *, email: str, verifier: str) -> Json:
        """`verifier` is the new password as the command has hashed it."""
        user, ended = self.workspace.accounts.set_verifier(email=email, verifier=verifier).wait()
        return {"email": user.email, "sessions_ended": ended}

    def _store_changes(self, *, date: str, changes: Sequence[Json]) -> Json:
        known = msgspec.convert(changes, list[Change])
        return store_changes(self.workspace, self.writer, Date.fromisoformat(date), known)
