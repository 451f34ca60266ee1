"""A workspace while it is served: from a request to a click, with nothing but memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from tnc.core.clock import World
from tnc.core.errors import InvalidError
from tnc.core.models import Campaign, Click, OfferId, Source, Visit, WorkspaceId
from tnc.core.money import micros, read_amount, read_currency
from tnc.rules import Decision, Plan, Plans, destination_check
from tnc.rules.decision import Trace
from tnc.store.days.writer import utc_date
from tnc.store.opt_outs import OptOuts
from tnc.tracking.caps import Caps
from tnc.tracking.identity import Identity, Pseudonyms
from tnc.tracking.pending import PendingCrawlerChecks, PendingWithdrawal, PendingWithdrawals
from tnc.tracking.seen import Seen, seen_key
from tnc.visitors.rate import Duplicates
from tnc.visitors.request import Request
from tnc.visitors.visit import Identity as VisitIdentity
from tnc.visitors.visit import RequestFacts, VisitReader, for_storage

COOKIE_PLAIN: Final = "tnc"
COOKIE_SECURE: Final = "__Host-tnc"
COOKIE_DAYS: Final = 90
LOOK_BACK_HOURS: Final = 24  # so long a visitor who comes from a lander is known by the pseudonym

# A declared crawler is no person, so it is nobody's first visit.
_NOBODY_NEW: Final = {"unique_campaign": False, "unique_workspace": False}


class Arrival(NamedTuple):
    """One visit, decided and ready to be recorded and answered."""

    plan: Plan
    click: Click
    destination: str | None  # None: answered with a status
    secure: bool = False  # the visitor's own connection is encrypted
    cookie: str | None = None

    @property
    def stored(self) -> Click:
        """The click as it may be kept."""
        check = None if self.destination is None else destination_check(self.destination)
        return replace(self.click, visit=for_storage(self.click.visit), destination_check=check)


@dataclass(slots=True, kw_only=True)
class Tracker:
    """What a workspace needs to answer visitors. `plans` is swapped as a whole, in one assignment."""

    workspace: WorkspaceId
    world: World
    reader: VisitReader  # counts each request towards its address's minute
    looker: VisitReader  # reads alike and counts nothing: for whatever is no visit
    plans: Plans
    pseudonyms: Pseudonyms
    caps: Caps = field(default_factory=Caps)
    seen: Seen = field(default_factory=Seen)
    duplicates: Duplicates = field(default_factory=Duplicates)
    pending_crawler_checks: PendingCrawlerChecks = field(default_factory=PendingCrawlerChecks)
    pending_withdrawals: PendingWithdrawals = field(default_factory=PendingWithdrawals)
    opt_outs: OptOuts = field(default_factory=OptOuts)
    knows_the_past: bool = False
    _salts: dict[Date, bytes] = field(default_factory=dict)

    # -- settings

    def take_salts(self, salts: Mapping[str, bytes]) -> None:
        self._salts = {Date.fromisoformat(day): salt for day, salt in salts.items()}

    def take_plans(self, plans: Plans) -> set[OfferId]:
        """Serve a new configuration from the next visit on; returns the offers whose conversions must be counted."""
        anew = self.caps.configure(plans.configuration.offers)
        hours = [campaign.uniqueness_hours for campaign in plans.configuration.campaigns.values()]
        self.seen.window_s = max([LOOK_BACK_HOURS, *hours]) * 3600
        self.plans = plans
        return anew

    def source_of(self, campaign: Campaign) -> Source | None:
        return None if campaign.source is None else self.plans.configuration.sources.get(campaign.source)

    # -- who

    def salt(self, date: Date) -> bytes:
        """The salt of a day. A clock that jumps gets one from memory, which is as good and is never written."""
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
        """Today's and yesterday's pseudonym of a visitor without a cookie."""
        today = utc_date(time_ms)
        salts = [self.salt(today), *(self._salts[day] for day in (today - timedelta(days=1),) if day in self._salts)]
        return tuple(self.pseudonyms.salted(salt, facts.ip, facts.user_agent) for salt in salts)

    def is_own_visit(self, facts: RequestFacts, visit: Visit, time_ms: int) -> bool:
        """Whether a request comes from the browser that made `visit`: same cookie, or a pseudonym of two days."""
        cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
        known = None if cookie is None else self.pseudonyms.known(cookie)
        if known is not None and known.browser_id == visit.browser_id:
            return True
        return visit.visitor in self.recent_pseudonyms(facts, time_ms)

    # -- the visit

    def arrive(self, plan: Plan, request: Request, *, remember: bool = True, trace: Trace | None = None) -> Arrival:
        """Decide a visit. `remember` = False leaves no trace in memory either (a HEAD request, or a try)."""
        now_ms = request.arrived_at_ms
        campaign = plan.campaign
        reader = self.reader if remember else self.looker
        facts = reader.facts(request, self.source_of(campaign))
        identity = self.identify(facts, now_ms)
        if self.opt_outs.include(identity.visitor, facts.ip):
            facts = replace(facts, mode="none")
            identity = self.identify(facts, now_ms)
        verdict = facts.classification
        known = remember and verdict.traffic != "prefetch" and not verdict.is_declared and facts.mode != "none"
        if known and facts.signals.consent == "denied":
            self._note_denial(facts, now_ms)
        who = self._known(campaign, identity, now_ms, remember=known)
        visit = facts.visit(replace(who, **_NOBODY_NEW) if verdict.is_declared else who)
        click, destination = self._decide(plan, visit, trace)
        if remember and verdict.is_declared and facts.mode != "none":
            self.pending_crawler_checks.note(click)
        cookie = None if identity.secret is None else self.pseudonyms.cookie(identity, click.click_id)
        return Arrival(plan=plan, click=click, destination=destination, secure=facts.secure, cookie=cookie)

    def arrive_unread(self, plan: Plan, now_ms: int) -> Arrival:
        """Decide a visit of which nothing could be read: whatever is wrong with us, the visitor goes somewhere."""
        click, destination = self._decide(plan, Visit(visited_at_ms=now_ms, reasons=("unread",)), None)
        return Arrival(plan=plan, click=click, destination=destination)

    def _decide(self, plan: Plan, visit: Visit, trace: Trace | None) -> tuple[Click, str | None]:
        full = self.caps.full(visit.visited_at_ms)
        decision = plan.decide(visit, capped=full, trace=trace)
        click = self.click(plan, visit, decision, full)
        if decision.template is None or click.action == "status":  # a prefetch has a template, and goes nowhere
            return click, None
        return click, plan.fill(decision.template, click)

    def _known(self, campaign: Campaign, identity: Identity, now_ms: int, *, remember: bool) -> VisitIdentity:
        """What memory says of the visitor: is this visit unique, and how many came before it."""
        now_s, window_s = now_ms // 1000, campaign.uniqueness_hours * 3600
        seen, visitor = self.seen, identity.visitor
        here, anywhere = seen_key(visitor, campaign.id), seen_key(visitor)
        before = seen.look(here, now_s, window_s)
        before_anywhere = seen.look(anywhere, now_s, window_s)
        twice = remember and self.duplicates.is_duplicate(visitor, campaign.id, now_ms)
        if remember:
            seen.mark(here, now_s, (before or 0) + 1)
            seen.mark(anywhere, now_s, (before_anywhere or 0) + 1)
        return VisitIdentity(
            visitor=visitor,
            browser_id=identity.browser_id,
            visit_number=before or 0,
            unique_campaign=before is None,
            unique_workspace=before_anywhere is None,
            duplicate=twice,
            converted=seen.look(seen_key(visitor, campaign.id, "converted"), now_s, window_s) is not None,
        )

    def _note_denial(self, facts: RequestFacts, now_ms: int) -> None:
        """Where there may be earlier visits that were not denied, they are looked for behind the answer."""
        cookie = facts.cookies.get(COOKIE_SECURE) or facts.cookies.get(COOKIE_PLAIN)
        known = None if cookie is None else self.pseudonyms.known(cookie)
        today, *before = self.recent_pseudonyms(facts, now_ms)
        visitors = [each for each in before if self._denies_anew(each, None)]
        if self._denies_anew(today, now_ms // 1000):
            visitors.append(today)
        if known is not None or visitors:
            browser, last = (None, None) if known is None else (known.browser_id, known.last_click)
            self.pending_withdrawals.note(
                PendingWithdrawal(at_ms=now_ms, browser_id=browser, last_click=last, visitors=tuple(visitors))
            )

    def _denies_anew(self, visitor: str, now_s: int | None) -> bool:
        """Whether there was a visit since the last one that was denied; this is one, unless `now_s` is None."""
        last_s, denied = self.seen.last_s(seen_key(visitor)), _denied_key(visitor)
        denied_s = self.seen.last_s(denied)
        if (at_s := last_s if now_s is None else now_s) is not None:
            self.seen.mark(denied, at_s, 1)
        return not self.knows_the_past if last_s is None else last_s != denied_s

    def click(self, plan: Plan, visit: Visit, decision: Decision, full: frozenset[OfferId]) -> Click:
        campaign = plan.campaign
        cost_micros, currency = cost_of(campaign, visit)
        prefetch = visit.traffic == "prefetch"
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
            config_version=self.plans.version,
            capped=tuple(sorted(full & plan.offers)) if full else (),
            added_reasons=decision.reasons,
            witness=decision.witness,
            visit=visit,
        )

    def may_have_clicked(self, visitors: Iterable[str], now_ms: int) -> tuple[str, ...]:
        """Those of the pseudonyms that are worth a search; all of them until the past has been taken up."""
        now_s, window_s = now_ms // 1000, LOOK_BACK_HOURS * 3600
        return tuple(
            each
            for each in visitors
            if not self.knows_the_past or self.seen.look(seen_key(each), now_s, window_s) is not None
        )

    def remember(self, click: Click) -> None:
        """Take up a click of the past at a start."""
        visit, at_s = click.visit, click.clicked_at_ms // 1000
        if visit.visitor is None or visit.traffic == "prefetch" or click.imported or click.test:
            return
        denied = (_denied_key(visit.visitor),) if visit.consent == "denied" else ()
        for key in (seen_key(visit.visitor, click.campaign), seen_key(visit.visitor), *denied):
            self.seen.recall(key, at_s)

    def forget(self, visitors: Iterable[str]) -> None:
        """Whoever was erased is new here when he comes again."""
        for visitor in visitors:
            self.seen.forget(seen_key(visitor))
            self.seen.forget(_denied_key(visitor))
            for campaign in self.plans.by_id:
                self.seen.forget(seen_key(visitor, campaign))
                self.seen.forget(seen_key(visitor, campaign, "converted"))

    def note_conversion(self, click: Click, at_ms: int) -> None:
        """A visitor who bought is known to have, for the condition `converted`."""
        if click.visit.visitor is not None:
            self.seen.mark(seen_key(click.visit.visitor, click.campaign, "converted"), at_ms // 1000, 1)


def _denied_key(visitor: str) -> int:
    """Of the last visit on which consent was denied."""
    return seen_key(visitor, "", "denied")


def cost_of(campaign: Campaign, visit: Visit) -> tuple[int | None, str | None]:
    """What a visit costs in micros, and the currency. Prefetches cost nothing; `cpa` and `revshare` cost later."""
    cost = campaign.cost
    if visit.traffic == "prefetch" or cost.model == "none":
        return None, None
    match cost.model:
        case "cpc":
            return micros(cost.amount or 0), cost.currency
        case "cpm":
            return round(micros(cost.amount or 0) / 1000), cost.currency
        case "auto":
            sent = _sent_cost(visit, cost.currency)
            return (micros(cost.amount), cost.currency) if sent[0] is None and cost.amount is not None else sent
        case _:
            return None, cost.currency


def _sent_cost(visit: Visit, currency: str) -> tuple[int | None, str | None]:
    if visit.cost_param is None:
        return None, currency
    try:
        amount = read_amount(visit.cost_param, "cost")
        return amount, read_currency(visit.currency_param, "currency") if visit.currency_param else currency
    except InvalidError:
        return None, currency
