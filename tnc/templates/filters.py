"""Ready filters: each is a commented file of its own, as its owner applies it."""

from importlib import resources
from typing import Final, Literal

from msgspec import Struct

_NAMES: Final = {"standard": "Standard filter"}


class FilterTemplate(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    confidence: Literal["confirmed"] = "confirmed"  # it is ours
    toml: str


def all_filters() -> tuple[FilterTemplate, ...]:
    folder = resources.files("tnc.templates")
    return tuple(
        FilterTemplate(id=identity, name=name, toml=folder.joinpath(f"{identity}.toml").read_text(encoding="utf-8"))
        for identity, name in _NAMES.items()
    )


def find_filter(identity: str) -> FilterTemplate | None:
    return next((each for each in all_filters() if each.id == identity), None)
