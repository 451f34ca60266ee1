"""`tnc keys`: the keyring."""

import sys
from pathlib import Path

import click

from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core.errors import FailedError


@click.group()
def keys() -> None:
    """The keyring: without it nobody can read the data, not even you."""


@keys.command("status")
@with_json
@with_context
def status(asker: CliContext, as_json: bool) -> None:
    """Where the key comes from, how many days have keys, and whether the copy elsewhere is behind."""
    with asker.reading() as services:
        told = services.keys.status()
    if as_json:
        print_json(told)
        return
    click.echo(f"key file   {told['key_file']} ({told['kind']})")
    click.echo(f"days       {told['days']} have keys, and {told['restricted_days']} of restricted clicks")
    click.echo(f"epoch      {told['key_epoch']} of the key; --json tells those of every file")
    escrow = told["escrow"]
    if escrow is None:
        click.echo("escrow     none: a lost keyring is lost data; type: tnc keys escrow FILE")
    elif escrow["opens_what_was_erased"]:
        click.echo(f"escrow     of {escrow['made_at']} still opens what was erased since: make a new one, destroy it")
    else:
        click.echo(f"escrow     of {escrow['made_at']} is up to date")


@keys.command("verify")
@with_json
@with_context
def verify(asker: CliContext, as_json: bool) -> None:
    """Open every file of the keyring; exit 1 when one does not open or a day has none."""
    with asker.reading() as services:
        told = services.keys.verify()
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['files']} files of the keyring open")
    if told["problems"]:
        raise FailedError(" ".join(told["problems"]))


@keys.command("rotate")
@click.option(
    "--to", "kind", type=click.Choice(("file", "passphrase", "split")), default="file", help="Where it comes from then."
)
@click.option("--secret-stdin", is_flag=True, help="Read the new passphrase from standard input.")
@with_json
@with_context
def rotate(asker: CliContext, kind: str, secret_stdin: bool, as_json: bool) -> None:
    """A new key for the keyring; no record is written anew. With `split` it prints the half to take away, once."""
    secret = sys.stdin.readline().rstrip("\r\n") if secret_stdin else None
    told = asker.call("keys-rotate", kind=kind, secret=secret)
    if as_json:
        print_json(told)
        return
    click.echo(f"{told['files']} files of the keyring are closed by a new key now; keep a copy of {told['key_file']}")
    if "other_half" in told:
        click.echo(f"other half {told['other_half']}: give it at each start as TNC_KEY_SECRET; it is shown this once")


@keys.command("escrow")
@click.argument("file", metavar="FILE")
@with_json
@with_context
def escrow(asker: CliContext, file: str, as_json: bool) -> None:
    """Copy the keyring for another place; the key file closes it. Destroy the copy before: it opens what was erased."""
    told = asker.call("keys-escrow", path=str(Path(file).resolve()))
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['file']}: sha256 {told['sha256']}")
