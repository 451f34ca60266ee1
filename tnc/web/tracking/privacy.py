"""GET and POST /privacy: what is stored about this browser, and what its owner may do about it.

The cookie that only this browser has is the proof; it is not sent along with a form of another site
(`SameSite=Lax`). Without it every answer is the same, whatever is stored.
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
from tnc.privacy.requests import IdentityClaim, StoredVisits
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
_LASTING: Final = 400 * 86_400  # seconds; browsers keep no cookie for longer
_PAGES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_MODES: Final[Mapping[Mode, tuple[str, str]]] = {
    "full": ("in full", "The record holds your whole address and a cookie tells your visits apart."),
    "limited": ("limited", "There is no cookie, and nothing is sold or shared for advertising."),
    "cookieless": ("without a cookie", "Your address is cut to its network, and tomorrow nobody can tell it was you."),
    "none": ("not at all", "Only a number is counted up; nothing is stored of you."),
}
_SAYS: Final[Mapping[Privacy, str]] = {
    Privacy.PII: "could tell who you are",
    Privacy.PSEUDONYM: "tells your visits apart",
    Privacy.QUASI: "describes you roughly",
}
_KINDS: Final[tuple[tuple[RequestKind, str], ...]] = (
    ("question", "A question"),
    ("access", "What is stored of me"),
    ("erasure", "Erase it"),
    ("restriction", "Keep it, but do not use it"),
    ("rectification", "Something is wrong"),
    ("objection", "I object"),
)
_STATES: Final[Mapping[State, str]] = {
    "received": "received",
    "acknowledged": "received and read",
    "needs_identity": "we need to know more to be sure that it is you",
    "identity_failed": "what you sent does not show that it is you",
    "verified": "we know that it is you",
    "review": "a person is looking at it",
    "approved": "granted, and about to be done",
    "executing": "being done",
    "awaiting_downstream": "done here; others whom we told still have to answer",
    "fulfilled": "done",
    "partly_fulfilled": "done in part",
    "denied": "denied",
    "withdrawn": "taken back",
    "expired_unverified": "closed: we could not tell that it was you",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was just done."""

    title: str
    text: str
    link: str | None = None
    receipt: str | None = None


@dataclass(slots=True)
class _Asker:
    """Who asks, as far as his browser tells."""

    facts: RequestFacts
    browser_id: str | None
    said: Said | None = None
    held: StoredVisits | None = None
    status: int = 200
    cookies: tuple[str, ...] = ()


async def show(tracking: Tracking, request: web.BaseRequest, _word: str) -> web.StreamResponse:
    asker = _asker(tracking, request)
    if request.method != "POST":
        return _page(tracking, asker)
    if not _same_site(request):
        return answers.status(403)
    ip = asker.facts.ip
    if ip is not None and tracking.form_rate.exceeds_limit(ip, tracking.world.now_ms(), shared=False):
        return answers.status(429)
    body = await request.content.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        return answers.status(413)
    given = read_query(body.decode(errors="replace"))
    if given.get("do") == "copy" and asker.browser_id is not None:
        return _download(await asyncio.to_thread(tracking.services.privacy_requests.copy, asker.browser_id))
    try:
        await _do(tracking, asker, given)
    except TncError as error:
        asker.status = error.http_status
        asker.said = Said(title="That did not work", text=str(error))
    return _page(tracking, asker)


def _asker(tracking: Tracking, request: web.BaseRequest) -> _Asker:
    facts = tracking.tracker.uncounted_reader.facts(read(request, tracking.world.now_ms()), None)
    cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
    identity = None if cookie is None else tracking.tracker.pseudonyms.read_cookie(cookie)
    return _Asker(facts, None if identity is None else identity.browser_id)


def _same_site(request: web.BaseRequest) -> bool:
    """Not a form of another site; a program that is no browser may ask too."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")


# ------------------------------------------------------------------------------------------------- what is done


async def _do(tracking: Tracking, asker: _Asker, given: Mapping[str, str]) -> None:
    match given.get("do"):
        case "show":
            await _look(tracking, asker)
        case "erase":
            await _erase(tracking, asker, sure=given.get("sure") == "yes")
        case "opt-out":
            asker.cookies = (_set(asker, OPT_OUT_COOKIES), _forget_me(asker))
            if asker.browser_id is not None:
                await asyncio.to_thread(tracking.services.privacy_requests.object, asker.browser_id)
            asker.said = Said(title="From now on nothing is recorded", text=_OPTED_OUT)
        case "opt-in":
            asker.cookies = _unset(OPT_OUT_COOKIES)
            asker.said = Said(title="Your visits are recorded again", text="As the law where you are allows it.")
        case "withdraw":
            await _withdraw(tracking, asker)
        case "ask":
            await _ask(tracking, asker, given)
        case _:
            raise InvalidError("this form asked for nothing that is known here; open the page again.")


async def _look(tracking: Tracking, asker: _Asker) -> None:
    if asker.browser_id is not None:
        asker.held = await asyncio.to_thread(tracking.services.privacy_requests.stored_visits, asker.browser_id)


async def _erase(tracking: Tracking, asker: _Asker, *, sure: bool) -> None:
    if asker.browser_id is None:
        asker.said = Said(title="Nothing could be found", text=_NO_PROOF)
        return
    if not sure:
        raise InvalidError("tick the box if you are sure: what is erased cannot be brought back.")
    asker.said = await _erased(tracking, asker.browser_id, "erasure")
    asker.cookies, asker.browser_id = (_forget_me(asker),), None


async def _erased(tracking: Tracking, browser_id: str, kind: RequestKind) -> Said:
    try:
        receipt: Any = await asyncio.to_thread(tracking.services.privacy_requests.erase, browser_id, kind=kind)
    except PartlyDoneError:
        return Said(title="It is being erased", text=_UNDER_WAY)
    return Said(title="It is erased", text=_ERASED, receipt=json.dumps(receipt, indent=2))


async def _withdraw(tracking: Tracking, asker: _Asker) -> None:
    asker.cookies = (_set(asker, CONSENT_COOKIES), _forget_me(asker))
    asker.said = Said(title="Your consent is withdrawn", text=_WITHDRAWN)
    if asker.browser_id is not None:
        erased = await _erased(tracking, asker.browser_id, "withdrawal")
        asker.said = Said(title=asker.said.title, text=f"{_WITHDRAWN} {erased.text}", receipt=erased.receipt)


async def _ask(tracking: Tracking, asker: _Asker, given: Mapping[str, str]) -> None:
    kind = cast("RequestKind", given.get("kind", "question"))
    words, contact = given.get("text", ""), given.get("contact", "")
    named = None
    if given.get("click", "").strip():
        agent = asker.facts.agent
        named = IdentityClaim(
            click=given["click"], ip=asker.facts.ip, browser=reduced_user_agent(agent.browser, agent.os)
        )
    request, link = await asyncio.to_thread(
        tracking.services.privacy_requests.submit, kind, text=words, contact=contact, claim=named
    )
    asker.said = Said(
        title="We have it",
        text=f"You have our answer by {rfc3339(request.due_at_ms)[:10]}.",
        link=f"/privacy/case/{link}",
    )


def _set(asker: _Asker, names: tuple[str, str]) -> str:
    """A cookie without any identifier; the first name where the connection is encrypted."""
    name, end = (names[0], "; Secure") if asker.facts.secure else (names[1], "")
    return f"{name}=1; Path=/; Max-Age={_LASTING}; HttpOnly; SameSite=Lax{end}"


def _unset(names: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}=; Path=/; Max-Age=0{'; Secure' if name.startswith('__Host-') else ''}" for name in names)


def _forget_me(asker: _Asker) -> str:
    return _unset((COOKIE_SECURE, COOKIE_PLAIN))[0 if asker.facts.secure else 1]


# ------------------------------------------------------------------------------------------------- what is shown


def _page(tracking: Tracking, asker: _Asker) -> web.Response:
    facts, plans = asker.facts, tracking.tracker.plans
    name, text = _MODES[facts.mode]
    return _html(
        "privacy.html",
        asker.status,
        asker.cookies,
        said=asker.said,
        held=asker.held,
        proof=asker.browser_id is not None,
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


_NO_PROOF: Final = "This browser carries no cookie of ours, so nothing can be told to be yours. Write to us below."
_OPTED_OUT: Final = (
    "A cookie that holds nothing but a 1 says so. What was stored before stays until you erase it or its time is over, "
    "and nobody is told of it any more."
)
_ERASED: Final = "All that was stored about this browser is gone, here and in every backup. Our cookie is gone as well."
_WITHDRAWN: Final = "Your visits are recorded without a cookie and with a cut address from now on."
_UNDER_WAY: Final = "Its keys are destroyed already, so nobody can read it; the rest is done within minutes."
