"""Try a visitor: the form says who, the page says where and why."""

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import InventedAppliance
from tnc.core.models import CampaignId, Configuration
from tnc.web.dashboard.ports import TryRequest
from tnc.web.dashboard.try_visitor import BROWSERS


async def test_the_form_becomes_the_visitor(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.get(
        "/try",
        params={
            "campaign": "summer",
            "ip": " 198.51.100.7 ",
            "browser": "curl",
            "user_agent": "",
            "language": "de-AT",
            "referrer": "https://news.example/",
            "query": "?site=12&ext=abc",
            "time": "2026-11-23T22:30",
            "try": "1",
        },
    )

    text = await answer.text()
    assert answer.status == 200
    assert "What would happen" in text
    assert "country is US or CA: yes, it is US" in text
    assert appliance.tried == [
        TryRequest(
            campaign=CampaignId("summer"),
            ip="198.51.100.7",
            user_agent=BROWSERS["curl"],
            language="de-AT",
            referrer="https://news.example/",
            query="site=12&ext=abc",
            visited_at_ms=1_795_473_000_000,
        )
    ]


async def test_an_own_user_agent_wins_over_the_preset(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    await client.get("/try", params={"campaign": "summer", "browser": "curl", "user_agent": "mine/1", "try": "1"})

    assert appliance.tried[0].user_agent == "mine/1"
    assert appliance.tried[0].visited_at_ms is None


async def test_the_page_alone_asks_nothing(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await (await client.get("/try?campaign=autumn")).text()

    assert '<option value="autumn" selected>' in text
    assert "Old one" not in text
    assert not appliance.tried


@pytest.mark.parametrize(
    ("params", "status", "complaint"),
    [
        ({"campaign": "nowhere"}, 404, "no campaign of this id"),
        ({"campaign": "summer", "time": "yesterday"}, 422, "is no time"),
    ],
)
async def test_mistakes_are_said_and_the_form_is_kept(
    owner: Open, appliance: InventedAppliance, params: dict[str, str], status: int, complaint: str
) -> None:
    client = await owner(appliance)

    answer = await client.get("/try", params=params | {"try": "1", "language": "kept"})

    text = await answer.text()
    assert answer.status == status
    assert complaint in text
    assert 'value="kept"' in text


async def test_without_campaigns_it_says_what_to_do(owner: Open) -> None:
    client = await owner(InventedAppliance(config=Configuration()))

    assert "No campaign to try" in await (await client.get("/try")).text()
