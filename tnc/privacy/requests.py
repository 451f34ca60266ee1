"""Privacy requests: what visitors can do themselves with the cookie of their browser, and requests to the owner.

Visitors have no account: the secret in the cookie identifies them. With it their request is fulfilled at once; without
it the answer does not even show whether data is stored.
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
from tnc.privacy.stored_visits import StoredVisits, stored_visits
from tnc.privacy.subject import Subject
from tnc.store.requests import Channel, ReceiverOutcome, Request, RequestContent, RequestKind, State
from tnc.store.workspace import Workspace
from tnc.visitors.client_ip import truncate_ip
from tnc.visitors.user_agent import reduced_user_agent

_VERIFIED: Final[tuple[State, ...]] = ("verified", "review")
_COOKIE_EVIDENCE: Final = "the cookie of the browser"
_MAX_TEXT: Final = 4_000
_MAX_CONTACT: Final = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityClaim:
    """What a visitor without our cookie gives to identify a visit, and the network and browser of the request."""

    click: str  # a click id, or a URL that contains one
    ip: str | None
    browser: str  # reduced user agent

    @property
    def click_id(self) -> str:
        """The click id in what was given."""
        found = ids_in(self.click)
        return found[-1] if found else self.click.strip()


class PrivacyRequests:
    def __init__(self, workspace: Workspace, eraser: Eraser) -> None:
        self._workspace = workspace
        self._eraser = eraser
        self._due_times_ms: tuple[int, ...] = ()

    # -- by the visitor

    def stored_visits(self, browser_id: str, *, most: int) -> StoredVisits:
        return stored_visits(self._workspace, self._eraser.vaults, _browser(browser_id), most=most)

    def copy(self, browser_id: str) -> bytes:
        """Everything that is stored about a browser, as a ZIP. Recorded as a fulfilled request."""
        subject = _browser(browser_id)
        content = export_zip(self._workspace, self._eraser.vaults, subject)
        request = self._verified_request("access", subject)
        self._workspace.register.move(
            request.request_id, "fulfilled", now_ms=self._workspace.world.now_ms(), actor="tnc"
        ).wait()
        return content

    def erase(self, browser_id: str, *, kind: RequestKind = "erasure") -> dict[str, Any]:
        """Erase everything that is stored about a browser. Returns the receipt."""
        subject = _browser(browser_id)
        request = self._verified_request(kind, subject)
        return self._eraser.erase(subject, request_id=request.request_id, actor="tnc")

    def object(self, browser_id: str) -> int:
        """Stop sending conversions of a browser's visits. Returns how many deliveries were cancelled."""
        subject = _browser(browser_id)
        with suppress(RefusedError):  # nothing is stored about it
            cancelled: int = self._eraser.object(subject)["called_back"]
            request = self._verified_request("objection", subject)
            self._workspace.register.move(
                request.request_id, "fulfilled", now_ms=self._workspace.world.now_ms(), actor="tnc"
            ).wait()
            return cancelled
        return 0

    def _verified_request(self, kind: RequestKind, subject: Subject) -> Request:
        """Record a request that is fulfilled at once, too."""
        register, now_ms = self._workspace.register, self._workspace.world.now_ms()
        request = register.open(
            self._new_id(),
            kind,
            channel="page",
            now_ms=now_ms,
            subject=self._eraser.hashed(subject),
            evidence=_COOKIE_EVIDENCE,
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
        claim: IdentityClaim | None = None,
        browser_id: str | None = None,
    ) -> tuple[Request, str]:
        """Record a request to the owner. Returns it and the secret of its status link. Raises InvalidError.

        `browser_id` is that of the cookie of the browser it was written with: the request belongs to its copy.
        """
        if not text.strip() and channel == "page":
            raise InvalidError("write what you request.")
        if len(text) > _MAX_TEXT or len(contact) > _MAX_CONTACT:
            raise InvalidError(f"that is too long: write at most {_MAX_TEXT} characters.")
        if claim is not None and len(claim.click) > _MAX_TEXT:
            raise InvalidError("that is too long for the number of a visit.")
        evidence, is_enough = (None, False) if claim is None else self._check_claim(claim)
        if browser_id is not None and subject is None:
            subject = _browser(browser_id)
            evidence = ", ".join(filter(None, (_COOKIE_EVIDENCE, evidence)))
        link = self._workspace.world.token(16).hex()
        request = self._workspace.register.open(
            self._new_id(),
            kind,
            channel=channel,
            now_ms=self._workspace.world.now_ms(),
            content=RequestContent(text=text.strip(), contact=contact.strip(), click=claim.click_id if claim else ""),
            subject=None if subject is None else self._eraser.hashed(subject),
            evidence=evidence,
            link=link,
        ).wait()
        for state in _VERIFIED[:1] if is_enough and kind == "access" else _VERIFIED if is_enough else ():
            request = self._workspace.register.move(
                request.request_id, state, now_ms=self._workspace.world.now_ms(), actor="tnc"
            ).wait()
        self.refresh_due_dates()
        return request, link

    def _check_claim(self, claim: IdentityClaim) -> tuple[str, bool]:
        """The evidence in words, and whether it is enough for a copy of the data; erasure is left to the owner.

        A click id is no secret, networks and logs have it: the network and browser of the visit must match too.
        """
        clicks = find_subject(self._eraser.vaults, Subject(kind="click", value=claim.click_id)).clicks
        visit = clicks[0].visit if clicks else None
        if visit is None:
            return "the number of a visit, which is not known here", False
        same_network = None not in (claim.ip, visit.ip) and _network(visit.ip or "") == truncate_ip(claim.ip or "")
        same_browser = claim.browser == reduced_user_agent(visit.browser, visit.os)
        evidence = ["the number of a visit", *["its network"] * same_network, *["its browser"] * same_browser]
        return ", ".join(evidence), same_network and same_browser

    def by_link(self, link: str) -> Request | None:
        return self._workspace.register.by_link(link).wait()

    # -- by the owner

    @property
    def overdue(self) -> int:
        """How many requests are late, by the due dates that `refresh_due_dates` read last."""
        now_ms = self._workspace.world.now_ms()
        return sum(due_ms <= now_ms for due_ms in self._due_times_ms)

    def refresh_due_dates(self) -> None:
        self._due_times_ms = self._workspace.register.open_due_dates_ms().wait()

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
        """Record a request that came by letter or e-mail. `who` are arguments of `Eraser.subject`."""
        subject = self._eraser.subject(**who) if who else None
        request, link = self.submit(kind, text=text, contact=contact, channel=channel, subject=subject)
        return self.to_json(request) | {"link": f"/privacy/case/{link}"}

    def move(self, request_id: str, state: State, *, reason: str = "", answer: str = "") -> dict[str, Any]:
        now_ms = self._workspace.world.now_ms()
        moved = self._workspace.register.move(request_id, state, now_ms=now_ms, reason=reason, answer=answer).wait()
        self.refresh_due_dates()
        return self.to_json(moved)

    def record_outcome(self, request_id: str, *, receiver: str, outcome: ReceiverOutcome) -> dict[str, Any]:
        """Record what a receiver of earlier conversions did about a request."""
        now_ms = self._workspace.world.now_ms()
        return self.to_json(
            self._workspace.register.record_outcome(request_id, receiver, outcome, now_ms=now_ms).wait()
        )

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
            "text": request.content.text,
            "contact": request.content.contact,
            "answer": request.content.answer,
            "click": request.content.click,
            "receivers": [
                {
                    "name": name,
                    "reports": its.reports,
                    "outcome": its.outcome,
                    "at": rfc3339(its.at_ms) if its.outcome else None,
                    "what": receipts.advice_after_erasure(name, self._workspace.configuration()[1]),
                }
                for name, its in request.content.receivers.items()
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
