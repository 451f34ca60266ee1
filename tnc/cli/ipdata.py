"""`tnc ip`, `tnc ua`, `tnc ipdb`: what is known of a visitor, and by which data."""

import asyncio
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from tnc.admin.geo_updates import renew
from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import FailedError, PartlyDoneError
from tnc.core.process import lower_priority
from tnc.visitors.geo.install import add as add_file
from tnc.visitors.geo.install import remove as remove_data
from tnc.visitors.geo.lists import NetworkKind
from tnc.visitors.geo.update import UpdateReport
from tnc.visitors.lookup import describe_ip, describe_user_agent
from tnc.visitors.user_agent import UserAgentReader


@click.command()
@click.argument("address")
@with_json
@with_context
def ip(asker: CliContext, address: str, as_json: bool) -> None:
    """What is known of an address, and which data says so."""
    with asker.workspace() as workspace:
        told = describe_ip(workspace.geo(), address)
    if as_json:
        print_json(told)
        return
    sources: dict[str, dict[str, str | None]] = told.pop("sources")
    for name, value in told.items():
        source = sources.get(name)
        by = "" if source is None else f"   {source['name']}" + (f" of {source['built']}" if source["built"] else "")
        click.echo(f"{name:12} {plain(', '.join(value) if isinstance(value, list) else value)}{by}".rstrip())
    if told["city"] is None and "city" not in sources:
        click.echo("note: cities, networks and VPNs come with geo data: `tnc ipdb update`", err=True)


@click.command()
@click.argument("user_agent", metavar="'USER AGENT'")
@with_json
def ua(user_agent: str, as_json: bool) -> None:
    """What a user agent says, and the pattern that gives a bot away."""
    told = describe_user_agent(UserAgentReader(), user_agent)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name:16} {plain(value)}")


@click.group()
def ipdb() -> None:
    """Geo data; a running server uses what is new without a restart."""


@ipdb.command("list")
@with_json
@with_context
def list_(asker: CliContext, as_json: bool) -> None:
    """What is installed: kind, age, licence, attribution, and what failed to be renewed."""
    with asker.workspace() as workspace:
        told = workspace.addresses.describe(workspace.world.now_ms())
    if as_json:
        print_json(told)
        return
    for each in told:
        click.echo(f"{plain(each['name']):24} {each['kind']:12} {_age(each):22} {each['licence']}")
        for line in (each["attribution"], each["url"], each["problem"]):
            if line:
                click.echo(f"{'':24} {plain(line)}")


def _age(each: dict[str, Any]) -> str:
    if each["age_days"] is None:
        return "part of tnc"
    days = f"{each['age_days']} day{'s' if each['age_days'] != 1 else ''} old"
    return f"{days}, stale" if each["stale"] else days


@ipdb.command()
@click.argument("file")
@click.option("--kind", type=click.Choice(get_args(NetworkKind)), help="What a plain list of prefixes means.")
@with_json
@with_context
def add(asker: CliContext, file: str, kind: NetworkKind | None, as_json: bool) -> None:
    """Install a database, or a list of networks with its meaning."""
    with asker.workspace() as workspace:
        now_ms = workspace.world.now_ms()
        added = add_file(workspace.addresses, Path(file), kind=kind, now_ms=now_ms)
        told = workspace.addresses.describe_one(added.file.name, now_ms)
    if as_json:
        print_json({**told, "warnings": list(added.warnings)})
    else:
        size = f"{told['entries']} networks" if added.file.is_list else f"{told['bytes']} bytes"
        unfit = f", {told['unfit']} lines could not be read" if told["unfit"] else ""
        click.echo(f"{plain(told['name'])}: {told['kind']}, {size}{unfit}")
    for warning in added.warnings:
        click.echo(f"warning: {warning}", err=True)


@ipdb.command()
@click.option("--due", "only_due", is_flag=True, help="Only what is older than it should be, with low priority.")
@with_json
@with_context
def update(asker: CliContext, only_due: bool, as_json: bool) -> None:
    """Fetch new geo data; whatever goes wrong, what is there stays in use."""
    if only_due:
        lower_priority()
    with asker.workspace() as workspace:
        report = asyncio.run(
            renew(workspace.settings, workspace.addresses, workspace.world.now_ms(), all_of_it=not only_due),
        )
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(report)
    if report.failed:
        raise (FailedError if report.exit_code == 1 else PartlyDoneError)(_failure(report))


def _print(report: UpdateReport) -> None:
    for name in report.renewed:
        click.echo(f"{name}: new")
    for name in report.unchanged:
        click.echo(f"{name}: still the present one")
    for why in list(report.failed.values())[1:]:
        click.echo(why, err=True)


def _failure(report: UpdateReport) -> str:
    """One sentence: the cause of the first, and how many share its fate."""
    first, *others = report.failed.values()
    return f"{first}; {len(others)} other downloads failed too" if others else first


@ipdb.command()
@click.argument("name")
@with_json
@with_context
def remove(asker: CliContext, name: str, as_json: bool) -> None:
    """Take data away; what only it knew becomes unknown."""
    with asker.workspace() as workspace:
        remove_data(workspace.addresses, name)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"{plain(name)} is removed")
