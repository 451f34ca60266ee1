"""`tnc conversion`: conversions by hand."""

import click

from tnc.cli.root import Asker, print_json, with_json
from tnc.conversions.incoming import read_postback


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
@click.pass_obj
def add(asker: Asker, /, click_id: str, as_json: bool, **given: str | None) -> None:
    """Record a conversion, or correct one."""
    params = {"cid": click_id, **{name: value for name, value in given.items() if value is not None}}
    incoming = read_postback(params)
    server = asker.server()
    if server is not None:
        told = server.add_conversion(params)
    else:
        with asker.alone() as (_, operations):
            told = operations.add_conversion(incoming)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['answer']}: {told['note']}")
