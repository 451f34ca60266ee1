"""From a request to the visit that conditions judge: every fact but who the visitor is to us."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tnc.core.models import SUBS, Mode, Source, Traffic, Visit
from tnc.rules.macros import is_unexpanded
from tnc.visitors.client_hints import sent_hints
from tnc.visitors.client_ip import AddressSource, ClientAddress, cut
from tnc.visitors.consent import Wishes, has_opted_out, has_withdrawn, mode, read_wishes
from tnc.visitors.geo.geo import NOWHERE, Geo, Place
from tnc.visitors.rate import Frequency
from tnc.visitors.request import Request, domain_of, language_of, read_query, referrer_domain, split_target
from tnc.visitors.traffic import Verdict, is_prefetch, judge, with_duplicate
from tnc.visitors.user_agent import UNSEEN, Agent, Agents, family

MAX_USER_AGENT: Final = 1024
MAX_ADDRESS: Final = 4096  # of our own address and of the referrer
MAX_COST: Final = 64

_SHARED: Final = frozenset({"cellular", "corporate"})
_OWN_SUBS: Final = frozenset(SUBS)


class Identity(Struct, frozen=True, kw_only=True, gc=False):
    """Who the visitor is to us: the one part of a visit that is not in its request."""

    visitor: str | None = None
    browser_id: str | None = None
    visit_number: int = 0
    unique_campaign: bool | None = None
    unique_workspace: bool | None = None
    converted: bool | None = None
    duplicate: bool = False  # of a click of the same visitor on the same campaign, seconds ago


NOBODY_IN_PARTICULAR: Final = Identity()


class Named(Struct, frozen=True, kw_only=True, gc=False):
    """What the parameters mean by the words of the traffic source."""

    external_id: str | None = None
    subs: dict[str, str] = {}
    cost: str | None = None
    currency: str | None = None
    unexpanded: bool = False


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """Everything a request says, in parts. `visit` puts them together once the identity is known."""

    request: Request
    secure: bool  # the visitor's own connection, also behind a trusted proxy
    domain: str | None
    ip: str | None
    ip_source: AddressSource
    place: Place
    user_agent: str | None
    agent: Agent
    referrer_domain: str | None
    params: dict[str, str]
    named: Named
    wishes: Wishes
    mode: Mode
    verdict: Verdict
    data: dict[str, str]

    @property
    def country(self) -> str | None:
        return self.place.country

    @property
    def traffic(self) -> Traffic:
        return self.verdict.traffic

    @property
    def cookies(self) -> dict[str, str]:
        return self.request.cookies

    def visit(self, identity: Identity = NOBODY_IN_PARTICULAR) -> Visit:
        request, place, agent, named = self.request, self.place, self.agent, self.named
        verdict = with_duplicate(self.verdict) if identity.duplicate else self.verdict
        referrer = request.headers.get("referer")
        scheme = "https" if self.secure else "http"
        return Visit(
            visited_at_ms=request.arrived_at_ms,
            domain=self.domain,
            url=f"{scheme}://{request.host}{request.target}"[:MAX_ADDRESS],
            ip=self.ip,
            country=place.country,
            region=place.region,
            city=place.city,
            asn=place.asn,
            isp=place.isp,
            connection=place.connection,
            vpn=place.vpn,
            proxy=place.proxy,
            tor=place.tor,
            datacenter=place.datacenter,
            relay=place.relay,
            user_agent=self.user_agent,
            device=agent.device,
            brand=agent.brand,
            model=agent.model,
            os=agent.os,
            os_version=agent.os_version,
            browser=agent.browser,
            browser_version=agent.browser_version,
            language=language_of(request.headers),
            referrer=referrer[:MAX_ADDRESS] if referrer else None,
            referrer_domain=self.referrer_domain,
            external_id=named.external_id,
            subs=named.subs,
            params=self.params,
            headers=request.headers,
            cost_param=named.cost,
            currency_param=named.currency,
            traffic=verdict.traffic,
            bot=verdict.bot,
            crawler_verified=verdict.verified,
            reasons=(*verdict.reasons, "macro_unexpanded") if named.unexpanded else verdict.reasons,
            visitor=identity.visitor,
            browser_id=identity.browser_id,
            visit_number=identity.visit_number,
            unique_campaign=identity.unique_campaign,
            unique_workspace=identity.unique_workspace,
            converted=identity.converted,
            consent=self.wishes.consent,
            gpc=self.wishes.gpc,
            mode=self.mode,
            data=self.data,
        )


class VisitReader:
    """Reads requests. `geo` and `elsewhere` are assigned anew when data or settings change; nothing waits.

    With a `frequency` every request counts towards its address's minute; a reader that only tries has none.
    `platform_cookies` are set on the landing domain by the pixels of ad platforms: a conversion that is sent back to
    them needs their values unchanged, so a visit in full mode keeps them as parameters.
    """

    def __init__(
        self,
        *,
        address: ClientAddress,
        geo: Geo,
        agents: Agents,
        elsewhere: Mode = "full",
        frequency: Frequency | None = None,
        platform_cookies: Sequence[str] = (),
    ) -> None:
        self.geo = geo
        self.elsewhere = elsewhere
        self._address = address
        self._agents = agents
        self._frequency = frequency
        self._platform_cookies = platform_cookies

    def _with_platform_cookies(self, params: dict[str, str], cookies: dict[str, str]) -> dict[str, str]:
        kept = {name: cookies[name] for name in self._platform_cookies if cookies.get(name) and name not in params}
        return params | kept if kept else params

    def facts(self, request: Request, source: Source | None) -> Facts:
        """All that the request says. Never raises, whatever the bytes."""
        geo = self.geo
        headers = request.headers
        client = self._address.of(request.peer, headers, request.repeated)
        place = geo.lookup(client.ip) if client.ip else NOWHERE
        user_agent = headers.get("user-agent", "").strip()[:MAX_USER_AGENT]
        query = split_target(request.target)[1]
        params = read_query(query)
        named = _named(params, source, query)
        wishes = read_wishes(params, headers)
        cookies = request.cookies
        opted_out = False
        if cookies:
            opted_out = has_opted_out(cookies)
            if has_withdrawn(cookies):
                wishes = wishes._replace(consent="denied")
        how = mode(place.country, wishes, opted_out=opted_out, elsewhere=self.elsewhere)
        seen = self._agents.see(user_agent, sent_hints(headers)) if user_agent else UNSEEN
        secure = request.secure or (client.source != "peer" and headers.get("x-forwarded-proto") == "https")
        referrer = headers.get("referer")
        came_from = referrer_domain(referrer) if referrer else None
        return Facts(
            request=request,
            secure=secure,
            domain=domain_of(request.host),
            ip=client.ip,
            ip_source=client.source,
            place=place,
            user_agent=user_agent or None,
            agent=seen.agent,
            referrer_domain=came_from,
            params=self._with_platform_cookies(params, cookies) if cookies and how == "full" else params,
            named=named,
            wishes=wishes,
            mode=how,
            verdict=judge(
                seen,
                place,
                headers,
                ip=client.ip,
                user_agent=user_agent,
                secure=secure,
                prefetch=is_prefetch(headers),
                surplus=self._is_surplus(client.ip, place, geo, request.arrived_at_ms),
                referrer_domain=came_from,
            ),
            data=geo.data,
        )

    def _is_surplus(self, ip: str | None, place: Place, geo: Geo, now_ms: int) -> bool:
        # An address of no visitor's own, such as that of a proxy that was not declared, stands for everybody.
        if self._frequency is None or ip is None or geo.is_nobodys(place):
            return False
        shared = place.relay is True or place.connection in _SHARED
        return self._frequency.is_surplus(ip, now_ms, shared=shared)

    def read(self, request: Request, source: Source | None, identity: Identity = NOBODY_IN_PARTICULAR) -> Visit:
        return self.facts(request, source).visit(identity)


def for_storage(visit: Visit) -> Visit:
    """The visit as it may be kept: never its headers, nor its address, whose parts are fields of their own, nor
    the cost as it was sent, which the click knows as money; without consent the visitor's address is cut and the
    user agent reduced.
    """
    if visit.mode != "cookieless":
        return replace(visit, headers={}, url=None, cost_param=None, currency_param=None)
    return replace(
        visit,
        headers={},
        url=None,
        cost_param=None,
        currency_param=None,
        ip=cut(visit.ip) if visit.ip else None,
        user_agent=family(visit.browser, visit.os) if visit.user_agent else None,
    )


def _may_hold_macros(query: str) -> bool:
    """Whether a raw query has any of the signs of a macro, encoded or not: most have none."""
    return "%" in query or "{" in query or "__" in query or "[" in query or "<" in query or "#" in query


def _named(params: dict[str, str], source: Source | None, query: str) -> Named:
    if not params:
        return Named()
    subs: dict[str, str] = {}
    if not _OWN_SUBS.isdisjoint(params):
        subs = {name: value for name, value in params.items() if name in _OWN_SUBS and value}
    external_id = cost = None
    if source:
        external_id = params.get(source.click_id) if source.click_id else None
        cost = params.get(source.cost) if source.cost else None
        for name, theirs in source.params.items():
            if value := params.get(theirs):
                subs[name] = value
    unexpanded = _may_hold_macros(query) and any(map(is_unexpanded, params.values()))
    if unexpanded:
        external_id, cost = (None if value and is_unexpanded(value) else value for value in (external_id, cost))
        subs = {name: value for name, value in subs.items() if not is_unexpanded(value)}
    return Named(
        external_id=external_id or None,
        subs=subs,
        cost=cost[:MAX_COST] if cost else None,
        currency=params.get("currency"),
        unexpanded=unexpanded,
    )
