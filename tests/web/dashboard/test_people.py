"""The register, one request, terms and what is stored, on the owner's screen."""

import pytest

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.invented import InventedAppliance

OURS = {"Sec-Fetch-Site": "same-origin"}


async def test_the_register_shows_what_is_due_and_what_is_late(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await (await client.get("/people")).text()

    assert "1 request is overdue" in text
    assert "<strong>overdue</strong>" in text
    assert text.index("6f1c0a93be") < text.index("aa00bb11cc") < text.index("0123456789")


async def test_a_request_that_came_by_letter_is_taken_down(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.post(
        "/people",
        headers=OURS,
        data={"kind": "access", "channel": "letter", "text": "What is there?", "contact": "ann"},
        allow_redirects=False,
    )

    assert (answer.status, answer.headers["Location"]) == (303, "/people/ffffffffff")
    assert appliance.people.told[-1]["text"] == "What is there?"


@pytest.mark.parametrize("data", [{}, {"kind": "revenge", "channel": "letter"}, {"kind": "access", "channel": "smoke"}])
async def test_unfit_requests_are_refused_in_words(
    owner: Open, appliance: InventedAppliance, data: dict[str, str]
) -> None:
    client = await owner(appliance)

    answer = await client.post("/people", headers=OURS, data=data)

    assert answer.status == 422
    assert "choose what was asked for" in (await answer.text()).lower()


async def test_one_request_shows_its_words_steps_and_what_can_follow(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    text = await (await client.get("/people/aa00bb11cc")).text()

    assert "Please erase &lt;b&gt;me&lt;/b&gt;." in text
    assert "<option>denied</option>" in text
    assert (await client.get("/people/nothing")).status == 404
    closed = await (await client.get("/people/0123456789")).text()
    assert "What happens next" not in closed


async def test_a_person_is_found_and_erased_after_typing_the_word(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    found = await (await client.get("/people/aa00bb11cc?click=abc")).text()
    assert "1,234" in found or "1 234" in found or "1\u202f234" in found

    refused = await client.post(
        "/people/aa00bb11cc/act", headers=OURS, data={"click": "abc", "do": "erase", "confirmation": "yes"}
    )
    done = await client.post(
        "/people/aa00bb11cc/act", headers=OURS, data={"click": "abc", "do": "erase", "confirmation": "erase"}
    )

    assert refused.status == 422
    assert "type the word erase" in (await refused.text()).lower()
    assert "01a20c3d4bae97f348208cd1b707" in await done.text()
    assert [each for each in appliance.people.asked if each[0] == "erase"] == [("erase", {"click": "abc"})]


@pytest.mark.parametrize("do", ["restrict", "unrestrict"])
async def test_a_person_is_restricted_and_released(owner: Open, appliance: InventedAppliance, do: str) -> None:
    client = await owner(appliance)

    answer = await client.post("/people/aa00bb11cc/act", headers=OURS, data={"visitor": "c0ffee", "do": do})

    assert answer.status == 200
    assert (do, {"visitor": "c0ffee"}) in appliance.people.asked


async def test_a_request_goes_on(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.post(
        "/people/aa00bb11cc/move",
        headers=OURS,
        data={"state": "denied", "reason": "no proof", "answer": "We cannot tell."},
        allow_redirects=False,
    )

    assert answer.status == 303
    assert appliance.people.asked == [("move", ("aa00bb11cc", "denied", "no proof", "We cannot tell."))]


async def test_terms_change_only_after_what_goes_was_shown(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    assert "2026-11-30 00:00" in await (await client.get("/keeping")).text()

    preview = await (await client.post("/keeping", headers=OURS, data={"clicks": "30", "logs": ""})).text()
    assert "2 days with" in preview
    assert appliance.people.asked == [("preview", {"clicks": 30})]
    done = await client.post("/keeping", headers=OURS, data={"clicks": "30", "sure": "yes"}, allow_redirects=False)

    assert done.status == 303
    assert appliance.people.asked[-1] == ("set", {"clicks": 30})


@pytest.mark.parametrize("data", [{}, {"clicks": "soon"}, {"clicks": "-1"}, {"clicks": "1234567"}])
async def test_unfit_terms_are_refused(owner: Open, appliance: InventedAppliance, data: dict[str, str]) -> None:
    client = await owner(appliance)

    assert (await client.post("/keeping", headers=OURS, data=data)).status == 422


async def test_the_map_is_shown_by_class(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    whole = await (await client.get("/stored")).text()
    personal = await (await client.get("/stored?class=pii")).text()

    assert "campaign" in whole
    assert "graph.facebook.com" in whole
    assert '<th scope="row">sealed</th>' in personal
    assert '<th scope="row">campaign</th>' not in personal
