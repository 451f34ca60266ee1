"""Checks of postbacks, destinations, deliveries, mail and privacy requests, for `tnc doctor` and alerts."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from tnc.core.clock import DAY_MS
from tnc.core.models import DestinationId
from tnc.store.days.inbox import UNMATCHED
from tnc.store.missed_paths import read_missed_paths
from tnc.store.requests import REMIND_DAYS
from tnc.store.workspace import Workspace
from tnc.tracking.tracker import COST_UNREADABLE

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check. `fix` says what to type or do; empty if nothing is wrong. A finding with a `subject` is
    mailed as an alert.
    """

    check: str
    state: State
    text: str
    fix: str = ""
    subject: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check=check, state="ok", text=text)


_DAYS_BEFORE: Final = 8
_HELD_SHOWN: Final = 100  # of a day
_ENOUGH_CALLS: Final = 20
_MUCH: Final = 0.1
_SHOWN: Final = 3
_CLICKS_READ: Final = 2_000


def postbacks(workspace: Workspace) -> Iterator[Finding]:
    """Warn if more postbacks than usual do not match."""
    now_ms = workspace.world.now_ms()
    lately, before = Counter[str](), Counter[str]()
    for date in workspace.histories.dates()[-_DAYS_BEFORE:]:
        with workspace.histories.day(date) as reader:
            new, all_ = Counter(reader.inbox.counts(now_ms - DAY_MS)), Counter(reader.inbox.counts())
        lately += new
        before += all_ - new
    share, usual = _unmatched(lately), _unmatched(before)
    if lately.total() >= _ENOUGH_CALLS and share > max(_MUCH, 2 * usual):
        worst = max(UNMATCHED, key=lambda outcome: lately[outcome])
        yield Finding(
            check="postbacks",
            state="warning",
            text=f"{share:.0%} of {lately.total()} postbacks since yesterday did not match (before, {usual:.0%}): "
            f"mostly {worst}.",
            fix="Type: tnc conversion inbox --unmatched",
            subject="postbacks do not match",
        )
    else:
        came = f"{lately.total()} {'postback' if lately.total() == 1 else 'postbacks'} since yesterday"
        yield ok("postbacks", f"{came}, of which {share:.0%} did not match." if lately else f"{came}.")


def held_postbacks(workspace: Workspace) -> Iterator[Finding]:
    """Postbacks of the last days that were kept and not counted."""
    held = Counter[str]()
    for date in workspace.histories.dates()[-_DAYS_BEFORE:]:
        with workspace.histories.day(date) as reader:
            refused = reader.inbox.newest(outcomes={"refused"}, limit=_HELD_SHOWN)
            held.update(row.call.note for row in refused if row.call.status == 200)
    if held:
        note, _ = held.most_common(1)[0]
        yield Finding(
            check="kept postbacks",
            state="warning",
            text=f"{held.total()} {'postback was' if held.total() == 1 else 'postbacks were'} not counted. {note}",
            fix="Type: tnc conversion inbox --unmatched",
        )


def networks(workspace: Workspace) -> Iterator[Finding]:
    """Networks whose postbacks anybody can send."""
    _, configuration = workspace.configuration()
    open_to_all = [
        each.id for each in configuration.networks.values() if not (each.key or each.allow_ips or each.archived)
    ]
    if open_to_all:
        yield Finding(
            check="networks",
            state="warning",
            text=f"Anybody who knows a click id can send a postback of {', '.join(open_to_all)}, with any payout.",
            fix="Give each network a `key` or `allow_ips`, or limit it with `max_payout` and `max_conversions`.",
        )
    else:
        yield ok("networks", "Every network has a key or a list of addresses.")


def missed_paths(workspace: Workspace) -> Iterator[Finding]:
    """Links with a mistake in them: visitors who were paid for and got a 404."""
    found = read_missed_paths(workspace.paths.missed_paths, now_ms=workspace.world.now_ms())
    if not found:
        return
    _, configuration = workspace.configuration()
    names = {each.path: each.name for each in configuration.campaigns.values()}
    worst = [
        f"/{each.path} ({each.count} {'time' if each.count == 1 else 'times'}), like "
        f"{names.get(each.campaign_path, each.campaign_path)} at /{each.campaign_path}"
        for each in found[:_SHOWN]
    ]
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    yield Finding(
        check="unknown links",
        state="warning",
        text=f"In the last seven days visitors came to paths that are no campaign's: {'; '.join(worst)}{more}.",
        fix="Correct the links in your ads.",
    )


def unreadable_costs(workspace: Workspace) -> Iterator[Finding]:
    """Clicks whose cost parameter had something that is no amount: their cost is unknown."""
    _, configuration = workspace.configuration()
    since_ms = workspace.world.now_ms() - DAY_MS
    found: dict[tuple[str, str], tuple[int, str]] = {}  # campaign and parameter -> clicks and the newest value
    for click in islice(workspace.histories.newest_clicks(since_ms=since_ms), _CLICKS_READ):
        source = configuration.sources.get(click.source) if click.source else None
        if COST_UNREADABLE in (click.added_reasons or ()) and source is not None and source.cost:
            count, value = found.get((click.campaign, source.cost), (0, click.visit.params.get(source.cost, "")))
            found[click.campaign, source.cost] = (count + 1, value)
    for (campaign, parameter), (count, value) in sorted(found.items()):
        clicks = "1 click" if count == 1 else f"{count} clicks"
        yield Finding(
            check="costs",
            state="warning",
            text=f"The cost of {clicks} of campaign {campaign} since yesterday is unknown: {parameter} is "
            f"{_as_amount(value)}, which is no amount.",
            fix=f"Let the source fill in {parameter} with the price of the click, like 0.05.",
        )


_AMOUNT_LIKE: Final = re.compile(
    r"[-+0-9.,eE$\u20ac\u00a3\u20b9%]{1,20}"  # digits and signs of currencies
    r"|[-+0-9.,]{1,16} ?[A-Za-z]{1,4}"  # 0.05 USD
    r"|[A-Za-z]{1,4}"  # abc, NaN, null
    r"|[{%_\[<$]+[\w.]{1,24}[}%_\]>]+"  # a macro that was not replaced
)


def _as_amount(value: str) -> str:
    """The value where it looks like an amount or a macro; anything else could be about a person."""
    if not value:
        return "empty"
    return repr(value) if _AMOUNT_LIKE.fullmatch(value) else f"a text of {len(value)} characters"


def _unmatched(counts: Counter[str]) -> float:
    return sum(counts[outcome] for outcome in UNMATCHED) / counts.total() if counts else 0.0


def destinations(workspace: Workspace) -> Iterator[Finding]:
    stopped_destinations = workspace.stopped_destinations.all_of(workspace.id).wait()
    for stop in stopped_destinations:
        yield Finding(
            check="destinations",
            state="failed",
            text=f"The destination {stop.destination} is stopped, and its conversions are queued: {stop.reason}.",
            fix=f"Fix the cause and apply it, or type: tnc destination resume {stop.destination}",
            subject=f"destination {stop.destination} is stopped",
        )
    if not stopped_destinations:
        yield ok("destinations", "No destination is stopped.")


def deliveries(workspace: Workspace) -> Iterator[Finding]:
    """Warn about deliveries that were refused or given up since yesterday."""
    since_ms = workspace.world.now_ms() - DAY_MS
    dead = Counter[DestinationId]()
    for date in workspace.histories.changed_since(since_ms):
        with workspace.histories.day(date) as reader:
            dead += reader.deliveries.dead_since(since_ms)
    for destination, count in sorted(dead.items()):
        number = "1 delivery" if count == 1 else f"{count} deliveries"
        yield Finding(
            check="deliveries",
            state="warning",
            text=f"{number} to {destination} failed for good since yesterday.",
            fix=f"Type: tnc destination log {destination}, then: tnc destination replay {destination} --dead",
            subject=f"deliveries to {destination} are dead",
        )
    if not dead:
        yield ok("deliveries", "No delivery was refused or given up since yesterday.")


def mail(workspace: Workspace) -> Iterator[Finding]:
    problems = [each.problem for each in workspace.alerts.all().wait().values() if each.problem is not None]
    if not workspace.settings.mail_host:
        yield ok("mail", "No mail is set up; alerts are shown here and in the dashboard.")
    elif problems:
        yield Finding(
            check="mail",
            state="warning",
            text=f"{len(problems)} alerts could not be mailed and are retried: {problems[-1]}",
            fix="Fix the cause, then type: tnc mail test",
        )
    else:
        yield ok("mail", "Alerts are mailed.")


def requests(workspace: Workspace) -> Iterator[Finding]:
    """Warn about privacy requests before they are due, and fail when they are overdue."""
    now_ms = workspace.world.now_ms()
    waiting = workspace.register.all_of(only_open=True).wait()
    late = [each for each in waiting if each.due_at_ms <= now_ms]
    soon = [each for each in waiting if 0 < each.due_at_ms - now_ms <= REMIND_DAYS[0] * DAY_MS]
    if late:
        yield Finding(
            check="requests",
            state="failed",
            text=f"{_privacy_requests(len(late))} overdue: {', '.join(each.request_id for each in late)}.",
            fix="Answer them now. Type: tnc privacy requests --overdue",
            subject="privacy requests are overdue",
        )
    for each in soon:
        left = each.days_left(now_ms)
        yield Finding(
            check="requests",
            state="warning",
            text=f"The privacy request {each.request_id} ({each.kind}) must be answered within {left} days.",
            fix=f"Type: tnc privacy request show {each.request_id}",
            subject=f"privacy request {each.request_id} is due in {left} days" if left in REMIND_DAYS else "",
        )
    if not late and not soon:
        yield ok("requests", f"{_privacy_requests(len(waiting))} open, and none is urgent.")


def _privacy_requests(number: int) -> str:
    return "1 privacy request is" if number == 1 else f"{number} privacy requests are"
