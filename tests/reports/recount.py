"""Count a report again in plain Python, from clicks and events, by the definitions in docs/reports.md."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from tests.reports.invented_days import Day
from tnc.core.conversions import fold
from tnc.core.fields import FIELDS
from tnc.core.models import Click, ConversionChange, LanderClick
from tnc.core.zones import find_zone
from tnc.reports.query import ResolvedQuery
from tnc.store.days.history import relabelled

Sums = dict[str, int]


def label(name: str, click: Click, at_ms: int, zone: tzinfo, own: Mapping[str, Any]) -> Any:
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    match name:
        case "hour":
            return local.strftime("%Y-%m-%dT%H:00")
        case "day":
            return local.strftime("%Y-%m-%d")
        case "week":
            return local.strftime("%G-W%V")
        case "month":
            return local.strftime("%Y-%m")
        case "weekday":
            return local.strftime("%a").lower()
        case "hour_of_day":
            return local.hour
        case _ if name in own:
            return own[name]
        case _:
            value = FIELDS[name].read(click)
            return ",".join(value) if isinstance(value, tuple) else value


def _in_period(query: ResolvedQuery, at_ms: int) -> bool:
    return query.start_ms <= at_ms < query.end_ms


def recount(query: ResolvedQuery, days: Iterable[Day], rates: Mapping[str, float]) -> dict[tuple[Any, ...], Sums]:
    """Group -> sums; money in micros of the query's currency. Ignores filters."""
    zone = find_zone(query.timezone)
    groups: dict[tuple[Any, ...], dict[tuple[str, str | None], int]] = defaultdict(lambda: defaultdict(int))
    for day in days:
        events: dict[int, list[Any]] = defaultdict(list)
        for _, seq, event in day.numbered_events:
            events[seq].append(event)
        for seq, click in day.numbered_clicks:
            if not click.test:
                _count_click(query, relabelled(click, events[seq]), events[seq], zone, groups)
    return {group: _in_one_currency(sums, query.currency, rates) for group, sums in groups.items()}


def _count_click(query: ResolvedQuery, click: Click, events: list[Any], zone: tzinfo, groups: Any) -> None:
    landers = [each for each in events if isinstance(each, LanderClick)]
    invalid = click.visit.traffic != "human" or click.stopped
    if click.visit.traffic != "prefetch" and _in_period(query, click.clicked_at_ms):
        sums = groups[tuple(label(name, click, click.clicked_at_ms, zone, {}) for name in query.by)]
        sums["visits", None] += 1
        sums["invalid", None] += invalid
        sums["unique_visits", None] += click.visit.unique_campaign is True
        sums["lander_views", None] += not invalid and click.lander is not None
        sums["lander_clicks", None] += not invalid and click.lander is not None and bool(landers)
        sums["cost", click.currency] += click.cost_micros or 0
    for each in fold(it for it in events if isinstance(it, ConversionChange) and it.origin != "test"):
        at_ms = each.converted_at_ms if query.time == "conversion" else click.clicked_at_ms
        if not _in_period(query, at_ms):
            continue
        own = {
            "offer": (landers[-1].offer if landers else None) or click.offer,
            "network": (landers[-1].network if landers else None) or click.network or each.network,
        }
        sums = groups[tuple(label(name, click, at_ms, zone, own) for name in query.by)]
        sums["conversions", None] += each.status in ("lead", "sale")
        sums["unmapped", None] += each.status is None
        sums["leads", None] += each.status == "lead"
        sums["sales", None] += each.status == "sale"
        sums["rejected", None] += each.status == "rejected"
        sums["revenue", each.currency] += (each.payout_micros or 0) if each.status == "sale" else 0
        sums["pending_revenue", each.currency] += (each.payout_micros or 0) if each.status == "lead" else 0
        sums["cost", each.cost_currency] += (each.cost_micros or 0) if each.status in ("lead", "sale") else 0


def _in_one_currency(
    sums: Mapping[tuple[str, str | None], int], target: str | None, rates: Mapping[str, float]
) -> Sums:
    added: Sums = defaultdict(int)
    for (name, currency), amount in sums.items():
        if currency not in (None, target) and target is not None and not {currency, target} <= {*rates, None}:
            added[f"{name} {currency}"] += amount  # without a rate: beside the metric
            continue
        foreign = currency not in (None, target) and target is not None
        added[name] += round(amount * (rates[str(currency)] / rates[str(target)])) if foreign else amount
    return added


def metrics(sums: Mapping[str, int]) -> dict[str, float | None]:
    """Every metric in docs/reports.md; money in micros, prices in whole units."""

    def over(above: float, below: float) -> float | None:
        return above / below if below else None

    got: Any = defaultdict(int, sums)
    valid, profit = got["visits"] - got["invalid"], got["revenue"] - got["cost"]
    return {
        **{
            name: got[name]
            for name in (
                *("visits", "invalid", "unique_visits", "lander_views", "lander_clicks", "conversions"),
                *("leads", "sales", "rejected", "unmapped", "revenue", "pending_revenue", "cost"),
            )
        },
        "valid": valid,
        "lander_ctr": over(got["lander_clicks"], got["lander_views"]),
        "profit": profit,
        "roi": over(profit, got["cost"]),
        "cr": over(got["conversions"], valid),
        "epv": over(got["revenue"] / 1e6, valid),
        "epc": over(got["revenue"] / 1e6, got["lander_clicks"]),
        "cpv": over(got["cost"] / 1e6, got["visits"]),
        "cpa": over(got["cost"] / 1e6, got["conversions"]),
        "payout": over(got["revenue"] / 1e6, got["sales"]),
    }
