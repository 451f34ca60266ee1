"""Alerts: problems are mailed to the owner when they appear and once a day while they last.

There is at most one mail an hour about one subject, also if the problem comes and goes or the server restarts. A mail
that failed is retried with the same message id. Errors of mail affect nothing else.
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


_END: Final = "`tnc doctor` shows all problems. Alerts are sent when a problem appears, and once a day while it lasts."

Post = Callable[[Email, SmtpServer], Awaitable[int]]


class AlertMailer:
    """The server's job `alerts`. `recording` gives the state of the click log; `post` sends an e-mail."""

    def __init__(self, workspace: Workspace, recording: Callable[[], Recording], *, post: Post = post) -> None:
        self._workspace = workspace
        self._recording = recording
        self._post = post
        self._alerts: dict[str, Alert] | None = None  # by subject; newer than the database while the disk is full

    def look(self) -> None:
        """Send the mails that are due now."""
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
        """Forget problems that are over, an hour after their last mail."""
        for alert in [each for each in alerts.values() if each.subject not in standing]:
            if not alert.sent or not 0 <= now_ms - alert.at_ms < HOUR_MS:
                del alerts[alert.subject]
                self._on_disk(lambda subject=alert.subject: self._workspace.alerts.remove(subject).wait())  # type: ignore[misc]
            elif not alert.over:
                self._keep(replace(alert, over=True))

    async def _hand_over(self, unsent: list[Alert], standing: Mapping[str, Finding]) -> None:
        """After one failure the other mails are not tried: they get the same reason."""
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
        """Ignore a full disk: it may be the problem that has to be mailed."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("an alert could not be stored", extra={"reason": type(error).__name__})


def _is_due(alert: Alert | None, now_ms: int) -> bool:
    """Whether a current problem has to be mailed again."""
    if alert is None:
        return True
    quiet_ms = HOUR_MS if alert.over else DAY_MS
    return alert.sent and not 0 <= now_ms - alert.at_ms < quiet_ms
