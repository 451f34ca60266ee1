"""`tnc backup`: backups, which only the keyring can decrypt."""

from pathlib import Path

import click

from tnc.admin.backup.backups import Backups
from tnc.cli.context import CliContext, print_json, waiting, with_context, with_json


@click.group()
def backup() -> None:
    """Back up everything while the server runs; erased visitors cannot be decrypted in any backup."""


@backup.command("create")
@click.argument("folder", required=False, metavar="DIR")
@with_json
@with_context
def create(context: CliContext, folder: str | None, as_json: bool) -> None:
    """Create a backup in DIR, or in the data directory. It contains no keys: keep copies of them elsewhere."""
    with context.workspace() as workspace:
        result = Backups(workspace).create(None if folder is None else Path(folder).resolve())
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['file']}: {result['clicks']} clicks, sha256 {result['sha256']}")


@backup.command("list")
@click.argument("folder", required=False, metavar="DIR")
@with_json
@with_context
def list_(context: CliContext, folder: str | None, as_json: bool) -> None:
    """List the backups in DIR, or in the data directory; newest first."""
    with context.workspace() as workspace:
        result = Backups(workspace).all_files(None if folder is None else Path(folder))
    if as_json:
        print_json(result)
        return
    for each in result:
        made = "cannot be read" if each["made_at"] is None else f"{each['made_at']}  {each['clicks']:>9} clicks"
        click.echo(f"{made}  {each['bytes']:>12} bytes  {each['file']}")


@backup.command("verify")
@click.argument("file", metavar="FILE")
@with_json
@with_context
def verify(context: CliContext, file: str, as_json: bool) -> None:
    """Try to decrypt every record with the current keyring."""
    with context.workspace() as workspace:
        result = Backups(workspace).verify(Path(file))
    if as_json:
        print_json(result)
    else:
        click.echo(
            f"{result['opened']} of {result['records']} records can be decrypted; {result['refused']} are refused"
        )


@backup.command("restore")
@click.argument("file", metavar="FILE")
@click.option("--data", required=True, metavar="DIR", help="The new data directory.")
@with_json
@with_context
def restore(context: CliContext, file: str, data: str, as_json: bool) -> None:
    """Create a data directory from a backup, without what was erased since or is past its retention time."""
    with context.workspace() as workspace, waiting("restore"):
        result = Backups(workspace).restore(Path(file), Path(data).resolve())
    if as_json:
        print_json(result)
        return
    click.echo(f"restored {result['clicks']} clicks into {result['data']}; {result['refused']} were erased since")
    lack = result["totals_lack"]
    if lack is not None:
        sums = " + ".join(f"{amount:.2f} {currency}".strip() for currency, amount in lack["revenue"].items())
        visits = f"{lack['visits']} visit{'s' if lack['visits'] != 1 else ''}"
        about = "" if lack["exact"] else " (revenue as far as the present data shows it)"
        click.echo(
            f"totals lack {visits} and {sums or 'no'} revenue of visitors erased since{about}; "
            "the reports of the present data directory have them"
        )
    click.echo(f"next   tnc --config {result['config']} serve")
