"""`tnc ropa` and `tnc breach`: what an owner must be able to show."""

from zoneinfo import ZoneInfo

import click

from tnc.cli.root import Asker, plain, print_json, with_json
from tnc.records import breach as breach_of
from tnc.records import processing
from tnc.store.questions import moment_ms


@click.command()
@with_json
@click.pass_obj
def ropa(asker: Asker, as_json: bool) -> None:
    """Records of processing, made from the present configuration and the checks of this installation."""
    with asker.house() as house:
        told = processing(house)
    if as_json:
        print_json(told)
        return
    click.echo(f"Records of processing, workspace {told['workspace']}, configuration {told['config_version']}")
    click.echo("\nPurposes")
    for each in told["purposes"]:
        click.echo(f"  {plain(each['campaign'])}: {each['purpose']}")
    click.echo(f"\nPeople: {told['people']}")
    click.echo("\nCategories")
    for each in told["categories"]:
        click.echo(f"  {each['field']:20} {each['class']:10} {each['text']}")
    click.echo("\nReceivers")
    for each in told["receivers"]:
        click.echo(f"  {plain(each['name'])} ({each['type']}), {each['host']}, {each['country']}: {each['gets']}")
    click.echo("\nTerms")
    for words in told["retention"].values():
        click.echo(f"  {words}")
    click.echo("\nMeasures")
    for each in told["measures"]:
        click.echo(f"  {each['state']:8} {each['check']:18} {each['text']}")


@click.group()
def breach() -> None:
    """The kit for a breach of personal data."""


@breach.command("report")
@click.option("--from", "since", required=True, metavar="T", help="When it began, as far as that is known.")
@click.option("--to", "until", default="now", metavar="T", help="When it ended; else now.")
@with_json
@click.pass_obj
def report(asker: Asker, since: str, until: str, as_json: bool) -> None:
    """Whom it concerns, how many, which data, until when the authority must be told, and a draft."""
    now_ms, utc = asker.world.now_ms(), ZoneInfo("UTC")
    since_ms = moment_ms(since, now_ms=now_ms, zone=utc, name="from")
    until_ms = moment_ms(until, now_ms=now_ms, zone=utc, name="to")
    with asker.house() as house:
        told = breach_of(house, since_ms=since_ms, until_ms=until_ms)
    if as_json:
        print_json(told)
    else:
        click.echo(told["draft"])
