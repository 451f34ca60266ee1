"""`tnc retention`: how long everything is kept."""

import sys
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click

from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import InvalidError, RefusedError
from tnc.reports.query import moment_ms


@click.group()
def retention() -> None:
    """How long everything is kept; change it, or delete now what is past its retention time."""


@retention.command("show")
@with_json
@with_context
def show(context: CliContext, as_json: bool) -> None:
    """Show the retention times, what is deleted next, and the log of changes."""
    with context.reading() as services:
        result = services.retention.show()
    if as_json:
        print_json(result)
        return
    for each in result["terms"]:
        click.echo(f"{each['name']:24} {each['days']:>5} days  {each['text']}")
    click.echo(
        f"\nThe oldest day is deleted at {result['goes_at']}." if result["goes_at"] else "\nNo clicks are stored yet."
    )
    for each in result["changes"]:
        change = f"{each['name']} {each['before']} -> {each['after']} days"
        click.echo(
            f"{each['at']}  {plain(each['by'])}: {change}; {each['days']} days with {each['clicks']} clicks deleted"
        )


@retention.command("set")
@click.argument("terms", nargs=-1, required=True, metavar="NAME=DAYS...")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
@with_context
def set_(context: CliContext, terms: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Change retention times of this workspace, like clicks=30; first shows what would be deleted."""
    wanted = dict(_term(each) for each in terms)
    if not dry_run and not yes and sys.stdin.isatty():
        _print(context.call("retention-set", terms=wanted, dry_run=True), as_json=False)
        if not click.confirm("Change it?", err=True):
            raise RefusedError("nothing was changed.")
    _print(context.call("retention-set", terms=wanted, dry_run=dry_run), as_json=as_json)


def _term(text: str) -> tuple[str, int]:
    name, _, days = text.partition("=")
    if not days.isdecimal():
        raise InvalidError(f"{text!r} is not a retention time; write NAME=DAYS like clicks=30.")
    return name, int(days)


@retention.command("run")
@click.option("--as-of", metavar="TIME", help="Act as if it were this time.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="The clock and the retention times are right; delete what is due.")
@with_json
@with_context
def run(context: CliContext, as_of: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete what is past its retention time; a running server does this by itself.

    While the clock is doubted, or when unusually much is due at once, nothing is deleted without --yes (exit 4).
    """
    given: dict[str, Any] = {"dry_run": dry_run, "yes": yes}
    if as_of is not None:
        given["as_of_ms"] = moment_ms(as_of, now_ms=context.world.now_ms(), zone=UTC, name="as-of")
    _print(context.call("retention-run", **given), as_json=as_json)


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, days in result.get("set", {}).items():
        change = "would be" if result["dry_run"] else "is"
        click.echo(f"{name.removesuffix('_days')} {change} kept {days} days (before: {result['before'][name]})")
    verb = "would be deleted" if result["dry_run"] else "deleted"
    for each in result["days"]:
        click.echo(f"{each['date']}: {each['clicks']} clicks {verb}")
    for date in result["rollups"]:
        click.echo(f"{date}: sums {verb}")
    for name, count in result["expired"].items():
        click.echo(f"{count} {name} {verb}")
    if result.get("held"):
        click.echo(result["held"], err=True)
