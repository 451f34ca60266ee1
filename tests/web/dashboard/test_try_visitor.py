"""Try a visitor: the form says who, the page says where and why."""

import re

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import AMERICA, Installation

NIGHT = """
[[campaign]]
id = "night"
[[campaign.flow]]
id = "late"
when = [ { fact = "hour", between = [20, 23] } ]
offers = [ { id = "boots" } ]
"""
FACT = r"<dt>{}.*?</dt>\s*<dd[^>]*>(.*?)</dd>"


def fact(text: str, name: str) -> str:
    found = re.search(FACT.format(name), text)
    assert found is not None, name
    return found[1]


async def test_the_form_becomes_the_visitor(owner: Open, shared: Installation) -> None:
    client = await owner(shared)
    before = len(list(shared.workspace.histories.newest()))
    form = {
        "campaign": "summer",
        "ip": f" {AMERICA} ",
        "browser": "iPhone, Safari",
        "user_agent": "",
        "language": "de-AT",
        "referrer": "https://news.example/",
        "query": "?site=12&ext=abc",
        "time": "2026-11-23T22:30",
        "try": "1",
    }

    text = await client.text("/try", params=form)

    assert "What would happen" in text
    assert "country is US or CA: yes, it is US" in text
    facts = [
        fact(text, name)
        for name in ("IP address", "Browser", "Language", "Referrer", r"site \(sub1\)", "Source&#39;s click id")
    ]
    assert facts == [AMERICA, "Safari", "de", "https://news.example/", "12", "abc"]
    assert 'value="https://land.example/quiz?k=' in text
    assert len(list(shared.workspace.histories.newest())) == before, "nothing is recorded"


async def test_the_visit_is_tried_at_the_time_of_the_form(owner: Open, fresh: Installation) -> None:
    fresh.apply(NIGHT)
    client = await owner(fresh)

    evening = await client.text("/try", params={"campaign": "night", "time": "2026-11-23T22:30", "try": "1"})
    now = await client.text("/try", params={"campaign": "night", "try": "1"})

    assert "hour is between 20 and 23: yes, it is 22" in evening
    assert "hour is between 20 and 23: no, it is 14" in now


async def test_an_own_user_agent_wins_over_the_preset(owner: Open, shared: Installation) -> None:
    client = await owner(shared)
    chosen = {"campaign": "autumn", "browser": "curl", "try": "1"}

    preset = await client.text("/try", params=chosen)
    own = await client.text("/try", params=chosen | {"user_agent": "mine/1"})

    assert fact(preset, "User agent") == "curl/8.18.0"
    assert fact(own, "User agent") == "mine/1"


async def test_opening_the_page_tries_nothing(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    text = await client.text("/try?campaign=autumn")

    assert '<option value="autumn" selected>' in text
    assert "Old one" not in text
    assert "What would happen" not in text


@pytest.mark.parametrize(
    ("params", "status", "complaint"),
    [
        ({"campaign": "nowhere"}, 404, "no campaign &#39;nowhere&#39;"),
        ({"campaign": "summer", "time": "yesterday"}, 422, "is no time"),
        ({"campaign": "summer", "ip": "203.0.113.300"}, 422, "203.0.113.300"),
    ],
)
async def test_mistakes_are_shown_and_the_form_is_kept(
    owner: Open, shared: Installation, params: dict[str, str], status: int, complaint: str
) -> None:
    client = await owner(shared)

    answer = await client.get("/try", params=params | {"try": "1", "language": "kept"})

    text = await answer.text()
    assert answer.status == status
    assert complaint in text
    assert 'value="kept"' in text


async def test_without_campaigns_it_says_what_to_do(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "No campaign to try" in await client.text("/try")
