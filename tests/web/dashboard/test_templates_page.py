"""Ready sources and networks: found by name, recognised by an offer's address, and added."""

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import EMAIL, Installation
from tnc.core.models import SourceId


async def test_templates_are_found_by_kind_and_by_the_address_of_an_offer(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    assert (await client.text("/templates")).count('<tr><th scope="row">') > 150
    assert "PropellerAds" not in await client.text("/templates?type=network")
    assert "MaxBounty" in await client.text("/templates?url=https%3A%2F%2Ftrk.maxbounty.com%2F%3Faid%3D1")
    assert "No known network uses this URL" in await client.text("/templates?url=https%3A%2F%2Fx.example%2F")


async def test_a_template_is_added_when_its_words_are_filled_in(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)

    refused = await client.post("/templates/propellerads", {"YOUR_AID": "1"})
    assert SourceId("propellerads") not in fresh.configuration.sources
    await client.send("/templates/propellerads", {"YOUR_AID": "1", "YOUR_TID": "2"})

    assert refused.status == 422
    assert "YOUR_TID" in await refused.text()
    made = fresh.configuration.sources[SourceId("propellerads")]
    assert made.postback is not None
    assert "YOUR_" not in made.postback.url
    assert fresh.changed_by == EMAIL
    assert "Your configuration has a traffic source with this id" in await client.text("/templates/propellerads")
    assert (await client.get("/templates/nobody")).status == 404
