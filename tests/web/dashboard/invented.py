"""An appliance made of model objects: invented traffic, canned reasons, and reports counted from the clicks."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.web.dashboard.configured import CONFIGURATION
from tests.web.dashboard.invented_mail import InventedMail, invent_mail
from tests.web.dashboard.invented_people import InventedPeople
from tnc.core import fields
from tnc.core.clock import DAY_MS, HOUR_MS, new_id
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import (
    MAIN,
    CampaignId,
    Click,
    ClickHistory,
    ClickId,
    Configuration,
    Conversion,
    ConversionChange,
    ConversionId,
    FilterId,
    FlowId,
    LanderId,
    NetworkId,
    OfferId,
    SourceId,
    Visit,
    WorkspaceId,
)
from tnc.reports.query import ReportQuery
from tnc.rules.decision import Step
from tnc.web.dashboard.ports import (
    About,
    AddressData,
    Answer,
    Attribution,
    ClickQuestion,
    Explanation,
    TryRequest,
    TryResult,
)

NOW_MS = 1_795_442_706_123  # 2026-11-23T14:05:06.123Z

DB_IP = Attribution(text="IP Geolocation by DB-IP", url="https://db-ip.com")

_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Safari/604.1"
_PEOPLE: Sequence[Mapping[str, Any]] = (
    {"country": "US", "region": "Oregon", "city": "Portland", "ip": "198.51.100.23", "asn": 64496,
     "isp": "Invented Mobile", "connection": "cellular", "user_agent": _IPHONE, "device": "mobile", "brand": "Apple",
     "model": "iPhone", "os": "iOS", "os_version": "18.6", "browser": "Safari", "browser_version": "26.0",
     "language": "en"},
    {"country": "CA", "ip": "203.0.113.9", "device": "mobile", "os": "Android", "browser": "Chrome", "language": "fr"},
    {"country": "DE", "ip": "192.0.2.0", "device": "desktop", "os": "Windows", "browser": "Firefox", "language": "de"},
    {"country": "GB", "device": "tablet", "os": "iPadOS", "browser": "Safari", "language": "en"},
    {"device": "desktop", "os": "Linux", "browser": "Chrome", "language": "en"},
    {"country": "US", "device": "other", "traffic": "bot", "bot": "curl", "datacenter": True,
     "reasons": ("ua.tool", "net.datacenter")},
)  # fmt: skip
TRACE = (
    Step(kind="condition", text="traffic is bot: no, it is human", passed=False, fact="traffic", value="human"),
    Step(kind="condition", text="datacenter is true: no, it is unknown", passed=False, fact="datacenter"),
    Step(kind="filter", text="filter standard lets pass", id="standard", passed=True),
    Step(kind="condition", text="country is US or CA: yes, it is US", passed=True, fact="country", value="US"),
    Step(kind="condition", text="device is mobile: yes, it is mobile", passed=True, fact="device", value="mobile"),
    Step(kind="draw", text="lander quiz, the only one", id="quiz"),
    Step(kind="draw", text="offer shoes, out of shoes 70%, boots 30%; stays with the visitor", id="shoes"),
    Step(kind="flow", text="flow us-mobile matches", id="us-mobile", passed=True),
    Step(kind="end", text="to the lander quiz, and from there to the offer shoes"),
)


def an_id(time_ms: int, number: int) -> str:
    return new_id(time_ms, number.to_bytes(8, "big"))


def invent_conversion(time_ms: int, number: int, *, now_ms: int) -> Conversion:
    first = ConversionChange(
        conversion_id=ConversionId(an_id(time_ms, number)),
        at_ms=time_ms,
        status="lead",
        status_word="pending",
        payout_micros=12_500_000,
        currency="USD",
        txid=f"t-{number}",
    )
    second = ConversionChange(
        conversion_id=first.conversion_id,
        at_ms=min(time_ms + 5_400_000, now_ms),
        status="sale",
        status_word="approved",
        payout_micros=12_500_000,
        currency="USD",
        txid=f"t-{number}",
    )
    return Conversion(
        conversion_id=first.conversion_id,
        converted_at_ms=time_ms,
        status="sale",
        event=None,
        payout_micros=12_500_000,
        currency="USD",
        txid=first.txid,
        network=NetworkId("good-network"),
        cost_micros=None,
        cost_currency=None,
        history=(first, second),
    )


def invent_story(time_ms: int, number: int, *, now_ms: int = NOW_MS) -> ClickHistory:
    """One visit like any other; the same number makes the same one."""
    chance = Random(number)
    person = chance.choices(_PEOPLE, (40, 14, 12, 10, 8, 12))[0]
    stopped = person.get("traffic") == "bot"
    mobile = person.get("device") == "mobile"
    campaign = chance.choices(("summer", "autumn"), (3, 1))[0]
    quiz = campaign == "summer" and mobile and not stopped
    offer = "shoes" if quiz else "boots"
    source = "native-ads" if campaign == "summer" else "newsletter"
    visit = Visit(
        visited_at_ms=time_ms,
        domain="go.example",
        referrer="https://news.example/today?edition=7",
        referrer_domain="news.example",
        external_id=f"ext-{number}",
        subs={"sub1": f"site-{chance.randrange(5)}", "sub2": f"creative-{chance.randrange(3)}"},
        params={"ext": f"ext-{number}", "site": "site-1", "utm_source": "native"},
        visitor=f"{chance.getrandbits(128):032x}",
        unique_campaign=chance.random() < 0.8,
        **person,
    )
    click = Click(
        click_id=ClickId(an_id(time_ms, number)),
        clicked_at_ms=time_ms,
        campaign=CampaignId(campaign),
        source=SourceId(source),
        flow=None if stopped else FlowId("us-mobile" if quiz else "rest"),
        lander=LanderId("quiz") if quiz else None,
        offer=None if stopped else OfferId(offer),
        network=None if stopped else NetworkId("good-network"),
        action="status" if stopped else "redirect",
        status=404 if stopped else None,
        filter=FilterId("standard") if stopped else None,
        stopped=stopped,
        added_reasons=("filter_traffic", "filter_datacenter") if stopped else (),
        cost_micros=20_000 if campaign == "summer" else None,
        currency="USD",
        config_version=3,
        visit=visit,
    )
    converts = not stopped and chance.random() < 0.03
    return ClickHistory(
        click=click,
        lander_clicked_at_ms=time_ms + 40_000 if quiz and (converts or chance.random() < 0.4) else None,
        found_by="cid" if quiz else None,
        conversions=(invent_conversion(time_ms + 600_000, number, now_ms=now_ms),) if converts else (),
        offer=click.offer,
        network=click.network,
    )


def invent_week(*, now_ms: int = NOW_MS, busy: int = 1) -> list[ClickHistory]:
    """Eight days that breathe, newest first. `busy` multiplies the visits."""
    histories, number = [], 0
    for hour in range(8 * 24):
        start_ms = now_ms - hour * HOUR_MS
        of_day = start_ms // HOUR_MS % 24
        count = busy * round(9 + 8 * math.sin((of_day - 9) / 24 * 2 * math.pi) + Random(hour).randrange(6))
        for each in range(count):
            number += 1
            histories.append(invent_story(start_ms - each * (HOUR_MS // count) - 41_000, number, now_ms=now_ms))
    return sorted(histories, key=lambda history: -history.click.clicked_at_ms)


@dataclass
class InventedAppliance:
    """What the dashboard asks, answered from memory."""

    told: list[ClickHistory] = field(default_factory=list)
    config: Configuration = CONFIGURATION
    wrong: tuple[str, ...] = ()
    trace: Sequence[Step] = TRACE
    differs: bool = False
    tried: list[TryRequest] = field(default_factory=list)
    workspace: WorkspaceId = MAIN
    tracking_base: str = "http://127.0.0.1:8080"
    now_ms: int = NOW_MS
    notes: tuple[str, ...] = ()
    mail: InventedMail = field(default_factory=lambda: invent_mail(NOW_MS))
    people: InventedPeople = field(default_factory=InventedPeople)

    def configuration(self) -> tuple[int, Configuration]:
        return 3, self.config

    def history(self, click_id: ClickId) -> ClickHistory:
        for history in self.told:
            if history.click.click_id == click_id:
                return history
        raise NotFoundError("There is no click of this id. Look for it under Clicks.")

    def histories(self, question: ClickQuestion) -> Sequence[ClickHistory]:
        found = [
            history
            for history in sorted(self.told, key=_place, reverse=True)
            if question.campaign in (None, history.click.campaign)
            and question.traffic in (None, history.click.visit.traffic)
            and (question.before is None or _place(history) < question.before)
        ]
        return found[: question.limit]

    def destination(self, click: Click) -> str | None:
        return None if click.stopped else f"https://land.example/quiz?k={click.click_id}"

    def explain(self, click_id: ClickId) -> Explanation:
        click = self.history(click_id).click
        destination = self.destination(click)
        if self.differs:
            return Explanation(
                recomputed=Click(
                    click_id=click_id,
                    clicked_at_ms=0,
                    campaign=click.campaign,
                    offer=OfferId("boots"),
                    visit=click.visit,
                ),
                destination=destination,
                same=False,
                trace=self.trace,
            )
        return Explanation(recomputed=click, destination=destination, same=True, trace=self.trace)

    def try_visitor(self, request: TryRequest) -> TryResult:
        if request.campaign not in self.config.campaigns:
            raise NotFoundError("There is no campaign of this id. All there are stand under Campaigns.")
        self.tried.append(request)
        history = next((each for each in self.told if each.click.lander and each.click.offer == "shoes"), None)
        click = (history or invent_story(self.now_ms, 1)).click
        return TryResult(click=click, destination=f"https://land.example/quiz?k={click.click_id}", trace=self.trace)

    async def report(self, question: ReportQuery) -> Answer:
        start_ms, end_ms = self._time(question.start or "7d"), self._time(question.end or "now")
        try:
            zone = ZoneInfo(question.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise InvalidError(f"there is no time zone {question.timezone!r}; write one like Europe/Berlin") from error
        readers = [_reader(name, zone) for name in question.by]
        groups: defaultdict[tuple[Any, ...], list[ClickHistory]] = defaultdict(list)
        conditions = [_condition(where) for where in question.where]
        counted = [
            history
            for history in self.told
            if start_ms <= history.click.clicked_at_ms < end_ms and all(each(history.click) for each in conditions)
        ]
        for history in counted:
            groups[tuple(read(history.click) for read in readers)].append(history)
        rows = [dict(zip(question.by, names, strict=True)) | _metrics(histories) for names, histories in groups.items()]
        sort = question.sort or "visits"
        rows.sort(key=lambda row: str(row[sort]) if sort in question.by else -(row.get(sort) or 0))
        return Answer(
            currency="USD",
            timezone=question.timezone,
            by=list(question.by),
            rows=rows[: question.limit],
            totals=_metrics(counted),
            notes=list(self.notes),
        )

    async def report_csv(self, question: ReportQuery) -> str:
        answer, sheet = await self.report(question), io.StringIO()
        lines = csv.DictWriter(sheet, [*question.by, *answer["totals"]])
        lines.writeheader()
        lines.writerows(answer["rows"])
        return sheet.getvalue()

    def problems(self) -> Sequence[str]:
        return self.wrong

    def about(self) -> About:
        return About(
            version="0.1.0",
            directories={"Data": "/var/lib/tnc", "Key file": "/etc/tnc/key"},
            keys="The keyring opens; day keys exist for 91 days.",
            address_data=(
                AddressData(
                    name="dbip-country-2026-06.mmdb",
                    kind="country",
                    built="2026-06-01",
                    licence="CC BY 4.0",
                    attribution=DB_IP,
                ),
            ),
        )

    def attributions(self) -> Sequence[Attribution]:
        return (DB_IP,)

    def _time(self, text: str) -> int:
        midnight_ms = self.now_ms // DAY_MS * DAY_MS
        words = {
            "now": self.now_ms + 1000,
            "today": midnight_ms,
            "yesterday": midnight_ms - DAY_MS,
            "24h": self.now_ms - DAY_MS,
            "7d": midnight_ms - 7 * DAY_MS,
            "30d": midnight_ms - 30 * DAY_MS,
            "this-month": midnight_ms - 22 * DAY_MS,
        }
        try:
            return words.get(text) or fields.parse_rfc3339_ms(text)
        except ValueError as error:
            raise InvalidError(f"{text!r} is no time; write a date like 2026-11-23") from error


def _place(history: ClickHistory) -> tuple[int, ClickId]:
    return history.click.clicked_at_ms, history.click.click_id


_TIMES = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "weekday": "%a"}


def _condition(where: str) -> Callable[[Click], bool]:
    """`campaign=summer` and `filter!=unknown`"""
    name, _, value = where.partition("=")
    read = fields.FIELDS[name.removesuffix("!")].read
    return lambda click: (str(read(click) or "unknown") == value) is not name.endswith("!")


def _reader(name: str, zone: ZoneInfo) -> Callable[[Click], Any]:
    if name in _TIMES:
        return lambda click: (
            f"{datetime.fromtimestamp(click.clicked_at_ms / 1000, UTC).astimezone(zone):{_TIMES[name]}}"
        )
    if name == "hour_of_day":
        return lambda click: datetime.fromtimestamp(click.clicked_at_ms / 1000, UTC).astimezone(zone).hour
    if name not in fields.FIELDS:
        raise InvalidError(f"{name!r} is nothing to group by; choose a dimension like country")
    read = fields.FIELDS[name].read
    return (lambda click: ",".join(read(click)) or None) if name == "reasons" else read


def _metrics(histories: Sequence[ClickHistory]) -> dict[str, Any]:
    visits = len(histories)
    valid = sum(history.click.visit.traffic == "human" and not history.click.stopped for history in histories)
    conversions = sum(len(history.conversions) for history in histories)
    revenue = sum(each.payout_micros or 0 for history in histories for each in history.conversions) / 1e6
    cost = sum(history.click.cost_micros or 0 for history in histories) / 1e6
    return {
        "visits": visits,
        "valid": valid,
        "unique_visits": sum(bool(history.click.visit.unique_campaign) for history in histories),
        "lander_clicks": sum(history.lander_clicked_at_ms is not None for history in histories),
        "conversions": conversions,
        "cr": conversions / valid if valid else None,
        "revenue": revenue,
        "cost": cost,
        "profit": revenue - cost,
        "roi": (revenue - cost) / cost if cost else None,
        "epv": revenue / valid if valid else None,
    }
