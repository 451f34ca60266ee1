"""`tnc conversion`: conversions by hand and in bulk, the postback inbox, and the way of one tried out."""

from pathlib import Path
from typing import Any

import click

from tnc.cli.context import CliContext, plain, print_json, print_json_line, read_file, with_context, with_json
from tnc.core.errors import InvalidError, PartlyDoneError
from tnc.store.days.inbox import UNMATCHED
from tnc.tracking.conversions.inbox import call_json


@click.group()
def conversion() -> None:
    """Conversions by hand and in bulk; the same path as a postback."""


@conversion.command("add")
@click.option("--click", "click_id", required=True, metavar="ID", help="The click that converted.")
@click.option("--payout", help="A plain decimal like 12.5; else the offer's.")
@click.option("--currency", help="ISO 4217; else the offer's.")
@click.option("--status", help="lead, sale, rejected, or a word of the network; else sale.")
@click.option("--event", help="A custom event beside the sale, like deposit.")
@click.option("--txid", help="The network's own id of the transaction.")
@with_json
@with_context
def add(asker: CliContext, /, click_id: str, as_json: bool, **given: str | None) -> None:
    """Record a conversion, or correct one."""
    params = {"cid": click_id, **{name: value for name, value in given.items() if value is not None}}
    told = asker.call("conversion-add", params=params)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['answer']}: {told['note']}")


@conversion.command("import")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Say what would become of each line, and store nothing.")
@with_json
@with_context
def import_(asker: CliContext, file: str, dry_run: bool, as_json: bool) -> None:
    """Conversions as CSV, one a line; running it twice adds nothing."""
    told = asker.call("conversion-import", text=read_file(file), dry_run=dry_run)
    if as_json:
        print_json(told)
    else:
        _print_import(told, Path(file).name)
    if told["invalid"] or told["unknown-click"]:
        unfit = told["invalid"] + told["unknown-click"]
        raise PartlyDoneError(f"{unfit} of {told['read']} lines could not be used; the others are in order.")


def _print_import(told: dict[str, Any], name: str) -> None:
    for line in told["lines"]:
        click.echo(f"{name}, line {line['line']}: {line['outcome']}. {plain(line['note'] or '')}".rstrip())
    if told["unused_columns"]:
        click.echo(f"not used: {', '.join(map(plain, told['unused_columns']))}", err=True)
    counts = [f"{told[each]} {each}" for each in ("new", "changed", "duplicate", "unmapped", "ignored") if told[each]]
    click.echo(("would be: " if told["dry_run"] else "") + (", ".join(counts) or "nothing new"))


@conversion.command("inbox")
@click.option("--unmatched", is_flag=True, help="Only calls that did not match.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; 20 when they are not printed as JSON.")
@with_json
@with_context
def inbox(asker: CliContext, unmatched: bool, limit: int | None, as_json: bool) -> None:
    """Every call as it came, newest first; with --json one object a line."""
    with asker.reading() as services:
        outcomes = UNMATCHED if unmatched else None
        for date, row in services.conversions.rows(outcomes=outcomes, limit=limit or (None if as_json else 20)):
            told = call_json(date, row)
            if as_json:
                print_json_line(told)
            else:
                click.echo(f"{told['at']}  {told['call_id']:16} {told['outcome']:14} {plain(told['note'])}")


@conversion.command("replay")
@click.option("--call", "call_id", metavar="C", help="One call, as `inbox` names it.")
@click.option("--unmatched", is_flag=True, help="All calls that did not match.")
@with_json
@with_context
def replay(asker: CliContext, call_id: str | None, unmatched: bool, as_json: bool) -> None:
    """Hear calls again, after what was wrong with them was mended."""
    if unmatched == (call_id is not None):
        raise InvalidError(
            "say which calls to hear again: --call C for one, or --unmatched for all that did not match."
        )
    told = asker.call("conversion-replay", call=call_id)
    if as_json:
        print_json(told)
    else:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in told["outcomes"].items())
        click.echo(f"{told['replayed']} heard again" + (f": {outcomes}" if outcomes else ""))
