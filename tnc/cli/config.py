"""`tnc plan`, `tnc apply`, `tnc versions`, `tnc export`: the configuration as text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tnc.campaigns.export import export_tables, export_toml
from tnc.cli.context import CliContext, print_json, read_file, with_context, with_json
from tnc.core.errors import InvalidError
from tnc.core.fields import rfc3339
from tnc.core.settings import resolve_secret

_F = TypeVar("_F", bound=Callable[..., Any])


def from_file_or_version(command: _F) -> _F:
    """Adds the arguments of plan and apply: a file, or an older version."""
    for decorate in (
        with_json,
        click.option("--version", type=int, metavar="N", help="Go back to this version, in place of a file."),
        click.option("--prune", is_flag=True, help="Also archive what the file does not name."),
        click.argument("file", required=False),
    ):
        command = decorate(command)
    return command


def _one(file: str | None, version: int | None) -> None:
    if (file is None) == (version is None):
        raise InvalidError("name a file, or a version with --version N; `tnc versions` lists them.")


@click.command()
@from_file_or_version
@with_context
def plan(context: CliContext, file: str | None, prune: bool, version: int | None, as_json: bool) -> None:
    """Show what `apply` would change."""
    _one(file, version)
    with context.reading() as services:
        if file is not None:
            planned = services.configure.plan(read_file(file), file=Path(file).name, prune=prune, secret=resolve_secret)
        else:
            planned = services.configure.plan_version(version or 0)
    if as_json:
        print_json(planned.json)
    else:
        click.echo(planned.text)


def apply_text(context: CliContext, text: str, name: str, *, prune: bool) -> dict[str, Any]:
    """Apply a text. Its secrets are read here, because the server has other rights and another environment."""
    secrets: dict[str, str] = {}
    with context.reading() as services:
        services.configure.plan(
            text, file=name, prune=prune, secret=lambda name: secrets.setdefault(name, resolve_secret(name))
        )
    result: dict[str, Any] = context.call("apply", text=text, file=name, prune=prune, secrets=secrets)
    return result


@click.command()
@from_file_or_version
@with_context
def apply(context: CliContext, file: str | None, prune: bool, version: int | None, as_json: bool) -> None:
    """Apply a configuration file, all or nothing."""
    _one(file, version)
    if file is None:
        result = context.call("roll-back", version=version or 0)
    else:
        result = apply_text(context, read_file(file), Path(file).name, prune=prune)
    if as_json:
        print_json({key: value for key, value in result.items() if key != "text"})
    else:
        click.echo(result["text"])
        click.echo(
            f"version {result['version']} is live" if result["changed"] else f"still version {result['version']}"
        )


@click.command()
@with_json
@with_context
def versions(context: CliContext, as_json: bool) -> None:
    """List the versions of the configuration: when, by whom, and what changed."""
    with context.workspace() as workspace:
        known = workspace.versions.all_versions(workspace.id).wait()
    if as_json:
        print_json(
            [
                {
                    "version": each.version,
                    "made_at": rfc3339(each.made_at_ms),
                    "made_by": each.made_by,
                    "note": each.note,
                }
                for each in known
            ]
        )
        return
    for each in known:
        click.echo(f"{each.version:5}  {rfc3339(each.made_at_ms)}  {each.made_by}")
        for line in each.note.splitlines():
            click.echo(f"       {line}")


@click.command()
@click.option("--version", type=int, help="An older version; default: the current one.")
@with_json
@with_context
def export(context: CliContext, version: int | None, as_json: bool) -> None:
    """Print the configuration as TOML; applying it changes nothing."""
    with context.workspace() as workspace:
        configuration = workspace.configuration()[1] if version is None else workspace.plans(version).configuration
    if as_json:
        print_json(export_tables(configuration))
    else:
        click.echo(export_toml(configuration), nl=False)
