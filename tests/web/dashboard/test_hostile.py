"""Words from outside are text on every page, whatever they look like."""

import re
from html.parser import HTMLParser

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.hostile import hostile
from tests.web.dashboard.installed import Installation
from tnc.visitors.request import clean
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
        input label li link main meta nav ol optgroup option p pre rect script section select small span strong summary
        svg table tbody td textarea th thead time title tr ul use wbr
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


def check(path: str, text: str) -> str:
    """That a page holds nothing but our own elements, and what there is to read on it and in its fields."""
    elements = Elements()
    elements.feed(text)
    assert {tag for tag, _ in elements.tags} <= TAGS, path
    for tag, attributes in elements.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag)
        assert tag != "script" or str(attributes["src"]).startswith("/static/"), path
        address = attributes.get("href") or attributes.get("action") or "/"
        assert address.startswith(("/", "#")) or address == "https://db-ip.com", (path, tag, address)
        elements.words += [attributes.get("value") or ""]
    return "".join(elements.words)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_word_becomes_an_element(owner: Open, attack: str) -> None:
    with hostile(attack) as made:
        client = await owner(made.installation)
        pages = [
            "/", "/campaigns", "/campaigns/summer", "/clicks", f"/clicks/{made.click}", f"/clicks/{made.real}",
            "/try?campaign=summer&try=1&query=x=1", "/reports?by=isp&by=bot", "/reports?by=lander&by=flow", "/filters",
            "/settings", "/postbacks", "/destinations", "/destinations/meta-main", "/destinations/meta-main/edit",
            "/privacy/requests", f"/privacy/requests/{made.request}", "/privacy/data-map", "/privacy/processing",
        ]  # fmt: skip
        silent = {
            "/settings",
            "/reports?by=isp&by=bot",
            "/privacy/requests",
            "/privacy/data-map",
        }  # none of the words is there
        named = "".join(each if each.isprintable() else "?" for each in attack)  # in a configuration
        cleaned = clean(attack)

        for path in pages:
            words = check(path, await client.text(path))

            if path not in silent:
                readable = (attack[1:], named[1:], cleaned[1:])  # the first letter may have become a capital
                assert any(each in words for each in readable), path


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_was_typed_comes_back_as_text(owner: Open, shared: Installation, attack: str) -> None:
    client = await owner(shared)
    typed = dict.fromkeys(("campaign", "ip", "user_agent", "language", "referrer", "query", "time", "try"), attack)

    for path, query in (("/try", typed), ("/reports", {"timezone": attack, "from": attack, "campaign": attack})):
        check(path, await (await client.get(path, params=query)).text())


async def test_an_offers_address_cannot_break_the_postback_to_copy() -> None:
    assert campaigns._echo('https://x.example/?"><script>={click_id}') == '"><script>'
    assert campaigns._echo("https://x.example/") == "click_id"
