"""`tnc retention`: how long everything is kept."""

import sys
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import InvalidError, RefusedError
from tnc.reports.query import moment_ms


@click.group()
def retention() -> None:
    """What is kept how long; change it, or let go now what has reached its term."""


@retention.command("show")
@with_json
@with_context
def show(asker: CliContext, as_json: bool) -> None:
    """Every term, and what goes next."""
    with asker.reading() as services:
        told = services.retention.show()
    if as_json:
        print_json(told)
        return
    for each in told["terms"]:
        click.echo(f"{each['name']:24} {each['days']:>5} days  {each['text']}")
    click.echo(f"\nThe oldest day goes at {told['goes_at']}." if told["goes_at"] else "\nNothing is kept yet.")
    for each in told["changes"]:
        change = f"{each['name']} {each['before']} -> {each['after']} days"
        click.echo(
            f"{each['at']}  {plain(each['by'])}: {change}; {each['days']} days with {each['clicks']} clicks went"
        )


@retention.command("set")
@click.argument("terms", nargs=-1, required=True, metavar="NAME=DAYS...")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
@with_context
def set_(asker: CliContext, terms: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Change terms of this workspace, like clicks=30; says first what goes by it."""
    wanted = dict(_term(each) for each in terms)
    if not dry_run and not yes and sys.stdin.isatty():
        _print(asker.call("retention-set", terms=wanted, dry_run=True), as_json=False)
        if not click.confirm("Change it?", err=True):
            raise RefusedError("nothing was changed.")
    _print(asker.call("retention-set", terms=wanted, dry_run=dry_run), as_json=as_json)


def _term(text: str) -> tuple[str, int]:
    name, _, days = text.partition("=")
    if not days.isdecimal():
        raise InvalidError(f"{text!r} is no term; write NAME=DAYS like clicks=30.")
    return name, int(days)


@retention.command("run")
@click.option("--as-of", metavar="TIME", help="As if it were then.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@with_json
@with_context
def run(asker: CliContext, as_of: str | None, dry_run: bool, as_json: bool) -> None:
    """Let go what has reached its term; a running server does it by itself."""
    given: dict[str, Any] = {"dry_run": dry_run}
    if as_of is not None:
        given["as_of_ms"] = moment_ms(as_of, now_ms=asker.world.now_ms(), zone=ZoneInfo("UTC"), name="as-of")
    _print(asker.call("retention-run", **given), as_json=as_json)


def _print(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for name, days in told.get("set", {}).items():
        change = "would be" if told["dry_run"] else "is"
        click.echo(f"{name.removesuffix('_days')} {change} kept {days} days (before: {told['before'][name]})")
    verb = "would go" if told["dry_run"] else "went"
    for each in told["days"]:
        click.echo(f"{each['date']}: {each['clicks']} clicks {verb}")
    for date in told["rollups"]:
        click.echo(f"{date}: sums {verb}")
    for name, count in told["expired"].items():
        click.echo(f"{count} {name} {verb}")
