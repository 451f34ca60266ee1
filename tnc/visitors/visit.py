"""Reads a request into the `Visit` that conditions are checked against."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tnc.core.models import SUBS, Mode, Source, Traffic, Visit
from tnc.rules.macros import is_unexpanded
from tnc.visitors.client_hints import hint_headers
from tnc.visitors.client_ip import ClientIpReader, ClientIpSource, truncate_ip
from tnc.visitors.consent import ConsentSignals, choose_mode, has_opted_out, has_withdrawn, read_signals
from tnc.visitors.geo.geo import UNKNOWN_PLACE, Geo, Place
from tnc.visitors.rate import ClickRate
from tnc.visitors.request import Request, domain_of, language_of, read_query, referrer_domain, split_target
from tnc.visitors.traffic import Classification, classify, is_prefetch, with_duplicate
from tnc.visitors.user_agent import NO_USER_AGENT, UserAgent, UserAgentReader, reduced_user_agent

MAX_USER_AGENT: Final = 1024
MAX_URL: Final = 4096  # of the requested URL and of the referrer
MAX_COST: Final = 64

_SHARED_CONNECTIONS: Final = frozenset({"cellular", "corporate"})
_OWN_SUBS: Final = frozenset(SUBS)


class Identity(Struct, frozen=True, kw_only=True, gc=False):
    """Whether and how the visitor is known from earlier visits: the part of a visit that is not in its request."""

    visitor: str | None = None
    browser_id: str | None = None
    visit_number: int = 0
    unique_campaign: bool | None = None
    unique_workspace: bool | None = None
    converted: bool | None = None
    duplicate: bool = False  # the same visitor clicked the same campaign within the last two seconds


NO_IDENTITY: Final = Identity()


class SourceParameters(Struct, frozen=True, kw_only=True, gc=False):
    """The parameters that the traffic source's configuration gives a meaning."""

    external_id: str | None = None
    subs: dict[str, str] = {}
    cost: str | None = None
    currency: str | None = None
    unexpanded: bool = False  # a parameter holds a macro that the ad platform did not fill in


class RequestFacts(Struct, frozen=True, kw_only=True, gc=False):
    """Everything that a request says. `visit` makes a `Visit` of it once the identity is known."""

    request: Request
    secure: bool  # HTTPS between the visitor and us or our trusted proxy
    domain: str | None
    ip: str | None
    ip_source: ClientIpSource
    place: Place
    user_agent: str | None
    agent: UserAgent
    referrer_domain: str | None
    params: dict[str, str]
    source_params: SourceParameters
    signals: ConsentSignals
    mode: Mode
    classification: Classification
    data: dict[str, str]

    @property
    def country(self) -> str | None:
        return self.place.country

    @property
    def traffic(self) -> Traffic:
        return self.classification.traffic

    @property
    def cookies(self) -> dict[str, str]:
        return self.request.cookies

    def visit(self, identity: Identity = NO_IDENTITY) -> Visit:
        request, place, agent, params = self.request, self.place, self.agent, self.source_params
        found = with_duplicate(self.classification) if identity.duplicate else self.classification
        referrer = request.headers.get("referer")
        scheme = "https" if self.secure else "http"
        return Visit(
            visited_at_ms=request.arrived_at_ms,
            domain=self.domain,
            url=f"{scheme}://{request.host}{request.target}"[:MAX_URL],
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
            referrer=referrer[:MAX_URL] if referrer else None,
            referrer_domain=self.referrer_domain,
            external_id=params.external_id,
            subs=params.subs,
            params=self.params,
            headers=request.headers,
            cost_param=params.cost,
            currency_param=params.currency,
            traffic=found.traffic,
            bot=found.bot,
            crawler_verified=found.verified,
            reasons=(*found.reasons, "macro_unexpanded") if params.unexpanded else found.reasons,
            visitor=identity.visitor,
            browser_id=identity.browser_id,
            visit_number=identity.visit_number,
            unique_campaign=identity.unique_campaign,
            unique_workspace=identity.unique_workspace,
            converted=identity.converted,
            consent=self.signals.consent,
            gpc=self.signals.gpc,
            mode=self.mode,
            data=self.data,
        )


class VisitReader:
    """Reads requests. `geo` and `default_mode` are replaced when data or settings change, without a lock.

    With a `click_rate` every request counts towards the limit of its IP address; a reader for tests has none.
    `platform_cookies` are set on the landing domain by the pixels of ad platforms. A conversion sent to them needs
    their values unchanged, so a visit in full mode keeps them as parameters.
    """

    def __init__(
        self,
        *,
        client_ip: ClientIpReader,
        geo: Geo,
        user_agents: UserAgentReader,
        default_mode: Mode = "full",
        click_rate: ClickRate | None = None,
        platform_cookies: Sequence[str] = (),
    ) -> None:
        self.geo = geo
        self.default_mode = default_mode
        self._client_ip = client_ip
        self._user_agents = user_agents
        self._click_rate = click_rate
        self._platform_cookies = platform_cookies

    def _with_platform_cookies(self, params: dict[str, str], cookies: dict[str, str]) -> dict[str, str]:
        kept = {name: cookies[name] for name in self._platform_cookies if cookies.get(name) and name not in params}
        return params | kept if kept else params

    def facts(self, request: Request, source: Source | None) -> RequestFacts:
        """Everything that the request says. Never raises, whatever the bytes."""
        geo = self.geo
        headers = request.headers
        client = self._client_ip.find(request.peer, headers, request.repeated)
        place = geo.lookup(client.ip) if client.ip else UNKNOWN_PLACE
        user_agent = headers.get("user-agent", "").strip()[:MAX_USER_AGENT]
        query = split_target(request.target)[1]
        params = read_query(query)
        source_params = _source_params(params, source, query)
        signals = read_signals(params, headers)
        cookies = request.cookies
        opted_out = False
        if cookies:
            opted_out = has_opted_out(cookies)
            if has_withdrawn(cookies):
                signals = signals._replace(consent="denied")
        mode = choose_mode(place.country, signals, opted_out=opted_out, default=self.default_mode)
        agent = self._user_agents.read(user_agent, hint_headers(headers)) if user_agent else NO_USER_AGENT
        secure = request.secure or (client.source != "peer" and headers.get("x-forwarded-proto") == "https")
        referrer = headers.get("referer")
        from_domain = referrer_domain(referrer) if referrer else None
        return RequestFacts(
            request=request,
            secure=secure,
            domain=domain_of(request.host),
            ip=client.ip,
            ip_source=client.source,
            place=place,
            user_agent=user_agent or None,
            agent=agent.agent,
            referrer_domain=from_domain,
            params=self._with_platform_cookies(params, cookies) if cookies and mode == "full" else params,
            source_params=source_params,
            signals=signals,
            mode=mode,
            classification=classify(
                agent,
                place,
                headers,
                ip=client.ip,
                user_agent=user_agent,
                secure=secure,
                prefetch=is_prefetch(headers),
                over_rate=self._exceeds_rate(client.ip, place, geo, request.arrived_at_ms),
                referrer_domain=from_domain,
            ),
            data=geo.data,
        )

    def _exceeds_rate(self, ip: str | None, place: Place, geo: Geo, now_ms: int) -> bool:
        # A private or reserved address, like that of a proxy that was not declared, is shared by all visitors.
        if self._click_rate is None or ip is None or geo.is_reserved(place):
            return False
        shared = place.relay is True or place.connection in _SHARED_CONNECTIONS
        return self._click_rate.exceeds_limit(ip, now_ms, shared=shared)

    def read(self, request: Request, source: Source | None, identity: Identity = NO_IDENTITY) -> Visit:
        return self.facts(request, source).visit(identity)


def for_storage(visit: Visit) -> Visit:
    """The visit as it may be stored.

    Headers and the URL are never stored (the parts of the URL are fields of their own), nor the text of the cost (the
    click has it as money). Without consent the IP address is truncated and the user agent reduced.
    """
    if visit.mode != "cookieless":
        return replace(visit, headers={}, url=None, cost_param=None, currency_param=None)
    return replace(
        visit,
        headers={},
        url=None,
        cost_param=None,
        currency_param=None,
        ip=truncate_ip(visit.ip) if visit.ip else None,
        user_agent=reduced_user_agent(visit.browser, visit.os) if visit.user_agent else None,
    )


def _may_hold_macros(query: str) -> bool:
    """Whether a raw query has a character of a macro, encoded or not: a quick test, because most queries have none."""
    return "%" in query or "{" in query or "__" in query or "[" in query or "<" in query or "#" in query


def _source_params(params: dict[str, str], source: Source | None, query: str) -> SourceParameters:
    if not params:
        return SourceParameters()
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
        external_id = None if external_id and is_unexpanded(external_id) else external_id
        subs = {name: value for name, value in subs.items() if not is_unexpanded(value)}
    return SourceParameters(
        external_id=external_id or None,
        subs=subs,
        cost=cost[:MAX_COST] if cost else None,
        currency=params.get("currency"),
        unexpanded=unexpanded,
    )
