"""`tnc ip`, `tnc ua`, `tnc ipdb`: visitor data, and geo and IP data."""

import asyncio
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from tnc.admin.geo_updates import renew, wanted_count
from tnc.cli.context import CliContext, plain, print_json, progress, with_context, with_json
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
def ip(context: CliContext, address: str, as_json: bool) -> None:
    """Show what is known about an IP address, and from which data."""
    with context.workspace() as workspace:
        result = describe_ip(workspace.geo(), address)
    if as_json:
        print_json(result)
        return
    sources: dict[str, dict[str, str | None]] = result.pop("sources")
    for name, value in result.items():
        source = sources.get(name)
        by = "" if source is None else f"   {source['name']}" + (f" of {source['built']}" if source["built"] else "")
        click.echo(f"{name:12} {plain(', '.join(value) if isinstance(value, list) else value)}{by}".rstrip())
    if result["city"] is None and "city" not in sources:
        click.echo("note: cities, networks and VPNs need geo and IP data; type: tnc ipdb update", err=True)


@click.command()
@click.argument("user_agent", metavar="'USER AGENT'")
@with_json
def ua(user_agent: str, as_json: bool) -> None:
    """Show device, system and browser of a user agent, and the pattern that matched a bot."""
    result = describe_user_agent(UserAgentReader(), user_agent)
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        click.echo(f"{name:16} {plain(value)}")


@click.group()
def ipdb() -> None:
    """Geo and IP data; a running server uses new data without a restart."""


@ipdb.command("list")
@with_json
@with_context
def list_(context: CliContext, as_json: bool) -> None:
    """List the installed data: kind, age, licence, attribution, and failed updates."""
    with context.workspace() as workspace:
        result = workspace.addresses.describe(workspace.world.now_ms())
    if as_json:
        print_json(result)
        return
    for each in result:
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
def add(context: CliContext, file: str, kind: NetworkKind | None, as_json: bool) -> None:
    """Install a database, or a list of networks of a kind."""
    with context.workspace() as workspace:
        now_ms = workspace.world.now_ms()
        added = add_file(workspace.addresses, Path(file), kind=kind, now_ms=now_ms)
        result = workspace.addresses.describe_one(added.file.name, now_ms)
    if as_json:
        print_json({**result, "warnings": list(added.warnings)})
    else:
        size = f"{result['entries']} networks" if added.file.is_list else f"{result['bytes']} bytes"
        unfit = f", {result['unfit']} lines could not be read" if result["unfit"] else ""
        click.echo(f"{plain(result['name'])}: {result['kind']}, {size}{unfit}")
    for warning in added.warnings:
        click.echo(f"warning: {warning}", err=True)


@ipdb.command()
@click.option("--due", "only_due", is_flag=True, help="Only what is out of date, with low priority.")
@with_json
@with_context
def update(context: CliContext, only_due: bool, as_json: bool) -> None:
    """Download new geo and IP data; on errors the installed data stays in use."""
    if only_due:
        lower_priority()
    with (
        context.workspace() as workspace,
        progress(wanted_count(workspace, all_of_it=not only_due), "downloading") as done,
    ):
        report = asyncio.run(renew(workspace, all_of_it=not only_due, done=lambda name: done(1, name)))
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(report)
    if report.failed:
        raise (FailedError if report.exit_code == 1 else PartlyDoneError)(_failure(report))


def _print(report: UpdateReport) -> None:
    for name in report.renewed:
        click.echo(f"{name}: updated")
    for name in report.unchanged:
        click.echo(f"{name}: unchanged")
    for why in list(report.failed.values())[1:]:
        click.echo(why, err=True)


def _failure(report: UpdateReport) -> str:
    """One sentence: the first reason, and the number of other failures."""
    first, *others = report.failed.values()
    return f"{first}; {len(others)} other downloads failed too" if others else first


@ipdb.command()
@click.argument("name")
@with_json
@with_context
def remove(context: CliContext, name: str, as_json: bool) -> None:
    """Remove data; facts that only this data knew become unknown."""
    with context.workspace() as workspace:
        remove_data(workspace.addresses, name)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"{plain(name)} is removed")
