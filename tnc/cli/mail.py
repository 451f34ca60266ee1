"""`tnc mail`: what needs its owner, by mail."""

import asyncio

import click

from tnc.admin.mail import Email, post, relay_of
from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core.clock import ID_RANDOM_BYTES, new_id
from tnc.core.errors import InvalidError


@click.group()
def mail() -> None:
    """Mail about what needs you."""


@mail.command("test")
@with_json
@with_context
def test(asker: CliContext, as_json: bool) -> None:
    """Send a mail by the settings in config.toml, or say what is wrong with them."""
    relay = relay_of(asker.settings())
    if relay is None:
        raise InvalidError(f"no mail is set up: write host, from and to below [mail] in {asker.config_file()}.")
    now_ms = asker.world.now_ms()
    letter = Email(
        message_id=f"test-{new_id(now_ms, asker.world.token(ID_RANDOM_BYTES))}",
        at_ms=now_ms,
        subject="[tnc] a test",
        text="Alerts of your tracker reach you like this one.",
    )
    refused = asyncio.run(post(letter, relay))
    taken = len(relay.recipients) - refused
    if as_json:
        print_json({"host": relay.host, "taken": taken, "refused": refused})
    else:
        click.echo(
            f"{relay.host}:{relay.port} took it for {taken} of {taken + refused}; look into the inbox, and spam."
        )
