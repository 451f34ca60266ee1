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
def one(asker: CliContext, click_id: str, as_json: bool) -> None:
    """One click in full, with its conversions."""
    with asker.workspace() as workspace:
        told = shown(workspace, workspace.histories.get(ClickId(click_id)))
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        if value not in (None, [], {}):
            _print_fact(name, value)


def _print_fact(name: str, value: Any) -> None:
    """`value` in a line; each conversion in one of its own."""
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


def _conversion(told: dict[str, Any]) -> str:
    payout = None if told["payout"] is None else f"{told['payout']} {told['currency']}"
    parts = (told["converted_at"], told["conversion_id"], told["status"], told["event"], payout, told["txid"])
    return "  ".join(str(part) for part in parts if part is not None)


@click.command("clicks")
@click.option("--follow", is_flag=True, help="Go on printing as clicks arrive.")
@click.option("--where", "conditions", multiple=True, metavar="K=V", help="Only these; repeatable.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; 20 when they are not printed as JSON.")
@with_json
@with_context
def many(asker: CliContext, follow: bool, conditions: Sequence[str], limit: int | None, as_json: bool) -> None:
    """The click log, newest first."""
    wheres = [parse_where(each, _NAMES) for each in conditions]
    most = limit or (None if as_json else 20)
    with asker.workspace() as workspace:
        ends = workspace.histories.ends() if follow else None
        for told in islice(_matching(workspace, wheres, workspace.histories.newest(ends=ends)), most):
            _print(told, as_json=as_json)
        while ends is not None:
            time.sleep(_PAUSE_SECONDS)
            before, ends = ends, {**ends, **workspace.histories.ends(days=2)}
            for told in _matching(workspace, wheres, workspace.histories.between(before, ends)):
                _print(told, as_json=as_json)


def _matching(
    workspace: Workspace, wheres: Sequence[Where], histories: Iterable[ClickHistory]
) -> Iterator[dict[str, Any]]:
    """The JSON of those that answer every condition."""
    for history in histories:
        told = shown(workspace, history)
        if all(where.holds(told) for where in wheres):
            yield told


def _print(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json_line(told)
        return
    sales = len(told["conversions"])
    columns = (
        told["clicked_at"],
        told["click_id"],
        told["campaign"],
        told["country"] or "--",
        told["device"] or "unknown",
        told["traffic"],
        told["offer"] or told["lander"] or told["action"],
        f"{sales} conversion{'s' if sales != 1 else ''}" if sales else "",
    )
    click.echo("  ".join(plain(column) for column in columns).rstrip())


@click.group("import")
def import_() -> None:
    """Past clicks from elsewhere."""


@import_.command("clicks")
@click.argument("file")
@with_json
@with_context
def import_clicks(asker: CliContext, file: str, as_json: bool) -> None:
    """Clicks as JSON, an object a line; running it twice adds nothing."""
    try:
        lines = Path(file).read_bytes().split(b"\n")
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}.") from error
    server = asker.server()
    name = Path(file).name
    if server is not None:
        told = server.import_clicks(lines, file=name)
    else:
        with asker.writing() as services:
            told = services.imports.add(lines, file=name)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['added']} added, {told['known']} known already, {told['refused']} refused")
    for line in told["errors"]:
        click.echo(line, err=True)
    if told["refused"]:
        raise PartlyDoneError(f"{told['refused']} of {told['read']} lines were refused; the others are in.")
