"""`tnc click`, `tnc clicks`, `tnc import clicks`: the click log."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import click

from tnc.cli.context import CliContext, plain, print_json, print_json_line, with_context, with_json
from tnc.core.errors import InvalidError, PartlyDoneError
from tnc.core.fields import FIELDS, Where, click_json, parse_where
from tnc.core.models import ClickHistory, ClickId
from tnc.store.workspace import Workspace

_PAUSE_SECONDS = 0.5
_NAMES = frozenset(name for name, each in FIELDS.items() if each.about.public)


def shown(workspace: Workspace, history: ClickHistory) -> dict[str, Any]:
    return click_json(history, destination=workspace.destination(history.click))


@click.command("click")
@click.argument("click_id", metavar="ID")
@with_json
@with_context
def one(context: CliContext, click_id: str, as_json: bool) -> None:
    """Print one click in full, with its conversions."""
    with context.workspace() as workspace:
        result = shown(workspace, workspace.histories.get(ClickId(click_id)))
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if value not in (None, [], {}):
            _print_fact(name, value)


def _print_fact(name: str, value: Any) -> None:
    """Print a fact on one line; conversions on a line each."""
    match value:
        case bool():
            lines = ["yes" if value else "no"]
        case dict():
            lines = [f"{key}={each}" for key, each in value.items()]
        case [{}, *_]:
            lines = [_conversion(each) for each in value]
        case list():
            lines = [", ".join(map(str, value))]
        case _:
            lines = [str(value)]
    for heading, line in zip_longest([name], lines, fillvalue=""):
        click.echo(f"{heading:18} {plain(line)}")


def _conversion(result: dict[str, Any]) -> str:
    payout = None if result["payout"] is None else f"{result['payout']} {result['currency']}"
    parts = (result["converted_at"], result["conversion_id"], result["status"], result["event"], payout, result["txid"])
    return "  ".join(str(part) for part in parts if part is not None)


@click.command("clicks")
@click.option("--follow", is_flag=True, help="Wait for new clicks and print them.")
@click.option("--where", "conditions", multiple=True, metavar="K=V", help="Only clicks with this value; repeatable.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; default 20, with --json all.")
@with_json
@with_context
def many(context: CliContext, follow: bool, conditions: Sequence[str], limit: int | None, as_json: bool) -> None:
    """Print the click log, newest first."""
    wheres = [parse_where(each, _NAMES) for each in conditions]
    most = limit or (None if as_json else 20)
    with context.workspace() as workspace:
        last_clicks = workspace.histories.last_clicks() if follow else None
        for result in islice(_matching(workspace, wheres, workspace.histories.newest(last_clicks=last_clicks)), most):
            _print(result, as_json=as_json)
        while last_clicks is not None:
            time.sleep(_PAUSE_SECONDS)
            before, last_clicks = last_clicks, {**last_clicks, **workspace.histories.last_clicks(days=2)}
            for result in _matching(workspace, wheres, workspace.histories.between(before, last_clicks)):
                _print(result, as_json=as_json)


def _matching(
    workspace: Workspace, wheres: Sequence[Where], histories: Iterable[ClickHistory]
) -> Iterator[dict[str, Any]]:
    """The JSON of the clicks that match every condition."""
    for history in histories:
        result = shown(workspace, history)
        if all(where.holds(result) for where in wheres):
            yield result


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json_line(result)
        return
    sales = len(result["conversions"])
    columns = (
        result["clicked_at"],
        result["click_id"],
        result["campaign"],
        result["country"] or "--",
        result["device"] or "unknown",
        result["traffic"],
        result["offer"] or result["lander"] or result["action"],
        f"{sales} conversion{'s' if sales != 1 else ''}" if sales else "",
        "test" if result["test"] else "",
    )
    click.echo("  ".join(plain(column) for column in columns).rstrip())


@click.group("import")
def import_() -> None:
    """Import past clicks of another tracker."""


@import_.command("clicks")
@click.argument("file")
@with_json
@with_context
def import_clicks(context: CliContext, file: str, as_json: bool) -> None:
    """Import clicks as JSON Lines; importing a file twice adds nothing."""
    try:
        lines = Path(file).read_bytes().split(b"\n")
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}.") from error
    server = context.server()
    name = Path(file).name
    if server is not None:
        result = server.import_clicks(lines, file=name)
    else:
        with context.writing() as services:
            result = services.imports.add(lines, file=name)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['added']} added, {result['known']} already known, {result['refused']} refused")
    for line in result["errors"]:
        click.echo(line, err=True)
    if result["refused"]:
        raise PartlyDoneError(f"{result['refused']} of {result['read']} lines were refused; the others were imported.")
