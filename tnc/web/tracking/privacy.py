"""GET and POST /privacy: what is stored about this browser, and what its owner can do about it.

The cookie of the browser is the proof of identity; browsers do not send it with a form of another site
(`SameSite=Lax`). Without it the reply does not depend on what is stored.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.errors import InvalidError, PartlyDoneError, TncError
from tnc.core.fields import FIELDS, rfc3339
from tnc.core.models import Configuration, Mode, Privacy
from tnc.privacy.requests import IdentityClaim
from tnc.privacy.stored_visits import StoredVisits
from tnc.store.requests import RequestKind, State
from tnc.tracking.tracker import COOKIE_PLAIN, COOKIE_SECURE
from tnc.visitors.consent import CONSENT_COOKIES, OPT_OUT_COOKIES, has_opted_out, has_withdrawn
from tnc.visitors.request import read_query
from tnc.visitors.user_agent import reduced_user_agent
from tnc.visitors.visit import RequestFacts
from tnc.web.tracking import responses as answers
from tnc.web.tracking.click import read
from tnc.web.tracking.keys import Tracking

_LARGEST: Final = 16 * 1024
_LISTED: Final = 100  # visits on the page; the form lists more
_LISTED_IN_FULL: Final = 1_000
_LASTING: Final = 400 * 86_400  # seconds; browsers keep no cookie for longer
_PAGES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_MODES: Final[Mapping[Mode, tuple[str, str]]] = {
    "full": ("in full", "Your full IP address is stored, and a cookie recognises your browser."),
    "limited": ("limited", "There is no cookie, and nothing is sold or shared for advertising."),
    "cookieless": (
        "without a cookie",
        "Your IP address is truncated to its network, and from tomorrow on your visits cannot be linked.",
    ),
    "none": ("not recorded", "Your visits are only counted; nothing is stored about you."),
}
_SAYS: Final[Mapping[Privacy, str]] = {
    Privacy.PII: "can identify you",
    Privacy.PSEUDONYM: "links your visits",
    Privacy.QUASI: "describes you roughly",
}
_KINDS: Final[tuple[tuple[RequestKind, str], ...]] = (
    ("question", "A question"),
    ("access", "Access: send me a copy of my data"),
    ("erasure", "Erasure: delete my data"),
    ("restriction", "Restriction: keep my data but do not use it"),
    ("rectification", "Rectification: my data is wrong"),
    ("objection", "Objection: do not record me any more"),
)
_STATES: Final[Mapping[State, str]] = {
    "received": "received",
    "acknowledged": "received and read",
    "needs_identity": "we need more information to verify your identity",
    "identity_failed": "your identity could not be verified",
    "verified": "identity verified",
    "review": "under review",
    "approved": "approved",
    "executing": "in progress",
    "awaiting_downstream": "done here; waiting for the companies that received your data",
    "fulfilled": "done",
    "partly_fulfilled": "done in part",
    "denied": "denied",
    "withdrawn": "withdrawn",
    "expired_unverified": "closed: your identity was not verified",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The message about what was just done."""

    title: str
    text: str
    link: str | None = None
    receipt: str | None = None


@dataclass(slots=True)
class _Caller:
    """The visitor who sent the request, and the reply that is being made."""

    facts: RequestFacts
    browser_id: str | None
    message: Message | None = None
    held: StoredVisits | None = None
    status: int = 200
    cookies: tuple[str, ...] = ()


async def show(tracking: Tracking, request: web.BaseRequest, _word: str) -> web.StreamResponse:
    caller = _caller(tracking, request)
    is_form = request.method == "POST"
    if is_form and not _same_site(request):
        return answers.status(403)
    if not is_form and caller.browser_id is None:
        return _page(tracking, caller)
    ip = caller.facts.ip
    if ip is not None and tracking.form_rate.exceeds_limit(ip, tracking.world.now_ms(), shared=False):
        return answers.status(429)
    if not is_form:
        await _look(tracking, caller, _LISTED)
        return _page(tracking, caller)
    body = await request.content.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        return answers.status(413)
    given = read_query(body.decode(errors="replace"))
    if given.get("do") == "copy" and caller.browser_id is not None:
        return _download(await asyncio.to_thread(tracking.services.privacy_requests.copy, caller.browser_id))
    try:
        await _do(tracking, caller, given)
    except TncError as error:
        caller.status = error.http_status
        caller.message = Message(title="That did not work", text=str(error))
    return _page(tracking, caller)


def _caller(tracking: Tracking, request: web.BaseRequest) -> _Caller:
    facts = tracking.tracker.uncounted_reader.facts(read(request, tracking.world.now_ms()), None)
    cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
    identity = None if cookie is None else tracking.tracker.pseudonyms.read_cookie(cookie)
    return _Caller(facts, None if identity is None else identity.browser_id)


def _same_site(request: web.BaseRequest) -> bool:
    """Whether the form is from this site, or the client is not a browser."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")


# ------------------------------------------------------------------------------------------------------ actions


async def _do(tracking: Tracking, caller: _Caller, given: Mapping[str, str]) -> None:
    match given.get("do"):
        case "show":
            await _look(tracking, caller, _LISTED_IN_FULL)
        case "erase":
            await _erase(tracking, caller, sure=given.get("sure") == "yes")
        case "opt-out":
            caller.cookies = (_set(caller, OPT_OUT_COOKIES), _forget_me(caller))
            if caller.browser_id is not None:
                await asyncio.to_thread(tracking.services.privacy_requests.object, caller.browser_id)
            caller.message = Message(title="You have opted out of tracking", text=_OPTED_OUT)
        case "opt-in":
            caller.cookies = _unset(OPT_OUT_COOKIES)
            caller.message = Message(
                title="Your visits are recorded again", text="How they are recorded is described below."
            )
        case "withdraw":
            await _withdraw(tracking, caller)
        case "ask":
            await _ask(tracking, caller, given)
        case _:
            raise InvalidError("this form is not known here; open the page again.")


async def _look(tracking: Tracking, caller: _Caller, most: int) -> None:
    """Read the newest `most` visits of the browser that sent the request, by its cookie."""
    if caller.browser_id is not None:
        stored_visits = tracking.services.privacy_requests.stored_visits
        caller.held = await asyncio.to_thread(stored_visits, caller.browser_id, most=most)


async def _erase(tracking: Tracking, caller: _Caller, *, sure: bool) -> None:
    if caller.browser_id is None:
        caller.message = Message(title="Nothing was found", text=_NO_PROOF)
        return
    if not sure:
        raise InvalidError("tick the box if you are sure: erased data cannot be restored.")
    caller.message = await _erased(tracking, caller.browser_id, "erasure")
    caller.cookies, caller.browser_id = (_forget_me(caller),), None


async def _erased(tracking: Tracking, browser_id: str, kind: RequestKind) -> Message:
    try:
        receipt: Any = await asyncio.to_thread(tracking.services.privacy_requests.erase, browser_id, kind=kind)
    except PartlyDoneError:
        return Message(title="Your data is being erased", text=_UNDER_WAY)
    return Message(title="Your data is erased", text=_ERASED, receipt=json.dumps(receipt, indent=2))


async def _withdraw(tracking: Tracking, caller: _Caller) -> None:
    caller.cookies = (_set(caller, CONSENT_COOKIES), _forget_me(caller))
    caller.message = Message(title="Your consent is withdrawn", text=_WITHDRAWN)
    if caller.browser_id is not None:
        erased = await _erased(tracking, caller.browser_id, "withdrawal")
        caller.message = Message(title=caller.message.title, text=f"{_WITHDRAWN} {erased.text}", receipt=erased.receipt)


async def _ask(tracking: Tracking, caller: _Caller, given: Mapping[str, str]) -> None:
    kind = cast("RequestKind", given.get("kind", "question"))
    words, contact = given.get("text", ""), given.get("contact", "")
    named = None
    if given.get("click", "").strip():
        agent = caller.facts.agent
        named = IdentityClaim(
            click=given["click"], ip=caller.facts.ip, browser=reduced_user_agent(agent.browser, agent.os)
        )
    request, link = await asyncio.to_thread(
        tracking.services.privacy_requests.submit,
        kind,
        text=words,
        contact=contact,
        claim=named,
        browser_id=caller.browser_id,
    )
    caller.message = Message(
        title="We received your request",
        text=f"You get our answer by {rfc3339(request.due_at_ms)[:10]}.",
        link=f"/privacy/case/{link}",
    )


def _set(caller: _Caller, names: tuple[str, str]) -> str:
    """A cookie without an identifier; the first of the names over HTTPS."""
    name, end = (names[0], "; Secure") if caller.facts.secure else (names[1], "")
    return f"{name}=1; Path=/; Max-Age={_LASTING}; HttpOnly; SameSite=Lax{end}"


def _unset(names: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}=; Path=/; Max-Age=0{'; Secure' if name.startswith('__Host-') else ''}" for name in names)


def _forget_me(caller: _Caller) -> str:
    return _unset((COOKIE_SECURE, COOKIE_PLAIN))[0 if caller.facts.secure else 1]


# --------------------------------------------------------------------------------------------------------- pages


def _page(tracking: Tracking, caller: _Caller) -> web.Response:
    facts, plans = caller.facts, tracking.tracker.plans
    name, text = _MODES[facts.mode]
    return _html(
        "privacy.html",
        caller.status,
        caller.cookies,
        message=caller.message,
        held=caller.held,
        proof=caller.browser_id is not None,
        listed_in_full=_LISTED_IN_FULL,
        mode={"name": name, "text": text},
        gpc=facts.signals.gpc,
        opted_out=has_opted_out(facts.cookies),
        withdrawn=has_withdrawn(facts.cookies),
        stored=_STORED,
        days=tracking.services.workspace.settings.clicks_days,
        elsewhere=tracking.tracker.uncounted_reader.default_mode,
        receivers=_receivers(plans.configuration),
        kinds=_KINDS,
    )


def _receivers(configuration: Configuration) -> list[str]:
    """A sentence for each platform that conversions are sent to."""
    types = {each.type for each in all_destinations(configuration).values() if not each.archived}
    return sorted({PLATFORMS[each].receiver.visitor_sentence for each in types})


_STORED: Final = [
    {"name": name.replace("_", " "), "text": field.about.text, "kind": _SAYS[field.about.privacy]}
    for name, field in FIELDS.items()
    if field.about.privacy in _SAYS and name not in ("headers", "subs") and not name.startswith("sub")
]


def _html(template: str, status: int, cookies: tuple[str, ...] = (), **values: object) -> web.Response:
    nonce = secrets.token_urlsafe(12)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response = web.Response(
        text=_PAGES.get_template(template).render(**values, nonce=nonce),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


def _download(content: bytes) -> web.Response:
    return web.Response(
        body=content,
        content_type="application/zip",
        headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="my-data.zip"'},
    )


async def case(tracking: Tracking, _request: web.BaseRequest, link: str) -> web.StreamResponse:
    """GET /privacy/case/{secret}"""
    found = await asyncio.to_thread(tracking.services.privacy_requests.by_link, link)
    if found is None:
        return answers.status(404)
    steps = [
        {"at": rfc3339(step.at_ms)[:16].replace("T", " "), "state": _STATES[step.state], "reason": step.reason}
        for step in found.steps
    ]
    return _html(
        "case.html",
        200,
        request=found,
        state=_STATES[found.state],
        received=rfc3339(found.received_at_ms)[:10],
        due=rfc3339(found.due_at_ms)[:10],
        steps=steps,
    )


async def gpc(_tracking: Tracking, _request: web.BaseRequest, _word: str) -> web.StreamResponse:
    """GET /.well-known/gpc.json: https://w3c.github.io/gpc/#gpc-support-resource"""
    return web.json_response({"gpc": True, "lastUpdate": "2026-11-24"})


_NO_PROOF: Final = "This browser has no cookie of this site, so we cannot know which data is yours. Write to us below."
_OPTED_OUT: Final = (
    "From now on your visits are only counted. A cookie without an identifier (its value is 1) remembers this. Data "
    "that was stored before stays until you erase it or its retention time ends, and is no longer sent to anybody."
)
_ERASED: Final = (
    "Everything that was stored about this browser is erased, in every backup too, and its cookie is deleted."
)
_WITHDRAWN: Final = "From now on your visits are recorded without a cookie and with a truncated IP address."
_UNDER_WAY: Final = "Its keys are destroyed, so it cannot be read any more; the rest is done within minutes."
