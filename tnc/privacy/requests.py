"""What a person may do by himself, with the cookie in his browser as the only proof, and what he may ask for.

Possession of the cookie's secret is the identity of somebody without an account: whoever has it is answered at
once, whoever has not learns nothing, not even whether there is something.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tnc.core.clock import ids_in
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.fields import rfc3339
from tnc.privacy import receipts
from tnc.privacy.erase import Eraser
from tnc.privacy.export import export_zip
from tnc.privacy.search import find_subject
from tnc.privacy.subject import Subject
from tnc.store.requests import Channel, Outcome, Request, RequestKind, State, Words
from tnc.store.workspace import Workspace
from tnc.visitors.client_ip import truncate_ip
from tnc.visitors.user_agent import reduced_user_agent

_PROVED: Final[tuple[State, ...]] = ("verified", "review")
_PROOF: Final = "the cookie of the browser"
_MOST_WORDS: Final = 4_000
_MOST_CONTACT: Final = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVisits:
    """What is stored about a browser."""

    clicks: int
    conversions: int
    first_at: str | None
    last_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityClaim:
    """How somebody without our cookie says who he is: a click he made, and from where and with what he asks."""

    click: str
    ip: str | None
    browser: str  # its family and system

    @property
    def click_id(self) -> str:
        """Of an address the number in it."""
        found = ids_in(self.click)
        return found[-1] if found else self.click.strip()


class PrivacyRequests:
    def __init__(self, workspace: Workspace, eraser: Eraser) -> None:
        self._workspace = workspace
        self._eraser = eraser
        self._dues: tuple[int, ...] = ()

    # -- by the person

    def stored_visits(self, browser_id: str) -> StoredVisits:
        found = find_subject(self._eraser.vaults, _browser(browser_id))
        times = sorted(click.clicked_at_ms for click in found.clicks)
        return StoredVisits(
            clicks=len(times),
            conversions=found.counts["conversions"],
            first_at=rfc3339(times[0]) if times else None,
            last_at=rfc3339(times[-1]) if times else None,
        )

    def copy(self, browser_id: str) -> bytes:
        """Everything that is stored about a browser, as a ZIP."""
        subject = _browser(browser_id)
        content = export_zip(self._workspace, self._eraser.vaults, subject)
        request = self._proved("access", subject)
        self._workspace.register.move(
            request.request_id, "fulfilled", now_ms=self._workspace.world.now_ms(), actor="tnc"
        ).wait()
        return content

    def erase(self, browser_id: str, *, kind: RequestKind = "erasure") -> dict[str, Any]:
        """Erase what is stored about a browser; the receipt."""
        subject = _browser(browser_id)
        request = self._proved(kind, subject)
        return self._eraser.erase(subject, request_id=request.request_id)

    def object(self, browser_id: str) -> int:
        """Nobody is told any more of what is stored about a browser; how much was called back."""
        subject = _browser(browser_id)
        with suppress(RefusedError):  # there is nothing of it
            called_back: int = self._eraser.object(subject)["called_back"]
            request = self._proved("objection", subject)
            self._workspace.register.move(
                request.request_id, "fulfilled", now_ms=self._workspace.world.now_ms(), actor="tnc"
            ).wait()
            return called_back
        return 0

    def _proved(self, kind: RequestKind, subject: Subject) -> Request:
        """What is granted at once stands in the register as well."""
        register, now_ms = self._workspace.register, self._workspace.world.now_ms()
        request = register.open(
            self._new_id(),
            kind,
            channel="page",
            now_ms=now_ms,
            subject=self._eraser.told(subject),
            evidence=_PROOF,
        ).wait()
        return register.move(request.request_id, "verified", now_ms=now_ms, actor="tnc").wait()

    def _new_id(self) -> str:
        return self._workspace.world.token(5).hex()

    # -- to the owner

    def submit(
        self,
        kind: RequestKind,
        *,
        text: str,
        contact: str,
        channel: Channel = "page",
        subject: Subject | None = None,
        named: IdentityClaim | None = None,
    ) -> tuple[Request, str]:
        """A request for the owner, and the secret of its status link. Raises InvalidError for too many words."""
        if not text.strip() and channel == "page":
            raise InvalidError("write what you ask for.")
        if len(text) > _MOST_WORDS or len(contact) > _MOST_CONTACT:
            raise InvalidError(f"that is too long: {_MOST_WORDS} characters are the most.")
        if named is not None and len(named.click) > _MOST_WORDS:
            raise InvalidError("the number of your visit is shorter than that.")
        evidence, is_enough = (None, False) if named is None else self._check_claim(named)
        link = self._workspace.world.token(16).hex()
        request = self._workspace.register.open(
            self._new_id(),
            kind,
            channel=channel,
            now_ms=self._workspace.world.now_ms(),
            words=Words(text=text.strip(), contact=contact.strip(), click=named.click_id if named else ""),
            subject=None if subject is None else self._eraser.told(subject),
            evidence=evidence,
            link=link,
        ).wait()
        for state in _PROVED[:1] if is_enough and kind == "access" else _PROVED if is_enough else ():
            request = self._workspace.register.move(
                request.request_id, state, now_ms=self._workspace.world.now_ms(), actor="tnc"
            ).wait()
        self.refresh_due_dates()
        return request, link

    def _check_claim(self, named: IdentityClaim) -> tuple[str, bool]:
        """What is kept of the evidence, and whether it is enough to hand out a copy; to erase it is a person's call.

        A click id is no secret: networks and logs know it. With it must come the network and the browser of then.
        """
        clicks = find_subject(self._eraser.vaults, Subject(kind="click", value=named.click_id)).clicks
        visit = clicks[0].visit if clicks else None
        if visit is None:
            return "the number of a visit, which is not known here", False
        same_network = None not in (named.ip, visit.ip) and _network(visit.ip or "") == truncate_ip(named.ip or "")
        same_browser = named.browser == reduced_user_agent(visit.browser, visit.os)
        told = ["the number of a visit", *["its network"] * same_network, *["its browser"] * same_browser]
        return ", ".join(told), same_network and same_browser

    def by_link(self, link: str) -> Request | None:
        return self._workspace.register.by_link(link).wait()

    # -- by the owner

    @property
    def overdue(self) -> int:
        """How many requests are late, by what `look_at_dues` saw last."""
        now_ms = self._workspace.world.now_ms()
        return sum(due_ms <= now_ms for due_ms in self._dues)

    def refresh_due_dates(self) -> None:
        self._dues = self._workspace.register.open_dues_ms().wait()

    def requests(self, *, only_open: bool = False) -> list[dict[str, Any]]:
        return [self.to_json(request) for request in self._workspace.register.all_of(only_open=only_open).wait()]

    def request(self, request_id: str) -> dict[str, Any]:
        return self.to_json(self._workspace.register.get(request_id).wait())

    def add(
        self,
        kind: RequestKind,
        *,
        channel: Channel,
        text: str = "",
        contact: str = "",
        who: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A request that came by letter or e-mail."""
        subject = self._eraser.subject(**who) if who else None
        request, link = self.submit(kind, text=text, contact=contact, channel=channel, subject=subject)
        return self.to_json(request) | {"link": f"/privacy/case/{link}"}

    def move(self, request_id: str, state: State, *, reason: str = "", answer: str = "") -> dict[str, Any]:
        now_ms = self._workspace.world.now_ms()
        moved = self._workspace.register.move(request_id, state, now_ms=now_ms, reason=reason, answer=answer).wait()
        self.refresh_due_dates()
        return self.to_json(moved)

    def record_outcome(self, request_id: str, *, receiver: str, outcome: Outcome) -> dict[str, Any]:
        """What became of it at somebody who had been told before."""
        now_ms = self._workspace.world.now_ms()
        return self.to_json(self._workspace.register.settle(request_id, receiver, outcome, now_ms=now_ms).wait())

    def extend(self, request_id: str, *, until_ms: int, reason: str) -> dict[str, Any]:
        now_ms = self._workspace.world.now_ms()
        extended = self._workspace.register.extend(request_id, until_ms=until_ms, reason=reason, now_ms=now_ms).wait()
        self.refresh_due_dates()
        return self.to_json(extended)

    def to_json(self, request: Request) -> dict[str, Any]:
        """A request as JSON."""
        now_ms = self._workspace.world.now_ms()
        return {
            "request_id": request.request_id,
            "kind": request.kind,
            "channel": request.channel,
            "state": request.state,
            "received_at": rfc3339(request.received_at_ms),
            "due_at": rfc3339(request.due_at_ms),
            "days_left": request.days_left(now_ms) if request.is_open else None,
            "overdue": request.is_open and request.due_at_ms <= now_ms,
            "extended": request.extended,
            "closed_at": None if request.closed_at_ms is None else rfc3339(request.closed_at_ms),
            "subject": request.subject,
            "evidence": request.evidence,
            "receipt_id": request.receipt_id,
            "duplicate_of": request.duplicate_of,
            "text": request.words.text,
            "contact": request.words.contact,
            "answer": request.words.answer,
            "click": request.words.click,
            "receivers": [
                {
                    "name": name,
                    "reports": its.reports,
                    "outcome": its.outcome,
                    "at": rfc3339(its.at_ms) if its.outcome else None,
                    "what": receipts.afterwards(name, self._workspace.configuration()[1]),
                }
                for name, its in request.words.receivers.items()
            ],
            "steps": [
                {"at": rfc3339(step.at_ms), "actor": step.actor, "state": step.state, "reason": step.reason}
                for step in request.steps
            ],
        }


def _network(ip: str) -> str:
    return ip if "/" in ip else truncate_ip(ip)


def _browser(browser_id: str) -> Subject:
    return Subject(kind="browser", value=browser_id)
