"""The register, one request, terms and what is stored, on the owner's screen."""

from html import unescape

import pytest

from tests.web.dashboard.conftest import EMAIL, PASSWORD, Open
from tests.web.dashboard.invented import InventedAppliance
from tnc.core.errors import InvalidError

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
    named = await (await client.get("/people/6f1c0a93be?click=abc")).text()
    assert "What there is of this person" not in named  # nobody is named in an address of ours
    found = await (
        await client.post("/people/aa00bb11cc/act", headers=OURS, data={"click": "abc", "do": "find"})
    ).text()
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
    assert [each for each in appliance.people.asked if each[0] == "erase"] == [
        ("erase", ("aa00bb11cc", {"click": "abc"}))
    ]


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


async def test_what_was_typed_stays_when_a_step_is_refused(
    owner: Open, appliance: InventedAppliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InvalidError("say why it is denied.")

    for step in ("move", "extend", "find"):
        monkeypatch.setattr(appliance.people, step, refuse)
    client = await owner(appliance)
    forms = {
        "move": {"state": "denied", "reason": "because", "answer": "We <b>cannot</b> tell."},
        "extend": {"until": "2026-12-24", "reason": "much to do"},
        "act": {"do": "find", "ip": "203.0.113.300"},
    }

    for step, given in forms.items():
        answer = await client.post(f"/people/aa00bb11cc/{step}", headers=OURS, data=given)
        text = unescape(await answer.text())

        assert answer.status == 422
        assert '<p class="error" role="alert">Say why it is denied.</p>' in text
        assert "What was asked for" in text
        assert all(word in text for name, word in given.items() if name != "do")
    assert (await client.post("/people/nothing/move", headers=OURS, data=forms["move"])).status == 404


async def test_terms_change_only_after_what_goes_was_shown(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    assert "2026-11-30 00:00" in await (await client.get("/keeping")).text()

    preview = await (await client.post("/keeping", headers=OURS, data={"clicks": "30", "support": ""})).text()
    assert "2 days with" in preview
    assert appliance.people.asked == [("preview", {"clicks": 30})]
    for wrong in ({}, {"password": "not it"}):
        refused = await client.post("/keeping", headers=OURS, data={"clicks": "30", "sure": "yes"} | wrong)
        assert refused.status == 403
        assert "What would go by this change" in await refused.text()
    assert "set" not in [asked for asked, _ in appliance.people.asked]
    sure = {"clicks": "30", "sure": "yes", "password": PASSWORD}
    done = await client.post("/keeping", headers=OURS, data=sure, allow_redirects=False)

    assert done.status == 303
    assert appliance.people.asked[-1] == ("set", {"clicks": 30})
    after = await (await client.get("/keeping")).text()
    assert "Who changed what" in after
    assert EMAIL in after


@pytest.mark.parametrize("data", [{}, {"clicks": "soon"}, {"clicks": "-1"}, {"clicks": "1234567"}])
async def test_unfit_terms_are_refused(owner: Open, appliance: InventedAppliance, data: dict[str, str]) -> None:
    client = await owner(appliance)

    refused = await client.post("/keeping", headers=OURS, data=data | {"support": "100"} if data else data)

    assert refused.status == 422
    text = await refused.text()
    assert 'role="alert"' in text
    assert all(f'name="clicks" value="{days}"' in text for days in data.values())


@pytest.mark.parametrize("path", ["/people", "/people/aa00bb11cc", "/keeping", "/stored", "/records"])
async def test_all_about_people_is_in_their_room(owner: Open, appliance: InventedAppliance, path: str) -> None:
    client = await owner(appliance)

    text = await (await client.get(path)).text()

    assert text.count('aria-current="page"') == 1
    assert '<a href="/people" aria-current="page">' in text


async def test_the_map_is_shown_by_class(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    whole = await (await client.get("/stored")).text()
    personal = await (await client.get("/stored?class=pii")).text()

    assert "campaign" in whole
    assert "graph.facebook.com" in whole
    assert '<th scope="row">sealed</th>' in personal
    assert '<th scope="row">campaign</th>' not in personal


async def test_longer_terms_need_no_password(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    done = await client.post("/keeping", headers=OURS, data={"clicks": "120", "sure": "yes"}, allow_redirects=False)

    assert done.status == 303


async def test_what_is_late_stands_on_every_page(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    for address in ("/", "/campaigns", "/reports", "/settings"):
        assert "1 request of a person is overdue" in await (await client.get(address)).text()


async def test_a_copy_is_downloaded_and_visits_leave_no_trace(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    copy = await client.post("/people/aa00bb11cc/act", headers=OURS, data={"click": "abc", "do": "copy"})
    objected = await client.post("/people/aa00bb11cc/act", headers=OURS, data={"click": "abc", "do": "object"})

    assert (copy.content_type, await copy.read()) == ("application/zip", b"PK")
    assert "leave no trace until 2027-02-22" in await objected.text()


async def test_what_a_receiver_did_is_noted(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    shown = await (await client.get("/people/aa00bb11cc")).text()

    data = {"receiver": "meta-main", "outcome": "letter"}
    answer = await client.post("/people/aa00bb11cc/told", headers=OURS, data=data, allow_redirects=False)

    assert "What became of it at meta-main" in shown
    assert answer.status == 303
    assert ("settle", ("aa00bb11cc", "meta-main", "letter")) in appliance.people.asked


async def test_a_request_gets_more_time(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)
    data = {"until": "2027-01-02", "reason": "many asked"}

    answer = await client.post("/people/aa00bb11cc/extend", headers=OURS, data=data, allow_redirects=False)
    unfit = await client.post("/people/aa00bb11cc/extend", headers=OURS, data=data | {"until": "soon"})

    assert (answer.status, unfit.status) == (303, 422)
    assert [each for each in appliance.people.asked if each[0] == "extend"] == [
        ("extend", ("aa00bb11cc", 1_798_848_000_000, "many asked"))
    ]


async def test_others_who_may_be_meant_are_counted(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    answer = await client.post(
        "/people/aa00bb11cc/act", headers=OURS, data={"ip": "203.0.113.7", "do": "find"}, allow_redirects=False
    )

    assert answer.status == 200
    assert "7 visitors" in await answer.text()


async def test_records_a_breach_and_a_receipt_are_looked_at(owner: Open, appliance: InventedAppliance) -> None:
    client = await owner(appliance)

    assert "Summer" in await (await client.get("/records")).text()
    assert "About 13 visitors." in await (await client.get("/records?from=2026-11-01&to=2026-11-02")).text()
    assert (await client.get("/records?from=whenever")).status == 422
    held = await client.post("/records", headers=OURS, data={"receipt": '{"receipt_id": "01a20c"}'})
    changed = await client.post("/records", headers=OURS, data={"receipt": "{}"})
    assert "The receipt holds" in await held.text()
    assert "it was changed" in await changed.text()
