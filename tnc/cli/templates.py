"""`tnc template`: ready-made sources, networks and filters."""

from collections.abc import Container, Sequence
from typing import Any

import click
import msgspec

from tnc.admin.link_domain import PLACEHOLDER
from tnc.campaigns.templates.catalogue import (
    FilterTemplate,
    SourceTemplate,
    Template,
    all_filters,
    all_templates,
    find_filter,
    find_template,
    recognise,
)
from tnc.campaigns.templates.render import placeholders, render
from tnc.cli.config import apply_text
from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import InvalidError, RefusedError

_DOMAIN = click.option("--domain", help="Your tracking domain, for the comments; default: that of config.toml.")


@click.group()
def template() -> None:
    """Ready-made sources, networks and filters, with how well each is documented."""


def _kind(found: Template | FilterTemplate) -> str:
    if isinstance(found, FilterTemplate):
        return "filter"
    return "source" if isinstance(found, SourceTemplate) else "network"


def _json(found: Template | FilterTemplate) -> dict[str, Any]:
    if isinstance(found, FilterTemplate):
        return {"type": "filter", **msgspec.to_builtins(found), "open": []}
    known = {name: value for name, value in msgspec.to_builtins(found).items() if value not in (None, [], {}, ())}
    return {"type": _kind(found), **known, "open": list(placeholders(found))}


@template.command("list")
@click.option("--type", "kind", type=click.Choice(["source", "network", "filter"]), help="Only these.")
@click.option("--url", metavar="OFFER_URL", help="Only the networks that this offer URL may belong to.")
@with_json
def list_(kind: str | None, url: str | None, as_json: bool) -> None:
    """List the templates, or the networks that an offer URL may belong to."""
    found: Sequence[Template | FilterTemplate]
    found = (*all_templates(), *all_filters()) if url is None else recognise(url)
    found = [each for each in found if kind in (None, _kind(each))]
    if as_json:
        print_json([_json(each) for each in found])
        return
    for each in found:
        click.echo(f"{each.id:28} {_kind(each):8} {each.confidence:13} {each.name}")


def _domain(context: CliContext, given: str | None) -> str:
    """The domain for the comments: as given, else that of `config.toml`, which `show` does not need."""
    if given:
        return given
    try:
        domain = context.settings().domains_default
    except InvalidError:
        return PLACEHOLDER
    if not domain:
        click.echo('set your domain: write default = "go.example.com" under [domains] in config.toml', err=True)
    return domain or PLACEHOLDER


@template.command("show")
@click.argument("template_id", metavar="ID")
@_DOMAIN
@with_json
@with_context
def show(context: CliContext, template_id: str, domain: str | None, as_json: bool) -> None:
    """Print one as TOML, with what to set up in the ad account or network."""
    found = find_filter(template_id) or find_template(template_id)
    text = found.toml if isinstance(found, FilterTemplate) else render(found, domain=_domain(context, domain))
    if as_json:
        print_json({**_json(found), "toml": text})
    else:
        click.echo(text, nl=False)


@template.command("apply")
@click.argument("template_id", metavar="ID")
@click.option("--set", "given", multiple=True, metavar="WORD=VALUE", help="Fill in a YOUR_... placeholder; repeatable.")
@_DOMAIN
@with_json
@with_context
def apply(context: CliContext, template_id: str, given: Sequence[str], domain: str | None, as_json: bool) -> None:
    """Add it to the configuration; refused if a YOUR_... placeholder is left or its id exists."""
    found = find_filter(template_id) or find_template(template_id)
    words = _words(given)
    text = (
        found.toml
        if isinstance(found, FilterTemplate)
        else render(found, domain=_domain(context, domain), values=words)
    )
    with context.workspace() as workspace:
        _, configuration = workspace.configuration()
    taken: dict[str, Container[str]]
    taken = {"source": configuration.sources, "network": configuration.networks, "filter": configuration.filters}
    if found.id in taken[_kind(found)]:
        raise RefusedError(
            f"there is a {_kind(found)} {found.id!r} already; "
            f"`tnc template show {found.id}` prints the template, so that you can copy what you need."
        )
    result = apply_text(context, text, f"{found.id}.toml", prune=False)
    if as_json:
        print_json({key: value for key, value in result.items() if key != "text"})
        return
    click.echo(result["text"])
    for line in text.splitlines():
        if line.startswith("#"):
            click.echo(plain(line.removeprefix("# ")))


def _words(given: Sequence[str]) -> dict[str, str]:
    words = dict(each.partition("=")[::2] for each in given)
    if not all(words.values()):
        raise InvalidError("--set takes a placeholder of the template and its value, like --set YOUR_KEY=abc.")
    return words
