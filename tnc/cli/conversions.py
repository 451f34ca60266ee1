"""`tnc conversion`: conversions by hand and from CSV, and the postback log."""

from pathlib import Path
from typing import Any

import click

from tnc.cli.context import CliContext, plain, print_json, print_json_line, read_bytes, with_context, with_json
from tnc.core.csv_text import decode_csv
from tnc.core.errors import InvalidError, PartlyDoneError
from tnc.store.days.inbox import UNMATCHED
from tnc.tracking.conversions.inbox import call_json


@click.group()
def conversion() -> None:
    """Conversions by hand and from CSV, the postback log, and test conversions."""


@conversion.command("add")
@click.option("--click", "click_id", required=True, metavar="ID", help="The click that converted.")
@click.option("--payout", help="A plain decimal like 12.5; default: the offer's.")
@click.option("--currency", help="ISO 4217 code; default: the offer's.")
@click.option("--status", help="lead, sale, rejected, or a status of the network; default: sale.")
@click.option("--event", help="A custom event in addition to the sale, like deposit.")
@click.option("--txid", help="The network's transaction id.")
@with_json
@with_context
def add(context: CliContext, /, click_id: str, as_json: bool, **given: str | None) -> None:
    """Record a conversion, or correct one."""
    params = {"cid": click_id, **{name: value for name, value in given.items() if value is not None}}
    result = context.call("conversion-add", params=params)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['answer']}: {result['note']}")


@conversion.command("import")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Show the result of each line, and store nothing.")
@click.option("--timezone", default="UTC", metavar="TZ", help="Time zone of times without one, like Europe/Berlin.")
@with_json
@with_context
def import_(context: CliContext, file: str, dry_run: bool, timezone: str, as_json: bool) -> None:
    """Import conversions from CSV, one per line; importing a file twice adds nothing."""
    text = decode_csv(read_bytes(file), file)
    result = context.call("conversion-import", text=text, dry_run=dry_run, timezone=timezone)
    if as_json:
        print_json(result)
    else:
        _print_import(result, Path(file).name)
    if result["invalid"] or result["unknown-click"]:
        unfit = result["invalid"] + result["unknown-click"]
        raise PartlyDoneError(f"{unfit} of {result['read']} lines could not be used; the others were imported.")


def _print_import(result: dict[str, Any], name: str) -> None:
    for line in result["lines"]:
        click.echo(f"{name}, line {line['line']}: {line['outcome']}. {plain(line['note'] or '')}".rstrip())
    if result["unused_columns"]:
        click.echo(f"not used: {', '.join(map(plain, result['unused_columns']))}", err=True)
    counts = [
        f"{result[each]} {each}" for each in ("new", "changed", "duplicate", "unmapped", "ignored") if result[each]
    ]
    click.echo(("would be: " if result["dry_run"] else "") + (", ".join(counts) or "nothing new"))


@conversion.command("inbox")
@click.option("--unmatched", is_flag=True, help="Only postbacks that did not match.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; default 20, with --json all.")
@with_json
@with_context
def inbox(context: CliContext, unmatched: bool, limit: int | None, as_json: bool) -> None:
    """Print the postback log, newest first; with --json one object per line."""
    with context.reading() as services:
        outcomes = UNMATCHED if unmatched else None
        for date, row in services.conversions.rows(outcomes=outcomes, limit=limit or (None if as_json else 20)):
            result = call_json(date, row)
            if as_json:
                print_json_line(result)
            else:
                click.echo(f"{result['at']}  {result['call_id']:16} {result['outcome']:14} {plain(result['note'])}")


@conversion.command("replay")
@click.option("--call", "call_id", metavar="C", help="One postback, by the name that `inbox` prints.")
@click.option("--unmatched", is_flag=True, help="All postbacks that did not match.")
@with_json
@with_context
def replay(context: CliContext, call_id: str | None, unmatched: bool, as_json: bool) -> None:
    """Process postbacks again, after the cause of their failure was fixed."""
    if unmatched == (call_id is not None):
        raise InvalidError(
            "name the postbacks to process again: --call C for one, or --unmatched for all that did not match."
        )
    result = context.call("conversion-replay", call=call_id)
    if as_json:
        print_json(result)
    else:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result["outcomes"].items())
        click.echo(f"{result['replayed']} processed again" + (f": {outcomes}" if outcomes else ""))
