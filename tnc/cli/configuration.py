"""`tnc plan`, `tnc apply`, `tnc export`: the owner's configuration as text."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from tnc.cli.root import Asker, print_json, read_file, with_json
from tnc.configuration.write import export_toml
from tnc.operations import Operations
from tnc.store.clicklog import Day
from tnc.store.days import DayWriter

_T = TypeVar("_T")


@click.command()
@click.argument("file")
@click.option("--prune", is_flag=True, help="Also archive what the file does not name.")
@with_json
@click.pass_obj
def plan(asker: Asker, file: str, prune: bool, as_json: bool) -> None:
    """Show what `apply` would change."""
    text = read_file(file)
    with asker.house() as house:
        planned = Operations(house, _no_writing).plan(text, file=Path(file).name, prune=prune)
    if as_json:
        print_json(planned.json)
    else:
        click.echo(planned.text)


def _no_writing(_day: Day, _work: Callable[[DayWriter], _T]) -> _T:
    raise AssertionError("a plan writes nothing")


@click.command()
@click.argument("file")
@click.option("--prune", is_flag=True, help="Also archive what the file does not name.")
@with_json
@click.pass_obj
def apply(asker: Asker, file: str, prune: bool, as_json: bool) -> None:
    """Make a configuration live, all or nothing."""
    text, name = read_file(file), Path(file).name
    server = asker.server()
    if server is not None:
        told = server.apply(text, file=name, prune=prune)
    else:
        with asker.alone() as (_, operations):
            told = operations.apply(text, file=name, prune=prune)
    if as_json:
        print_json({key: value for key, value in told.items() if key != "text"})
    else:
        click.echo(told["text"])
        click.echo(f"version {told['version']} is live" if told["changed"] else f"still version {told['version']}")


@click.command()
@click.option("--version", type=int, help="An older version instead of the present one.")
@click.pass_obj
def export(asker: Asker, version: int | None) -> None:
    """Print the configuration as TOML; applying it changes nothing."""
    with asker.house() as house:
        configuration = house.configuration()[1] if version is None else house.plans(version).configuration
        click.echo(export_toml(configuration), nl=False)
