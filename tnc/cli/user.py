"""`tnc user`: the accounts of the dashboard."""

import sys

import click

from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import InvalidError
from tnc.core.passwords import Passwords, check_new_password


@click.group()
def user() -> None:
    """The accounts of the dashboard."""


@user.command("password")
@click.argument("email")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the new password from standard input.")
@with_json
@with_context
def password(context: CliContext, email: str, from_stdin: bool, as_json: bool) -> None:
    """Set a new password and end all sessions of this user, for example after a stolen cookie."""
    if from_stdin:
        new = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        new = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise InvalidError("give the new password on standard input with --stdin, or type the command in a terminal.")
    check_new_password(new, email=email)
    with context.workspace() as workspace:
        verifier = Passwords(workspace.keys.pepper).hash(new)
    result = context.call("user-password", email=email, verifier=verifier)
    if as_json:
        print_json(result)
        return
    count = result["sessions_ended"]
    sessions = f"{count} session{'s were' if count != 1 else ' was'} ended"
    click.echo(f"the password of {plain(result['email'])} is changed; {sessions}")
