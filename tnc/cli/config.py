"""`tnc plan`, `tnc apply`, `tnc versions`, `tnc export`: the owner's configuration as text."""

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
    """What to apply: a file, or an older version again."""
    for decorate in (
        with_json,
        click.option("--version", type=int, metavar="N", help="Instead of a file: go back to a version."),
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
def plan(asker: CliContext, file: str | None, prune: bool, version: int | None, as_json: bool) -> None:
    """Show what `apply` would change."""
    _one(file, version)
    with asker.reading() as services:
        if file is not None:
            planned = services.configure.plan(read_file(file), file=Path(file).name, prune=prune, secret=resolve_secret)
        else:
            planned = services.configure.plan_version(version or 0)
    if as_json:
        print_json(planned.json)
    else:
        click.echo(planned.text)


def apply_text(asker: CliContext, text: str, name: str, *, prune: bool) -> dict[str, Any]:
    """Make a text live. Its secrets are read here: a server has another environment, and other rights."""
    secrets: dict[str, str] = {}
    with asker.reading() as services:
        services.configure.plan(
            text, file=name, prune=prune, secret=lambda name: secrets.setdefault(name, resolve_secret(name))
        )
    told: dict[str, Any] = asker.call("apply", text=text, file=name, prune=prune, secrets=secrets)
    return told


@click.command()
@from_file_or_version
@with_context
def apply(asker: CliContext, file: str | None, prune: bool, version: int | None, as_json: bool) -> None:
    """Make a configuration live, all or nothing."""
    _one(file, version)
    if file is None:
        told = asker.call("roll-back", version=version or 0)
    else:
        told = apply_text(asker, read_file(file), Path(file).name, prune=prune)
    if as_json:
        print_json({key: value for key, value in told.items() if key != "text"})
    else:
        click.echo(told["text"])
        click.echo(f"version {told['version']} is live" if told["changed"] else f"still version {told['version']}")


@click.command()
@with_json
@with_context
def versions(asker: CliContext, as_json: bool) -> None:
    """Every version of the configuration: when, by whom, and what changed."""
    with asker.workspace() as workspace:
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
@click.option("--version", type=int, help="An older version instead of the present one.")
@with_json
@with_context
def export(asker: CliContext, version: int | None, as_json: bool) -> None:
    """Print the configuration as TOML; applying it changes nothing."""
    with asker.workspace() as workspace:
        configuration = workspace.configuration()[1] if version is None else workspace.plans(version).configuration
    if as_json:
        print_json(export_tables(configuration))
    else:
        click.echo(export_toml(configuration), nl=False)
