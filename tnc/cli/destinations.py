"""`tnc destination`: conversion forwarding, and the log of deliveries."""

import asyncio
import json
from typing import Any

import click

from tnc.cli.context import CliContext, plain, print_json, print_json_line, with_context, with_json
from tnc.core.errors import FailedError, InvalidError
from tnc.core.models import Destination
from tnc.destinations.http import open_session
from tnc.destinations.preview import DestinationTest, send_test
from tnc.destinations.sender import Sender
from tnc.destinations.service import delivery_json
from tnc.store.workspace import Workspace


@click.group()
def destination() -> None:
    """Conversion forwarding to ad platforms, traffic sources and your own systems."""


@destination.command("list")
@with_json
@with_context
def list_(context: CliContext, as_json: bool) -> None:
    """List all destinations with their status."""
    server = context.server()
    if server is not None:
        result = server.call("destination-list")
    else:
        with context.reading() as services:
            result = services.destinations.listed()
    if as_json:
        print_json(result)
        return
    for each in result:
        counts = ", ".join(f"{count} {state}" for state, count in each["deliveries"].items()) or "nothing sent yet"
        click.echo(f"{each['id']:24} {each['type']:20} {in_words(each)}\n{'':24} {counts}")


def in_words(standing: dict[str, Any]) -> str:
    """`active`, `waiting until 2026-11-24T14:05:06.000Z`, `stopped: meta-190 ...`"""
    match standing["state"]:
        case "waiting":
            return f"waiting until {standing['until']}"
        case "stopped":
            return f"stopped: {plain(standing['why'])}"
        case state:
            return str(state)


@destination.command("show")
@click.argument("destination_id", metavar="ID")
@with_json
@with_context
def show(context: CliContext, destination_id: str, as_json: bool) -> None:
    """Show one destination: its status, its settings without secrets, its last deliveries."""
    server = context.server()
    if server is not None:
        result = server.call("destination-show", destination=destination_id)
    else:
        with context.reading() as services:
            result = services.destinations.shown(destination_id)
    if as_json:
        print_json(result)
        return
    for name in ("id", "name", "type"):
        click.echo(f"{name:10} {plain(result[name])}")
    click.echo(f"{'state':10} {in_words(result)}")
    for name, value in result["settings"].items():
        click.echo(f"{name:18} {plain(value)}")
    if result["file"] is not None:
        click.echo(f"file       https://YOUR-TRACKING-DOMAIN{result['file']}")
    for each in result["last"]:
        click.echo(_line(each))


@destination.command("preview")
@click.argument("destination_id", metavar="ID")
@click.option("--click", "click_id", required=True, metavar="CLICK", help="The click whose conversion would be sent.")
@click.option(
    "--conversion", "conversion_id", metavar="CONVERSION", help="Which of its conversions; default: the last."
)
@with_json
@with_context
def preview(context: CliContext, destination_id: str, click_id: str, conversion_id: str | None, as_json: bool) -> None:
    """Show what would be sent, byte for byte, without sending it."""
    with context.reading() as services:
        result = services.destinations.preview(destination_id, click_id, conversion_id)
    if as_json:
        print_json(result)
        return
    click.echo("would be sent" if result["send"] else f"would not be sent: {result['why']}")
    if result["method"] is not None:
        click.echo(f"{result['method']} {result['url']}")
        for name, value in result["headers"].items():
            click.echo(f"{name}: {value}")
        body = result["body"]
        click.echo("" if body is None else body if isinstance(body, str) else json.dumps(body, indent=2))


@destination.command("test")
@click.argument("destination_id", metavar="ID")
@with_json
@with_context
def test(context: CliContext, destination_id: str, as_json: bool) -> None:
    """Send one marked test event now."""
    with context.reading() as services:
        found = services.destinations.get(destination_id)
        tested = asyncio.run(_send_test(services.workspace, found))
    if as_json:
        print_json(tested.json(found))
    elif tested.ok:
        click.echo(f"accepted: {tested.event_id}" + (f"\n{tested.note}" if tested.note else ""))
    if not tested.ok:
        raise FailedError(f"{found.id} did not accept it ({tested.error}): {plain(tested.answer or 'no reply')}")


async def _send_test(workspace: Workspace, destination: Destination) -> DestinationTest:
    allowed = workspace.settings.allow_hosts
    async with open_session(allowed) as session:
        sender = Sender(session, workspace.world, allowed)
        return await send_test(sender, destination, workspace.configuration()[1], workspace.world)


@destination.command("log")
@click.argument("destination_id", metavar="ID")
@click.option("--limit", type=click.IntRange(1), help="At most so many; default 20, with --json all.")
@with_json
@with_context
def log(context: CliContext, destination_id: str, limit: int | None, as_json: bool) -> None:
    """List deliveries, newest first; with --json one object per line."""
    with context.reading() as services:
        found = services.destinations.get(destination_id)
        for date, row in services.destinations.rows(found.id, limit=limit or (None if as_json else 20)):
            result = delivery_json(date, row)
            if as_json:
                print_json_line(result)
            else:
                click.echo(_line(result))


def _line(result: dict[str, Any]) -> str:
    reason = f"  {plain(result['error'])}" if result["error"] else ""
    attempts = f"{result['attempts']} attempt{'s' if result['attempts'] != 1 else ''}"
    return (
        f"{result['created_at']}  {result['delivery_id']:18} {result['kind']:8} {result['state']:10} {attempts}{reason}"
    )


@destination.command("replay")
@click.argument("destination_id", metavar="ID")
@click.option("--delivery", "delivery_id", metavar="D", help="One delivery, by the name that `log` prints.")
@click.option("--dead", is_flag=True, help="All deliveries that were refused or given up.")
@with_json
@with_context
def replay(context: CliContext, destination_id: str, delivery_id: str | None, dead: bool, as_json: bool) -> None:
    """Send deliveries again, with the same event ids."""
    if dead == (delivery_id is not None):
        raise InvalidError("name what to send again: --delivery D for one delivery, or --dead for all dead ones.")
    result = context.call("destination-replay", destination=destination_id, delivery=delivery_id)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['replayed']} queued again")


@destination.command("resume")
@click.argument("destination_id", metavar="ID")
@with_json
@with_context
def resume(context: CliContext, destination_id: str, as_json: bool) -> None:
    """Start a stopped destination again."""
    result = context.call("destination-resume", destination=destination_id)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['destination']}: {result['state']}")
