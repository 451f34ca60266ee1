"""`tnc destination`: where conversions are sent on to, and what became of them."""

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
    """Where conversions are sent on to: ad platforms, sources, systems of your own."""


@destination.command("list")
@with_json
@with_context
def list_(asker: CliContext, as_json: bool) -> None:
    """All destinations, and how they stand."""
    server = asker.server()
    if server is not None:
        told = server.call("destination-list")
    else:
        with asker.reading() as services:
            told = services.destinations.listed()
    if as_json:
        print_json(told)
        return
    for each in told:
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
def show(asker: CliContext, destination_id: str, as_json: bool) -> None:
    """One destination: how it stands, its settings without secrets, its last answers."""
    server = asker.server()
    if server is not None:
        told = server.call("destination-show", destination=destination_id)
    else:
        with asker.reading() as services:
            told = services.destinations.shown(destination_id)
    if as_json:
        print_json(told)
        return
    for name in ("id", "name", "type"):
        click.echo(f"{name:10} {plain(told[name])}")
    click.echo(f"{'state':10} {in_words(told)}")
    for name, value in told["settings"].items():
        click.echo(f"{name:18} {plain(value)}")
    if told["file"] is not None:
        click.echo(f"file       https://YOUR-TRACKING-DOMAIN{told['file']}")
    for each in told["last"]:
        click.echo(_line(each))


@destination.command("preview")
@click.argument("destination_id", metavar="ID")
@click.option("--click", "click_id", required=True, metavar="CLICK", help="The click whose conversion would be sent.")
@click.option("--conversion", "conversion_id", metavar="CONVERSION", help="Which of them; else the last.")
@with_json
@with_context
def preview(asker: CliContext, destination_id: str, click_id: str, conversion_id: str | None, as_json: bool) -> None:
    """What would be sent, byte for byte, without sending it."""
    with asker.reading() as services:
        told = services.destinations.preview(destination_id, click_id, conversion_id)
    if as_json:
        print_json(told)
        return
    click.echo("would be sent" if told["send"] else f"would not be sent: {told['why']}")
    if told["method"] is not None:
        click.echo(f"{told['method']} {told['url']}")
        for name, value in told["headers"].items():
            click.echo(f"{name}: {value}")
        body = told["body"]
        click.echo("" if body is None else body if isinstance(body, str) else json.dumps(body, indent=2))


@destination.command("test")
@click.argument("destination_id", metavar="ID")
@with_json
@with_context
def test(asker: CliContext, destination_id: str, as_json: bool) -> None:
    """Send one marked test event now."""
    with asker.reading() as services:
        found = services.destinations.get(destination_id)
        tested = asyncio.run(_send_test(services.workspace, found))
    if as_json:
        print_json(tested.json(found))
    elif tested.ok:
        click.echo(f"taken: {tested.event_id}" + (f"\n{tested.note}" if tested.note else ""))
    if not tested.ok:
        raise FailedError(f"{found.id} did not take it ({tested.error}): {plain(tested.answer or 'no answer')}")


async def _send_test(workspace: Workspace, destination: Destination) -> DestinationTest:
    allowed = workspace.settings.allow_hosts
    async with open_session(allowed) as session:
        sender = Sender(session, workspace.world, allowed)
        return await send_test(sender, destination, workspace.configuration()[1], workspace.world)


@destination.command("log")
@click.argument("destination_id", metavar="ID")
@click.option("--limit", type=click.IntRange(1), help="At most so many; 20 when they are not printed as JSON.")
@with_json
@with_context
def log(asker: CliContext, destination_id: str, limit: int | None, as_json: bool) -> None:
    """Deliveries, newest first; with --json one object a line."""
    with asker.reading() as services:
        found = services.destinations.get(destination_id)
        for date, row in services.destinations.rows(found.id, limit=limit or (None if as_json else 20)):
            told = delivery_json(date, row)
            if as_json:
                print_json_line(told)
            else:
                click.echo(_line(told))


def _line(told: dict[str, Any]) -> str:
    reason = f"  {plain(told['error'])}" if told["error"] else ""
    attempts = f"{told['attempts']} attempt{'s' if told['attempts'] != 1 else ''}"
    return f"{told['created_at']}  {told['delivery_id']:18} {told['kind']:8} {told['state']:10} {attempts}{reason}"


@destination.command("replay")
@click.argument("destination_id", metavar="ID")
@click.option("--delivery", "delivery_id", metavar="D", help="One delivery, as `log` names it.")
@click.option("--dead", is_flag=True, help="All that were given up or refused.")
@with_json
@with_context
def replay(asker: CliContext, destination_id: str, delivery_id: str | None, dead: bool, as_json: bool) -> None:
    """Send again, under the same event ids."""
    if dead == (delivery_id is not None):
        raise InvalidError("say what to send again: --delivery D for one, or --dead for all that are dead.")
    told = asker.call("destination-replay", destination=destination_id, delivery=delivery_id)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['replayed']} in line again")


@destination.command("resume")
@click.argument("destination_id", metavar="ID")
@with_json
@with_context
def resume(asker: CliContext, destination_id: str, as_json: bool) -> None:
    """Let a destination that stopped go again."""
    told = asker.call("destination-resume", destination=destination_id)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['destination']}: {told['state']}")
