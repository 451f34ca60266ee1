"""The click path: from a request to a decided click, in memory only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from tnc.core.clock import World
from tnc.core.errors import InvalidError
from tnc.core.models import Campaign, Click, OfferId, Visit, WorkspaceId
from tnc.core.money import micros, read_cost, read_currency
from tnc.rules import Decision, Plan, Plans, destination_check
from tnc.rules.decision import Trace
from tnc.store.days.writer import utc_date
from tnc.store.opt_outs import OptOuts
from tnc.tracking.caps import Caps
from tnc.tracking.identity import Identity, Pseudonyms
from tnc.tracking.pending import PendingCrawlerChecks, PendingWithdrawal, PendingWithdrawals
from tnc.tracking.seen import Seen, seen_key
from tnc.visitors.client_ip import truncate_ip
from tnc.visitors.rate import Duplicates
from tnc.visitors.request import Request
from tnc.visitors.user_agent import reduced_user_agent
from tnc.visitors.visit import Identity as VisitIdentity
from tnc.visitors.visit import RequestFacts, VisitReader, for_storage

COOKIE_PLAIN: Final = "tnc"
COOKIE_SECURE: Final = "__Host-tnc"
COOKIE_DAYS: Final = 90
COST_UNREADABLE: Final = "cost_unreadable"  # reason of a click whose cost parameter cannot be read
LOOK_BACK_HOURS: Final = 24  # a visitor without a cookie is recognized on a lander for so long

# A declared crawler is no person, so its visits are not unique.
_NOT_UNIQUE: Final = {"unique_campaign": False, "unique_workspace": False}


class Arrival(NamedTuple):
    """A decided visit, to be recorded and answered."""

    plan: Plan
    click: Click
    destination: str | None  # None: answered with a status code
    secure: bool = False  # the visitor came over HTTPS, directly or to the proxy
    cookie: str | None = None

    @property
    def stored(self) -> Click:
        """The click as it is stored, with the IP address and user agent cut where the privacy mode asks for it."""
        check = None if self.destination is None else destination_check(self.destination)
        return replace(self.click, visit=for_storage(self.click.visit), destination_check=check)


@dataclass(slots=True, kw_only=True)
class Tracker:
    """What is in memory to answer visitors of a workspace. `plans` is replaced as a whole, in one assignment."""

    workspace: WorkspaceId
    world: World
    reader: VisitReader  # counts each visit towards the rate of its IP address
    uncounted_reader: VisitReader  # the same without counting: for requests that are no visits
    plans: Plans
    pseudonyms: Pseudonyms
    caps: Caps = field(default_factory=Caps)
    seen: Seen = field(default_factory=Seen)
    duplicates: Duplicates = field(default_factory=Duplicates)
    pending_crawler_checks: PendingCrawlerChecks = field(default_factory=PendingCrawlerChecks)
    pending_withdrawals: PendingWithdrawals = field(default_factory=PendingWithdrawals)
    opt_outs: OptOuts = field(default_factory=OptOuts)
    history_loaded: bool = False
    _salts: dict[Date, bytes] = field(default_factory=dict)
    _at_landers: dict[str, Click] = field(default_factory=dict)  # the newest clicks that were sent to landers, by id

    # -- settings

    def take_salts(self, salts: Mapping[str, bytes]) -> None:
        self._salts = {Date.fromisoformat(day): salt for day, salt in salts.items()}

    def take_plans(self, plans: Plans) -> set[OfferId]:
        """Use a new configuration from the next visit on; returns the offers whose conversions must be recounted."""
        recount = self.caps.configure(plans.configuration.offers)
        hours = [campaign.uniqueness_hours for campaign in plans.configuration.campaigns.values()]
        self.seen.window_s = max([LOOK_BACK_HOURS, *hours]) * 3600
        self.plans = plans
        return recount

    # -- the visitor

    def salt(self, date: Date) -> bytes:
        """The salt of a day. After a jump of the clock it is a random one that is never written to disk."""
        found = self._salts.get(date)
        if found is None:
            found = self._salts[date] = self.world.token(16)
        return found

    def salted(self, facts: RequestFacts, time_ms: int) -> str:
        return self.pseudonyms.salted(self.salt(utc_date(time_ms)), facts.ip, facts.user_agent)

    def identify(self, facts: RequestFacts, time_ms: int) -> Identity:
        cookies = facts.cookies
        cookie = cookies.get(COOKIE_SECURE) or cookies.get(COOKIE_PLAIN)
        salted = self.salted(facts, time_ms)
        return self.pseudonyms.identify(cookie, mode=facts.mode, salted=salted, chance=self.world.token)

    def recent_pseudonyms(self, facts: RequestFacts, time_ms: int) -> tuple[str, ...]:
        """The pseudonyms of today and yesterday of a visitor without a cookie."""
        today = utc_date(time_ms)
        salts = [self.salt(today), *(self._salts[day] for day in (today - timedelta(days=1),) if day in self._salts)]
        return tuple(self.pseudonyms.salted(salt, facts.ip, facts.user_agent) for salt in salts)

    def is_own_visit(self, facts: RequestFacts, visit: Visit, time_ms: int) -> bool:
        """Whether a request comes from the browser of `visit`: by the cookie, or by the pseudonyms of two days."""
        cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
        known = None if cookie is None else self.pseudonyms.read_cookie(cookie)
        if known is not None and known.browser_id == visit.browser_id:
            return True
        return visit.visitor in self.recent_pseudonyms(facts, time_ms)

    def may_be_own_visit(self, facts: RequestFacts, visit: Visit, time_ms: int) -> bool:
        """The same, or the same browser and system from the same network: /24 or /48, or AS number.

        A phone changes its address within its network between a lander and the offer, and a request without the
        consent that the visit had is read with a truncated address.
        """
        if self.is_own_visit(facts, visit, time_ms):
            return True
        agent, asn = facts.agent, facts.place.asn
        if reduced_user_agent(agent.browser, agent.os) != reduced_user_agent(visit.browser, visit.os):
            return False
        if asn is not None and asn == visit.asn:
            return True
        return None not in (facts.ip, visit.ip) and _network(facts.ip or "") == _network(visit.ip or "")

    # -- the visit

    def arrive(self, plan: Plan, request: Request, *, remember: bool = True, trace: Trace | None = None) -> Arrival:
        """Decide a visit. With `remember` = False (a HEAD request, a test visitor) nothing changes in memory."""
        now_ms = request.arrived_at_ms
        campaign = plan.campaign
        reader = self.reader if remember else self.uncounted_reader
        facts = reader.facts(request, plan.source)
        identity = self.identify(facts, now_ms)
        if self.opt_outs.match(identity.visitor, facts.ip):
            facts = replace(facts, mode="none")
            identity = self.identify(facts, now_ms)
        classification = facts.classification
        known = (
            remember
            and classification.traffic != "prefetch"
            and not classification.is_declared
            and facts.mode != "none"
        )
        if known and facts.signals.consent == "denied":
            self._note_withdrawal(facts, now_ms)
        identity_facts = self._visit_identity(campaign, identity, now_ms, remember=known)
        visit = facts.visit(replace(identity_facts, **_NOT_UNIQUE) if classification.is_declared else identity_facts)
        click, destination = self._decide(plan, visit, trace)
        if known and click.lander is not None:
            self._note_at_lander(click)
        if remember and classification.is_declared and facts.mode != "none":
            self.pending_crawler_checks.add(click)
        cookie = None if identity.secret is None else self.pseudonyms.cookie(identity, click.click_id)
        return Arrival(plan=plan, click=click, destination=destination, secure=facts.secure, cookie=cookie)

    def arrive_unreadable(self, plan: Plan, now_ms: int) -> Arrival:
        """Decide a visit whose request could not be read, by a fault of ours: the visitor is still redirected."""
        click, destination = self._decide(plan, Visit(visited_at_ms=now_ms, reasons=("unread",)), None)
        return Arrival(plan=plan, click=click, destination=destination)

    def _decide(self, plan: Plan, visit: Visit, trace: Trace | None) -> tuple[Click, str | None]:
        full = self.caps.full(visit.visited_at_ms)
        decision = plan.decide(visit, capped=full, trace=trace)
        click = self.click(plan, visit, decision, full)
        if decision.template is None or click.action == "status":  # a prefetch has a template and is not redirected
            return click, None
        return click, plan.fill(decision.template, click)

    def _visit_identity(self, campaign: Campaign, identity: Identity, now_ms: int, *, remember: bool) -> VisitIdentity:
        """Whether this visit is unique, a duplicate or after a conversion, and the number of visits before it."""
        now_s, window_s = now_ms // 1000, campaign.uniqueness_hours * 3600
        seen, visitor = self.seen, identity.visitor
        here, anywhere = seen_key(visitor, campaign.id), seen_key(visitor)
        before = seen.visits(here, now_s, window_s)
        before_anywhere = seen.visits(anywhere, now_s, window_s)
        duplicate = remember and self.duplicates.is_duplicate(visitor, campaign.id, now_ms)
        if remember:
            seen.record(here, now_s, (before or 0) + 1)
            seen.record(anywhere, now_s, (before_anywhere or 0) + 1)
        return VisitIdentity(
            visitor=visitor,
            browser_id=identity.browser_id,
            visit_number=before or 0,
            unique_campaign=before is None,
            unique_workspace=before_anywhere is None,
            duplicate=duplicate,
            converted=seen.visits(seen_key(visitor, campaign.id, "converted"), now_s, window_s) is not None,
        )

    def _note_withdrawal(self, facts: RequestFacts, now_ms: int) -> None:
        """Queue a search for earlier visits with consent, where there may be some."""
        cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
        known = None if cookie is None else self.pseudonyms.read_cookie(cookie)
        today, *before = self.recent_pseudonyms(facts, now_ms)
        visitors = [each for each in before if self._is_new_withdrawal(each, None)]
        if self._is_new_withdrawal(today, now_ms // 1000):
            visitors.append(today)
        if known is not None or visitors:
            browser, last = (None, None) if known is None else (known.browser_id, known.last_click)
            self.pending_withdrawals.add(
                PendingWithdrawal(at_ms=now_ms, browser_id=browser, last_click=last, visitors=tuple(visitors))
            )

    def _is_new_withdrawal(self, visitor: str, now_s: int | None) -> bool:
        """Whether there was a visit since consent was last denied.

        `now_s` is the time of the present visit; None for a pseudonym of yesterday.
        """
        last_s, denied = self.seen.last_s(seen_key(visitor)), _denied_key(visitor)
        denied_s = self.seen.last_s(denied)
        if (at_s := last_s if now_s is None else now_s) is not None:
            self.seen.record(denied, at_s, 1)
        return not self.history_loaded if last_s is None else last_s != denied_s

    def click(self, plan: Plan, visit: Visit, decision: Decision, full: frozenset[OfferId]) -> Click:
        campaign = plan.campaign
        cost_micros, currency = cost_of(campaign, visit)
        prefetch = visit.traffic == "prefetch"
        is_unreadable = (
            cost_micros is None and not prefetch and visit.cost_param is not None and campaign.cost.model == "auto"
        )
        return Click(
            click_id=self.world.new_click_id(visit.visited_at_ms),
            clicked_at_ms=visit.visited_at_ms,
            workspace=self.workspace,
            campaign=campaign.id,
            source=campaign.source,
            flow=decision.flow,
            lander=decision.lander,
            offer=decision.offer,
            network=decision.network,
            action="status" if prefetch else decision.action,
            status=503 if prefetch else decision.status,
            filter=decision.filter,
            stopped=decision.stopped,
            cost_micros=cost_micros,
            currency=currency,
            config_version=plan.version,
            capped=tuple(sorted(full & plan.offers)) if full else (),
            added_reasons=(*decision.reasons, COST_UNREADABLE) if is_unreadable else decision.reasons,
            witness=decision.witness,
            visit=visit,
        )

    def _note_at_lander(self, click: Click) -> None:
        self._at_landers[click.click_id] = click
        if len(self._at_landers) > _MAX_AT_LANDERS:
            del self._at_landers[next(iter(self._at_landers))]

    def click_at_lander(self, click_id: str) -> Click | None:
        """A recent click that was sent to a lander, as it is stored: for the way to the offer while the disk fails."""
        click = self._at_landers.get(click_id)
        return None if click is None else replace(click, visit=for_storage(click.visit))

    def may_have_clicked(self, visitors: Iterable[str], now_ms: int) -> tuple[str, ...]:
        """Those of the pseudonyms that were seen lately; all of them until the stored clicks are loaded."""
        now_s, window_s = now_ms // 1000, LOOK_BACK_HOURS * 3600
        return tuple(
            each
            for each in visitors
            if not self.history_loaded or self.seen.visits(seen_key(each), now_s, window_s) is not None
        )

    def remember(self, click: Click) -> None:
        """Load a stored click at the start."""
        visit, at_s = click.visit, click.clicked_at_ms // 1000
        if visit.visitor is None or visit.traffic == "prefetch" or click.imported or click.test:
            return
        denied = (_denied_key(visit.visitor),) if visit.consent == "denied" else ()
        for key in (seen_key(visit.visitor, click.campaign), seen_key(visit.visitor), *denied):
            self.seen.recall(key, at_s)

    def forget(self, visitors: Iterable[str]) -> None:
        """After an erasure: the next visit of these visitors is a first one."""
        gone = frozenset(visitors)
        self._at_landers = {
            click_id: click
            for click_id, click in self._at_landers.items()
            if click.visit.visitor is not None and click.visit.visitor not in gone
        }
        for visitor in gone:
            self.seen.forget(seen_key(visitor))
            self.seen.forget(_denied_key(visitor))
            for campaign in self.plans.by_id:
                self.seen.forget(seen_key(visitor, campaign))
                self.seen.forget(seen_key(visitor, campaign, "converted"))

    def note_conversion(self, click: Click, at_ms: int) -> None:
        """For the condition `converted`."""
        if click.visit.visitor is not None:
            self.seen.record(seen_key(click.visit.visitor, click.campaign, "converted"), at_ms // 1000, 1)


_MAX_AT_LANDERS: Final = 2_000  # at most 10 MB


def _network(ip: str) -> str:
    return ip if "/" in ip else truncate_ip(ip)


def _denied_key(visitor: str) -> int:
    """Key in `seen` of the last visit on which consent was denied."""
    return seen_key(visitor, "", "denied")


def cost_of(campaign: Campaign, visit: Visit) -> tuple[int | None, str | None]:
    """Cost in micros and currency of a visit. Prefetches cost nothing; `cpa` and `revshare` cost per conversion."""
    cost = campaign.cost
    if visit.traffic == "prefetch" or cost.model == "none":
        return None, None
    match cost.model:
        case "cpc":
            return micros(cost.amount or 0), cost.currency
        case "cpm":
            return round(micros(cost.amount or 0) / 1000), cost.currency
        case "auto":
            if visit.cost_param is None:
                return None if cost.amount is None else micros(cost.amount), cost.currency
            return _sent_cost(visit.cost_param, visit.currency_param, cost.currency)
        case _:
            return None, cost.currency


def _sent_cost(text: str, currency_text: str | None, currency: str) -> tuple[int | None, str | None]:
    """Nothing is taken from the model for a cost that cannot be read: it would be an invented figure."""
    try:
        usual = read_currency(currency_text, "currency") if currency_text else currency
        return read_cost(text, usual)
    except InvalidError:
        return None, currency
