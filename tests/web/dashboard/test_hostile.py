"""Words from outside are text on every page, whatever they look like."""

import re
from html.parser import HTMLParser

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.hostile import hostile
from tests.web.dashboard.invented import DB_IP
from tnc.web.dashboard import campaigns

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'base.html' %}",
    "</textarea></title></style><svg/onload=alert(1)>",
    "\u202egnp.exe\u0000\u0007",
)
# The elements that our templates are made of.
TAGS = frozenset(
    re.findall(
        r"\w+",
        """
        a body button caption code datalist dd details div dl dt figcaption figure footer form h1 h2 h3 head header html
        input label li link main meta nav ol optgroup option p rect script section select small span strong summary
        svg table tbody td th thead time title tr ul use
        """,
    )
)


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_word_becomes_an_element(owner: Open, attack: str) -> None:
    appliance = hostile(attack)
    client = await owner(appliance)
    click_id = appliance.told[0].click.click_id
    pages = ["/", "/campaigns", "/campaigns/summer", "/clicks", f"/clicks/{click_id}", "/try?campaign=summer&try=1",
             "/reports?by=isp&by=sub1", "/filters", "/settings",
             "/inbox", "/destinations", "/destinations/meta-main", "/destinations/meta-main/edit"]  # fmt: skip

    for path in pages:
        elements = Elements()
        answer = await client.get(path)
        elements.feed(await answer.text())

        assert answer.status == 200, path
        assert {tag for tag, _ in elements.tags} <= TAGS, path
        assert attack[1:] in "".join(elements.words), path  # its first letter may have become a capital
        for tag, attributes in elements.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag)
            assert tag != "script" or str(attributes["src"]).startswith("/static/"), path
            address = attributes.get("href") or attributes.get("action") or "/"
            assert address.startswith(("/", "#")) or address == DB_IP.url, (path, tag, address)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_was_typed_comes_back_as_text(owner: Open, attack: str) -> None:
    client = await owner(hostile("plain"))
    typed = dict.fromkeys(("campaign", "ip", "user_agent", "language", "referrer", "query", "time", "try"), attack)

    for path, query in (("/try", typed), ("/reports", {"timezone": attack, "from": attack, "campaign": attack})):
        elements = Elements()
        elements.feed(await (await client.get(path, params=query)).text())

        assert {tag for tag, _ in elements.tags} <= TAGS


async def test_an_offers_address_cannot_break_the_postback_to_copy() -> None:
    assert campaigns._echo('https://x.example/?"><script>={click_id}') == '"><script>'
    assert campaigns._echo("https://x.example/") == "click_id"
