"""The guide for owners names what there is."""

from pathlib import Path
from typing import get_args

import pytest

from tnc.campaigns.destination_schema import TYPES
from tnc.core.models import DestinationType
from tnc.destinations.delivery import Why
from tnc.destinations.platforms.guides import WHERE
from tnc.destinations.platforms.registry import DESTINATIONS

GUIDE = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("of", get_args(DestinationType))
def test_every_type_is_built_and_its_keys_are_explained(of: DestinationType) -> None:
    assert DESTINATIONS[of].type == of
    assert of in GUIDE
    assert [key for key in TYPES[of].keys if f"`{key}`" not in GUIDE] == []


def test_every_reason_not_to_send_is_explained() -> None:
    assert [why for why in get_args(Why) if f"`{why}`" not in GUIDE] == []


@pytest.mark.parametrize("of", get_args(DestinationType))
def test_the_dashboard_explains_every_key_in_the_same_words(of: DestinationType) -> None:
    text = " ".join(GUIDE.split())

    assert WHERE[of].keys() == TYPES[of].keys.keys()
    assert [key for key, where in WHERE[of].items() if where not in text] == []
