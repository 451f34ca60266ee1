"""The postback log: every call with what became of it, and processing calls again."""

import re

from tests.web.dashboard.conftest import Client, Open
from tests.web.dashboard.installed import Installation

MAPPED = """
[[network]]
id = "good-network"
name = "Good Network"
statuses = { sale = ["approved", "gezahlt"], lead = ["pending"] }
"""


async def test_postbacks_are_listed_with_their_results(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    everything, unmatched = await client.text("/postbacks"), await client.text("/postbacks?outcome=unmatched")

    assert [note in everything for note in ("A new conversion.", "No click here has this id")] == [True] * 2
    assert "A new conversion." not in unmatched
    assert unmatched.count(">Process again<") == 4  # an unknown status and click, a wrong key and a payout that is none
    assert everything.count(">Process again<") == 4
    assert '<code>key</code></dt><dd class="break">***</dd>' in everything
    assert "s3cret" not in everything


def outcomes(text: str) -> list[str]:
    return re.findall(r'<td><span class="badge ([\w-]+)">', text)


async def test_postbacks_are_filtered_by_result(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    assert set(outcomes(await client.text("/postbacks?outcome=new"))) == {"new"}
    assert outcomes(await client.text("/postbacks?outcome=unknown-click")) == ["unknown-click"]


async def names(client: Client) -> dict[str, str]:
    """What the calls that can be processed again came to, by their names."""
    text = await client.text("/postbacks")
    rows = re.findall(r'<span class="badge ([\w-]+)">.*?name="call" value="([\d-]+)"', text, re.DOTALL)
    return {name: outcome for outcome, name in rows}


async def test_one_postback_or_all_unmatched_are_processed_again(owner: Open, fresh: Installation) -> None:
    clicks = [fresh.visit(), fresh.visit(ip="8.8.1.1")]
    for click in clicks:
        fresh.postback(click.click_id, status="approved", key="wrong")
    fresh.apply(MAPPED)  # without a key
    client = await owner(fresh)
    first, second = sorted(await names(client))

    one = await client.send("/postbacks/replay", {"call": second})

    assert "1 postback was processed again" in await client.text(one)
    assert list(await names(client)) == [first]
    everything = await client.send("/postbacks/replay")
    assert "1 postback was processed again" in await client.text(everything)
    assert await names(client) == {}
    assert all(fresh.workspace.histories.get(click.click_id).conversions for click in clicks)


async def test_unknown_results_are_refused(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    assert (await client.get("/postbacks?outcome=nonsense")).status == 422
    assert "processed again." not in await client.text("/postbacks?processed=%3Cb%3E")


async def test_an_empty_log_says_what_to_do(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    assert "postback URL" in await client.text("/postbacks")
    assert "Show all postbacks" in await client.text("/postbacks?outcome=new")


async def test_nothing_is_processed_again_by_a_link(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    assert (await client.get("/postbacks/replay")).status == 405
