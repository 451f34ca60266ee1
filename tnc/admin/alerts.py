"""Alerts: what needs the owner is mailed to him, once when it arises and once a day while it lasts.

Never more than one mail an hour about one subject, whatever comes and goes and however often we are restarted. A mail
that could not be handed over is tried again under its own id. Whatever is wrong with mail, nothing else is.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from tnc.admin.checks import Finding
from tnc.admin.doctor import alarms
from tnc.admin.mail import Email, SmtpServer, post, relay_of
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.errors import TncError
from tnc.store.alerts import Alert
from tnc.store.days.click_log import Recording
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)


_END: Final = "`tnc doctor` shows all of it. This is mailed when it arises, and once a day while it lasts."

Post = Callable[[Email, SmtpServer], Awaitable[int]]


class AlertMailer:
    """The job of a server. `recording` says how writing goes; `post` hands a letter over."""

    def __init__(self, workspace: Workspace, recording: Callable[[], Recording], *, post: Post = post) -> None:
        self._workspace = workspace
        self._recording = recording
        self._post = post
        self._alerts: dict[str, Alert] | None = None  # as on disk, and ahead of it while the disk refuses

    def look(self) -> None:
        """Mail what is to be mailed now."""
        workspace = self._workspace
        if not workspace.settings.mail_host:
            return
        if self._alerts is None:
            self._alerts = workspace.alerts.all().wait()
        standing = {each.subject: each for each in alarms(workspace, self._recording())}
        now_ms = workspace.world.now_ms()
        self._let_go(self._alerts, standing, now_ms)
        for subject in standing:
            if _is_due(self._alerts.get(subject), now_ms):
                self._keep(Alert(subject=subject, at_ms=now_ms))
        unsent = [each for each in self._alerts.values() if not each.sent]
        if unsent:
            asyncio.run(self._hand_over(unsent, standing))

    def _let_go(self, alerts: dict[str, Alert], standing: Mapping[str, Finding], now_ms: int) -> None:
        """What is over leaves nothing but the hour in which it may not be mailed again."""
        for alert in [each for each in alerts.values() if each.subject not in standing]:
            if not alert.sent or not 0 <= now_ms - alert.at_ms < HOUR_MS:
                del alerts[alert.subject]
                self._on_disk(lambda subject=alert.subject: self._workspace.alerts.remove(subject).wait())  # type: ignore[misc]
            elif not alert.over:
                self._keep(replace(alert, over=True))

    async def _hand_over(self, unsent: list[Alert], standing: Mapping[str, Finding]) -> None:
        """Once the server fails, the others are not even tried: they share its reason."""
        problem: str | None = None
        relay: SmtpServer | None = None
        try:
            relay = relay_of(self._workspace.settings)
        except TncError as error:
            problem = str(error)
        for alert in unsent:
            if problem is None and relay is not None:
                try:
                    await self._post(self._letter(alert, standing[alert.subject]), relay)
                except TncError as error:
                    problem = str(error)
            self._keep(replace(alert, sent=problem is None, problem=problem))
        if problem is not None:
            log.warning("alerts could not be mailed", extra={"reason": problem})

    def _letter(self, alert: Alert, finding: Finding) -> Email:
        place = f"alert 1|{self._workspace.id}|{alert.subject}|{alert.at_ms // HOUR_MS}".encode()
        return Email(
            message_id=hmac.digest(self._workspace.keys.control_key, place, "sha256")[:16].hex(),
            at_ms=alert.at_ms,
            subject=f"[tnc] {finding.subject}",
            text="\n\n".join(each for each in (finding.text, finding.fix, _END) if each),
        )

    def _keep(self, alert: Alert) -> None:
        if self._alerts is not None:
            self._alerts[alert.subject] = alert
        self._on_disk(lambda: self._workspace.alerts.put(alert).wait())

    @staticmethod
    def _on_disk(work: Callable[[], None]) -> None:
        """As far as the disk lets us: that it does not may be what is to be mailed."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("an alert could not be kept", extra={"reason": type(error).__name__})


def _is_due(alert: Alert | None, now_ms: int) -> bool:
    """Whether something that stands now is to be written of anew."""
    if alert is None:
        return True
    quiet_ms = HOUR_MS if alert.over else DAY_MS
    return alert.sent and not 0 <= now_ms - alert.at_ms < quiet_ms
