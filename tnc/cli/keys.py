"""`tnc keys`: the keyring."""

import sys
from pathlib import Path

import click

from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core.errors import FailedError


@click.group()
def keys() -> None:
    """The encryption keys: without them nobody can read the data, not even you."""


@keys.command("status")
@with_json
@with_context
def status(context: CliContext, as_json: bool) -> None:
    """Show where the key comes from, how many days have keys, and whether the key backup is up to date."""
    with context.reading() as services:
        result = services.keys.status()
    if as_json:
        print_json(result)
        return
    click.echo(f"key file   {result['key_file']} ({result['kind']})")
    click.echo(f"days       {result['days']} have keys, and {result['restricted_days']} of restricted clicks")
    click.echo(f"epoch      {result['key_epoch']} of the key; --json prints those of every file")
    escrow = result["escrow"]
    if escrow is None:
        click.echo("escrow     none: without a copy, a lost keyring is lost data; type: tnc keys escrow FILE")
    elif escrow["opens_what_was_erased"]:
        click.echo(
            f"escrow     of {escrow['made_at']} can decrypt what was erased since: make a new one and destroy it"
        )
    else:
        click.echo(f"escrow     of {escrow['made_at']} is up to date")


@keys.command("verify")
@with_json
@with_context
def verify(context: CliContext, as_json: bool) -> None:
    """Open every file of the keyring; exit code 1 if one cannot be opened or a day has no key."""
    with context.reading() as services:
        result = services.keys.verify()
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['files']} files of the keyring can be opened")
    if result["problems"]:
        raise FailedError(" ".join(result["problems"]))


@keys.command("rotate")
@click.option(
    "--to",
    "kind",
    type=click.Choice(("file", "passphrase", "split")),
    default="file",
    help="Where the new key is kept.",
)
@click.option("--secret-stdin", is_flag=True, help="Read the new passphrase from standard input.")
@with_json
@with_context
def rotate(context: CliContext, kind: str, secret_stdin: bool, as_json: bool) -> None:
    """Encrypt the keyring with a new key; no record is rewritten. `split` prints the half that you keep, once."""
    secret = sys.stdin.readline().rstrip("\r\n") if secret_stdin else None
    result = context.call("keys-rotate", kind=kind, secret=secret)
    if as_json:
        print_json(result)
        return
    click.echo(
        f"{result['files']} files of the keyring are encrypted with a new key; keep a copy of {result['key_file']}"
    )
    if "other_half" in result:
        click.echo(f"other half {result['other_half']}: give it at each start as TNC_KEY_SECRET; it is shown only once")


@keys.command("escrow")
@click.argument("file", metavar="FILE")
@with_json
@with_context
def escrow(context: CliContext, file: str, as_json: bool) -> None:
    """Copy the keyring, encrypted with the key file. Destroy older copies: they can decrypt what was erased."""
    result = context.call("keys-escrow", path=str(Path(file).resolve()))
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['file']}: sha256 {result['sha256']}")
