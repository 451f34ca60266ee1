"""`tnc mail`: alerts by e-mail."""

import asyncio

import click

from tnc.admin.mail import Email, post, relay_of
from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core.clock import ID_RANDOM_BYTES, new_id
from tnc.core.errors import InvalidError


@click.group()
def mail() -> None:
    """Alerts by e-mail."""


@mail.command("test")
@with_json
@with_context
def test(context: CliContext, as_json: bool) -> None:
    """Send a test mail with the settings of config.toml, or say what is wrong with them."""
    relay = relay_of(context.settings())
    if relay is None:
        raise InvalidError(f"no mail is set up: write host, from and to below [mail] in {context.config_file()}.")
    now_ms = context.world.now_ms()
    letter = Email(
        message_id=f"test-{new_id(now_ms, context.world.token(ID_RANDOM_BYTES))}",
        at_ms=now_ms,
        subject="[tnc] Test",
        text="This is a test. Alerts of your tracker are sent like this mail.",
    )
    refused = asyncio.run(post(letter, relay))
    taken = len(relay.recipients) - refused
    if as_json:
        print_json({"host": relay.host, "taken": taken, "refused": refused})
    else:
        click.echo(
            f"{relay.host}:{relay.port} accepted it for {taken} of {taken + refused}; look into the spam folder too."
        )
