"""docs/configuration.md has a row for every key of the tables."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.campaigns.shop import read
from tnc.campaigns.destination_schema import COMMON
from tnc.campaigns.export import export_toml
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.schema import CAP, COST, FLOW, NOUNS, POSTBACK, WEIGHTED_LANDER, WEIGHTED_OFFER
from tnc.core.models import Configuration
from tnc.core.settings import SETTINGS
from tnc.core.shapes import Key
from tnc.core.toml import inline

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def default(key: Key, *, is_id: bool) -> str:
    if is_id:
        return "the id"
    if key.needed:
        return "needed"
    return "" if key.default is None else f"`{inline(key.shape.write(key.default))}`"


def table(keys: Mapping[str, Key], as_id: tuple[str, ...] = ()) -> str:
    rows = [
        f"| `{name}` | {key.text} | {key.shape.allowed} | {default(key, is_id=name in as_id)} |"
        for name, key in keys.items()
    ]
    return "\n".join(("| key | what for | must be | default |", "|---|---|---|---|", *rows))


def tables() -> Iterator[tuple[str, str]]:
    """Every table of the page under its heading."""
    for noun in NOUNS.values():
        if noun.name != "destination":
            yield f"[[{noun.name}]]", table(noun.keys, noun.as_id)
    yield "[[destination]]", table(COMMON, ("name",))
    yield "[[campaign.flow]]", table(FLOW.keys)
    for name, shape in (("cost", COST), ("cap", CAP), ("postback", POSTBACK)):
        yield name, table(shape.keys)
    yield "landers", table(WEIGHTED_LANDER.keys)
    yield "offers", table(WEIGHTED_OFFER.keys)
    for kind, each in PLATFORMS.items():
        yield f"type = {kind}", table(each.keys)
    yield "config.toml", table(SETTINGS)


@pytest.mark.parametrize(("heading", "text"), list(tables()), ids=lambda value: value if "\n" not in value else "table")
def test_the_page_has_every_table_of_keys(heading: str, text: str) -> None:
    section = re.split(r"^#+ ", PAGE, flags=re.MULTILINE)
    (found,) = (each for each in section if each.split("\n")[0].replace("`", "").replace('"', "") == heading)

    assert text in found


def test_the_complete_example_can_be_applied() -> None:
    (example,) = re.findall(r"```toml\n(# A complete example.*?)```", PAGE, flags=re.DOTALL)

    found = read(example)

    assert all(getattr(found, noun.plural) for noun in NOUNS.values())
    assert read(export_toml(found), base=found) == found


def test_the_smaller_examples_can_be_applied_after_it() -> None:
    (example,) = re.findall(r"```toml\n(# A complete example.*?)```", PAGE, flags=re.DOTALL)
    base: Configuration = read(example)
    others = [each for each in re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL) if each != example]

    assert others
    for each in others:
        read(each, base=base)
