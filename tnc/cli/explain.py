"""`tnc try`, `tnc explain`, `tnc reclassify`: decisions for test visitors and past clicks."""

from collections.abc import Sequence
from datetime import date as Date

import click
import msgspec

from tnc.cli.context import CliContext, plain, print_json, print_json_line, waiting, with_context, with_json
from tnc.core.errors import InvalidError
from tnc.core.fields import parse_rfc3339_ms
from tnc.core.models import CampaignId, ClickId
from tnc.rules import Step
from tnc.tracking.explain import TestVisitor, explain, try_visitor
from tnc.tracking.reclassify import Change, reclassify
from tnc.tracking.setup import make_tracker, visit_reader


@click.command("try")
@click.argument("campaign")
@click.option("--ip", help="IP address of the visitor.")
@click.option("--user-agent", help="User agent of the browser.")
@click.option("--query", default="", help="Query of the link, like 'a=1&b=2'.")
@click.option("--referrer", help="URL of the page that the visitor comes from.")
@click.option("--language", help="Accept-Language, like 'de-DE,de;q=0.9'.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Any other header; repeatable.")
@click.option("--at", "time", help="Time of the visit, like 2026-11-24T22:30Z; default: now.")
@with_json
@with_context
def try_(
    context: CliContext, /, campaign: str, headers: Sequence[str], time: str | None, as_json: bool, **visitor: str
) -> None:
    """Show what would happen to this visitor. Nothing is recorded."""
    invented = TestVisitor(
        ip=visitor["ip"],
        user_agent=visitor["user_agent"],
        query=visitor["query"],
        referrer=visitor["referrer"],
        language=visitor["language"],
        headers=dict(_header(each) for each in headers),
        visited_at_ms=None if time is None else _time_ms(time),
    )
    with context.workspace() as workspace:
        plan = workspace.plan(CampaignId(campaign))
        tried = try_visitor(workspace, make_tracker(workspace, visit_reader(workspace)), plan, invented)
    if as_json:
        print_json(tried.to_json())
        return
    _print_trace(tried.trace)
    _print_decision(tried.to_json()["decision"])


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise InvalidError(f"--header {text!r} is not a header; write 'Name: value'.")
    return name.strip(), value.strip()


def _time_ms(text: str) -> int:
    try:
        return parse_rfc3339_ms(text)
    except ValueError as error:
        raise InvalidError(f"--at {text!r} is not a time; write it like 2026-11-24T22:30Z.") from error


@click.command("explain")
@click.argument("click_ids", nargs=-1, required=True, metavar="ID...")
@with_json
@with_context
def explain_(context: CliContext, click_ids: Sequence[str], as_json: bool) -> None:
    """Show why a click went where it went, decided again from the stored data."""
    with context.workspace() as workspace:
        for click_id in click_ids:
            explained = explain(workspace, ClickId(click_id))
            if as_json:
                print_json_line(explained.to_json())
                continue
            _print_trace(explained.trace)
            _print_decision(explained.to_json()["recomputed"])
            click.echo(
                "decided again: the same" if explained.same else "decided again: DIFFERENT from what was recorded"
            )


@click.command("reclassify")
@click.argument("filter_id", metavar="FILTER")
@click.option("--from", "start", metavar="T", help="Included: a date, a time, today, 7d; default: all stored clicks.")
@click.option("--to", "end", metavar="T", help="Excluded; default: now.")
@click.option("--dry-run", is_flag=True, help="Show how many would change, and change nothing.")
@click.option("--undo", is_flag=True, help="Go back to the results recorded at the time of the click.")
@with_json
@with_context
def reclassify_(
    context: CliContext, /, filter_id: str, start: str | None, end: str | None, dry_run: bool, undo: bool, as_json: bool
) -> None:
    """Apply a filter's current conditions to past clicks: results and reports change, destinations do not."""
    if dry_run and undo:
        raise InvalidError("--dry-run and --undo cannot be used together.")

    def write(date: Date, changes: Sequence[Change]) -> None:
        context.call_silently("reclassify", date=date.isoformat(), changes=msgspec.to_builtins(changes))

    with context.workspace() as workspace, waiting("reclassify"):
        result = reclassify(workspace, filter_id, start=start, end=end, undo=undo, write=None if dry_run else write)
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(f"{result.examined} clicks examined, {result.changed} {'would change' if dry_run else 'changed'}")


def _print_trace(trace: Sequence[Step]) -> None:
    for step in trace:
        mark = {True: "+", False: "-", None: " "}[step.passed]
        indent = "    " if step.kind in ("condition", "draw", "cap") else "  "
        click.echo(f"{mark}{indent}{plain(step.text)}")


def _print_decision(decision: dict[str, object]) -> None:
    for name, value in decision.items():
        if value not in (None, []):
            click.echo(f"{name:12} {plain(', '.join(value) if isinstance(value, list) else value)}")
