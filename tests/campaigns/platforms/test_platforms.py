"""The guide for owners names what there is."""

from pathlib import Path
from typing import get_args

import pytest

from tnc.campaigns.platforms.base import SkipReason
from tnc.campaigns.platforms.registry import PLATFORMS

GUIDE = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("of", PLATFORMS)
def test_every_type_is_built_and_its_keys_are_explained(of: str) -> None:
    assert PLATFORMS[of].type == of
    assert of in GUIDE
    assert [key for key in PLATFORMS[of].keys if f"`{key}`" not in GUIDE] == []


def test_every_reason_not_to_send_is_explained() -> None:
    assert [why for why in get_args(SkipReason) if f"`{why}`" not in GUIDE] == []


@pytest.mark.parametrize("of", PLATFORMS)
def test_the_dashboard_explains_every_key_in_the_same_words(of: str) -> None:
    text = " ".join(GUIDE.split())

    assert [key for key, each in PLATFORMS[of].keys.items() if each.where not in text] == []
