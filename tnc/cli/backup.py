"""`tnc backup`: copies that the keyring alone opens."""

from pathlib import Path

import click

from tnc.admin.backup.backups import Backups
from tnc.cli.context import CliContext, print_json, with_context, with_json


@click.group()
def backup() -> None:
    """Copies of everything, while the server runs; what was erased cannot be opened in any of them."""


@backup.command("create")
@click.argument("folder", required=False, metavar="DIR")
@with_json
@with_context
def create(asker: CliContext, folder: str | None, as_json: bool) -> None:
    """Make one, in DIR or in the data directory's own folder. Keys are not in it: keep copies of them elsewhere."""
    with asker.workspace() as workspace:
        told = Backups(workspace).create(None if folder is None else Path(folder).resolve())
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['file']}: {told['clicks']} clicks, sha256 {told['sha256']}")


@backup.command("list")
@click.argument("folder", required=False, metavar="DIR")
@with_json
@with_context
def list_(asker: CliContext, folder: str | None, as_json: bool) -> None:
    """Those in DIR, or in the data directory's own folder; newest first."""
    with asker.workspace() as workspace:
        told = Backups(workspace).all_files(None if folder is None else Path(folder))
    if as_json:
        print_json(told)
        return
    for each in told:
        click.echo(f"{each['made_at']}  {each['clicks']:>9} clicks  {each['bytes']:>12} bytes  {each['file']}")


@backup.command("verify")
@click.argument("file", metavar="FILE")
@with_json
@with_context
def verify(asker: CliContext, file: str, as_json: bool) -> None:
    """Try every record with the present keyring alone."""
    with asker.workspace() as workspace:
        told = Backups(workspace).verify(Path(file))
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['opened']} of {told['records']} records open; {told['refused']} are refused")


@backup.command("restore")
@click.argument("file", metavar="FILE")
@click.option("--data", required=True, metavar="DIR", help="The new data directory.")
@with_json
@with_context
def restore(asker: CliContext, file: str, data: str, as_json: bool) -> None:
    """A new data directory from a backup, without what was erased since and what is too old."""
    with asker.workspace() as workspace:
        told = Backups(workspace).restore(Path(file), Path(data).resolve())
    if as_json:
        print_json(told)
        return
    click.echo(f"restored {told['clicks']} clicks into {told['data']}; {told['refused']} were erased")
    click.echo(f"next   tnc --config {told['config']} serve")
