"""A small shop in TOML, and functions to read a file and to get its mistakes."""

from collections.abc import Mapping

import pytest

from tnc.campaigns.parse import read_toml
from tnc.core.errors import InvalidError
from tnc.core.models import Configuration

SECRETS: Mapping[str, str] = {
    "env:META_TOKEN": "meta-token-1",
    "file:/run/secrets/hook": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=",
    "env:UNFILLED": "YOUR_TOKEN",
    "env:LINES": "one\ntwo",
    "env:SPACES": " s3cret ",
    "file:/run/secrets/spaces": "s3cret \n",
}

SHOP = """
[[source]]
id = "native-ads"

[[network]]
id = "good-network"
key = "s3cret"

[[offer]]
id = "boots"
network = "good-network"
url = "https://shop.example/boots?s2={click_id}"

[[offer]]
id = "shoes"
url = "https://shop.example/shoes?s2={click_id}"
payout = 12.5
cap = { conversions = 100, then = "boots" }

[[lander]]
id = "quiz"
url = "https://land.example/quiz?k={click_id}"

[[filter]]
id = "standard"
when = [ { fact = "traffic", is = ["bot"] } ]

[[destination]]
id = "meta-main"
type = "meta"
pixel = "123456789012345"
access_token = "env:META_TOKEN"

[[campaign]]
id = "summer"
source = "native-ads"
filter = "standard"
destinations = ["meta-main"]

[[campaign.flow]]
id = "us-mobile"
when = [ { fact = "country", is = ["US"] } ]
landers = [ { id = "quiz" } ]
offers = [ { id = "shoes", weight = 70 }, { id = "boots", weight = 30 } ]

[[campaign.flow]]
id = "rest"
offers = [ { id = "boots" } ]
"""


def secret(reference: str) -> str:
    if reference not in SECRETS:
        raise InvalidError(f"{reference.partition(':')[2]} is not there")
    return SECRETS[reference]


def read(
    text: str,
    *,
    base: Configuration | None = None,
    prune: bool = False,
    allow_hosts: tuple[str, ...] = (),
) -> Configuration:
    return read_toml(
        text, file="shop.toml", base=base or Configuration(), prune=prune, allow_hosts=allow_hosts, secret=secret
    )


def shop() -> Configuration:
    return read(SHOP)


def refusal(text: str, *, base: Configuration | None = None, allow_hosts: tuple[str, ...] = ()) -> str:
    """The message about a file that is applied to the shop."""
    with pytest.raises(InvalidError) as refused:
        read(text, base=shop() if base is None else base, allow_hosts=allow_hosts)
    return str(refused.value)


def mistakes(text: str, *, base: Configuration | None = None, allow_hosts: tuple[str, ...] = ()) -> list[str]:
    """The lines after the summary, without the name of the file."""
    first, *lines = refusal(text, base=base, allow_hosts=allow_hosts).splitlines()
    count = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    assert first == f"shop.toml has {count}; nothing was changed."
    return [line.removeprefix("shop.toml: ") for line in lines]
