"""Requests from visitors, retention, the data map and records of processing."""

import io
import json
import re
import zipfile
from html import unescape

import pytest

from tests.web.dashboard import week as weeks
from tests.web.dashboard.conftest import Client, Open
from tests.web.dashboard.installed import EMAIL, NOW_MS, PASSWORD, Installation
from tests.web.dashboard.week import Week
from tnc.core.clock import DAY_MS
from tnc.core.models import Click


def request_of(installation: Installation) -> str:
    return weeks.record(installation, "erasure", text="Please erase <b>me</b>.")


async def act(client: Client, request_id: str, do: str, **given: str) -> str:
    """What the page says after something was done about a visitor."""
    answer = await client.post(f"/privacy/requests/{request_id}/action", given | {"do": do})
    assert answer.status == 200, await answer.text()
    return await answer.text()


# ------------------------------------------------------------------------------------------------- the register


async def test_the_register_lists_what_is_due_first(owner: Open, week: Week) -> None:
    client = await owner(week.installation)

    text = await client.text("/privacy/requests")

    assert "1 request is overdue" in text
    assert text.count("<strong>overdue</strong>") == 1
    listed = re.findall(r'<th scope="row"><a href="/privacy/requests/(\w+)">', text)
    assert (listed[0], listed[-1]) == (week.late, week.closed)
    assert set(listed[1:-1]) == {week.named, week.erased}


async def test_a_request_that_came_by_letter_is_recorded(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)

    path = await client.send(
        "/privacy/requests",
        {"kind": "access", "channel": "letter", "text": "What is there?", "contact": "ann@example.com"},
    )

    text = await client.text(path)
    for word in ("access", "letter, 2026-11-23 14:05 UTC", "What is there?", "ann@example.com"):
        assert word in text
    assert path.rpartition("/")[2] in await client.text("/privacy/requests")


@pytest.mark.parametrize("data", [{}, {"kind": "revenge", "channel": "letter"}, {"kind": "access", "channel": "smoke"}])
async def test_invalid_requests_are_refused(owner: Open, shared: Installation, data: dict[str, str]) -> None:
    client = await owner(shared)

    answer = await client.post("/privacy/requests", data)

    assert answer.status == 422
    assert "choose the type of the request" in (await answer.text()).lower()


# -------------------------------------------------------------------------------------------------- one request


async def test_a_request_shows_its_text_history_and_next_states(owner: Open, week: Week) -> None:
    client = await owner(week.installation)

    text = await client.text(f"/privacy/requests/{week.named}")

    assert "Please erase &lt;b&gt;me&lt;/b&gt;." in text
    assert '<option value="denied">denied</option>' in text
    assert "2026-11-23 14:05 UTC</span> owner: acknowledged" in text
    assert (await client.get("/privacy/requests/nothing")).status == 404
    closed = await client.text(f"/privacy/requests/{week.closed}")
    assert "Change the status" not in closed
    assert '<dt>Your reply</dt><dd class="break">Done.</dd>' in closed


async def test_a_visitor_is_found_and_erased_after_typing_the_word(owner: Open, fresh: Installation) -> None:
    click, other, request_id = fresh.visit(), fresh.visit(ip="8.8.1.1"), request_of(fresh)
    client = await owner(fresh)
    named = await client.text(f"/privacy/requests/{request_id}?click={click.click_id}")
    assert "Data of this visitor" not in named  # no visitor is named in an address of the dashboard
    found = await act(client, request_id, "find", click=click.click_id)
    assert '<th scope="row">clicks</th><td class="num">1</td>' in found

    refused = await client.post(
        f"/privacy/requests/{request_id}/action", {"click": click.click_id, "do": "erase", "confirmation": "yes"}
    )
    assert refused.status == 422
    assert "type the word erase" in (await refused.text()).lower()
    assert await client.text(f"/clicks/{click.click_id}")
    done = await act(client, request_id, "erase", click=click.click_id, confirmation="erase")

    receipt = json.loads(unescape(re.findall(r'aria-label="Receipt">(.*?)</pre>', done, re.DOTALL)[0]))
    assert {"store": "clicks", "before": 1, "after": 0} in receipt["stores"]
    assert (await client.get(f"/clicks/{click.click_id}")).status == 404
    assert await client.text(f"/clicks/{other.click_id}")
    assert f"<code>{receipt['receipt_id']}</code>" in await client.text(f"/privacy/requests/{request_id}")


async def is_shown(client: Client, click: Click) -> bool:
    """Whether a click is in the click log and has a page of its own."""
    status, log = (await client.get(f"/clicks/{click.click_id}")).status, await client.text("/clicks")
    assert (status == 200) == (click.click_id in log)
    return status == 200


async def test_a_visitor_is_restricted_and_the_restriction_is_lifted(owner: Open, fresh: Installation) -> None:
    click, request_id = fresh.visit(), request_of(fresh)
    client = await owner(fresh)
    who = {"visitor": click.visit.visitor or ""}

    restricted = await act(client, request_id, "restrict", **who)
    assert '<th scope="row">clicks</th><td class="num">0</td>' in restricted
    assert not await is_shown(client, click)

    lifted = await act(client, request_id, "unrestrict", **who)
    assert '<th scope="row">restricted clicks</th><td class="num">0</td>' in lifted
    assert await is_shown(client, click)


async def test_the_reason_goes_to_the_register_and_the_reply_to_the_visitor(owner: Open, fresh: Installation) -> None:
    request_id = request_of(fresh)
    client = await owner(fresh)

    given = {"state": "denied", "reason": "no proof", "answer": "We cannot tell."}
    assert await client.send(f"/privacy/requests/{request_id}/status", given) == f"/privacy/requests/{request_id}"

    text = await client.text(f"/privacy/requests/{request_id}")
    assert '<span class="badge denied">denied</span>' in text
    assert '<dt>Your reply</dt><dd class="break">We cannot tell.</dd>' in text  # which the visitor reads
    assert "owner: denied, no proof</li>" in text  # which only the owner reads


async def test_a_refused_form_keeps_what_was_typed(owner: Open, fresh: Installation) -> None:
    request_id = request_of(fresh)
    client = await owner(fresh)
    forms = {
        "status": (
            {"state": "denied", "answer": "We <b>cannot</b> tell."},
            "Say why it becomes denied: give a reason.",
        ),
        "deadline": ({"until": "2029-12-24", "reason": "much to do"}, "It is due on 2026-12-23 and can be extended to"),
        "action": ({"do": "find", "ip": "203.0.113.300"}, "'203.0.113.300'"),
        "receiver": (
            {"receiver": "somebody", "outcome": "letter"},
            "'somebody' received no conversions of this person",
        ),
    }

    for step, (given, why) in forms.items():
        answer = await client.post(f"/privacy/requests/{request_id}/{step}", given)
        text = unescape(await answer.text())

        assert answer.status == (404 if step == "receiver" else 422)
        assert why in re.findall(r'<p class="error" role="alert">(.*?)</p>', text)[0]
        assert "What the visitor asked for" in text
        assert all(word in text for name, word in given.items() if name not in ("do", "outcome"))
    assert (await client.post("/privacy/requests/nothing/status", forms["status"][0])).status == 404


async def test_a_copy_is_downloaded(owner: Open, fresh: Installation) -> None:
    click, request_id = fresh.visit(), request_of(fresh)
    client = await owner(fresh)

    answer = await client.post(f"/privacy/requests/{request_id}/action", {"click": click.click_id, "do": "copy"})

    assert answer.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as copy:
        assert any(click.click_id.encode() in copy.read(name) for name in copy.namelist())


async def test_visits_after_an_objection_are_not_recorded(owner: Open, fresh: Installation) -> None:
    request_id = request_of(fresh)
    first = fresh.visit(ip="8.8.1.1")
    client = await owner(fresh)

    text = await act(client, request_id, "object", ip="8.8.1.1")

    assert re.search(r"are not recorded until 20\d\d-\d\d-\d\d", text)
    assert (first.visit.mode, fresh.visit(ip="8.8.1.1").visit.mode) == ("full", "none")


async def test_the_outcome_at_a_receiver_is_recorded(owner: Open, fresh: Installation) -> None:
    request_id = weeks.erased(fresh)
    client = await owner(fresh)
    assert "Result at meta-main" in await client.text(f"/privacy/requests/{request_id}")

    await client.send(f"/privacy/requests/{request_id}/receiver", {"receiver": "meta-main", "outcome": "letter"})

    assert "<strong>meta-main</strong>, 1 conversion sent: letter, 2026-11-23." in await client.text(
        f"/privacy/requests/{request_id}"
    )


async def test_a_deadline_is_extended(owner: Open, fresh: Installation) -> None:
    request_id = request_of(fresh)
    client = await owner(fresh)
    data = {"until": "2027-01-02", "reason": "many asked"}

    await client.send(f"/privacy/requests/{request_id}/deadline", data)
    unfit = await client.post(f"/privacy/requests/{request_id}/deadline", data | {"until": "soon"})

    assert unfit.status == 422
    text = await client.text(f"/privacy/requests/{request_id}")
    assert "Due 2027-01-02" in text
    assert "extended: many asked" in text


async def test_the_visitors_that_match_are_counted(owner: Open, fresh: Installation) -> None:
    for user_agent in ("Mozilla/5.0 Firefox/1", "Mozilla/5.0 Firefox/2", "Mozilla/5.0 Firefox/3"):
        fresh.visit(user_agent=user_agent)
    request_id = request_of(fresh)
    client = await owner(fresh)

    assert "3 visitors" in await act(client, request_id, "find", ip="8.8.8.8")


async def test_overdue_requests_are_shown_on_every_page(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    for address in ("/", "/campaigns", "/reports", "/settings"):
        assert "1 privacy request is overdue" in await client.text(address)


# ------------------------------------------------------------------------------------------------- retention


async def test_retention_changes_only_after_a_preview_and_the_password(owner: Open, fresh: Installation) -> None:
    old = [fresh.visit(at_ms=NOW_MS - days * DAY_MS, ip=f"8.8.1.{days}") for days in (41, 40, 40)]
    new = fresh.visit()
    client = await owner(fresh)
    assert "The oldest day, 2026-10-13, is deleted at 2027-01-11 00:00 UTC" in await client.text("/privacy/retention")

    preview = await (await client.post("/privacy/retention", {"clicks": "30"})).text()
    assert "2 days with 3 clicks, from 2026-10-13 to 2026-10-14" in preview
    for wrong in ({}, {"password": "not it"}):
        refused = await client.post("/privacy/retention", {"clicks": "30", "sure": "yes"} | wrong)
        assert refused.status == 403
        assert "What this change would delete" in await refused.text()
    assert all([await is_there(client, click) for click in old])
    await client.send("/privacy/retention", {"clicks": "30", "sure": "yes", "password": PASSWORD})

    assert [await is_there(client, click) for click in [*old, new]] == [False, False, False, True]
    after = await client.text("/privacy/retention")
    row = f"<td>{EMAIL}</td><td>clicks</td>" + "".join(f'<td class="num">{each}</td>' for each in (90, 30, 2, 3))
    assert row in after


async def is_there(client: Client, click: Click) -> bool:
    return (await client.get(f"/clicks/{click.click_id}")).status == 200


@pytest.mark.parametrize("data", [{}, {"clicks": "soon"}, {"clicks": "-1"}, {"clicks": "1234567"}])
async def test_invalid_retention_periods_are_refused(owner: Open, shared: Installation, data: dict[str, str]) -> None:
    client = await owner(shared)

    refused = await client.post("/privacy/retention", data | {"tombstones": "100"} if data else data)

    assert refused.status == 422
    text = await refused.text()
    assert 'role="alert"' in text
    assert all(f'name="clicks" value="{days}"' in text for days in data.values())


async def test_longer_retention_needs_no_password(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)

    await client.send("/privacy/retention", {"clicks": "120", "sure": "yes"})

    assert fresh.workspace.settings.clicks_days == 120


# ----------------------------------------------------------------------------------- the data map and the records


@pytest.mark.parametrize(
    "path", ["/privacy/requests", "/privacy/retention", "/privacy/data-map", "/privacy/processing"]
)
async def test_privacy_pages_are_marked_in_the_navigation(owner: Open, shared: Installation, path: str) -> None:
    client = await owner(shared)

    text = await client.text(path)

    assert text.count('aria-current="page"') == 1
    assert text.count(f'<a href="{path}" aria-current="true">') == 1
    assert '<a href="/privacy/requests" aria-current="page">' in text


async def test_the_data_map_is_filtered_by_class(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    whole, personal = await client.text("/privacy/data-map"), await client.text("/privacy/data-map?class=pii")

    assert "campaign" in whole
    assert "<td>127.0.0.1</td>" in whole  # where the stand-in for Meta is
    assert '<th scope="row">sealed</th>' in personal
    assert '<th scope="row">campaign</th>' not in personal


async def test_records_and_a_breach_are_drafted(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    assert "<strong>Summer</strong>: counting visits" in await client.text("/privacy/processing")
    visitors, visits = re.findall(
        r"about (\d+) visitors of links, (\d+) visits between 2026-11-20",
        await client.text("/privacy/processing?from=2026-11-20"),
    )[0]
    assert 200 < int(visitors) < int(visits) < 2_000
    assert "0 visits between" in await client.text("/privacy/processing?from=2026-11-01&to=2026-11-02")
    assert (await client.get("/privacy/processing?from=whenever")).status == 422


async def test_receipts_are_checked(owner: Open, fresh: Installation) -> None:
    eraser = fresh.services.eraser
    receipt = eraser.erase(eraser.subject(click=fresh.visit().click_id))
    client = await owner(fresh)

    held = await client.post("/privacy/processing", {"receipt": json.dumps(receipt)})
    changed = await client.post("/privacy/processing", {"receipt": json.dumps(receipt | {"subject": "somebody"})})
    no_receipt = await client.post("/privacy/processing", {"receipt": "[]"})

    assert "The receipt is valid" in await held.text()
    assert "The receipt is not valid: " in await changed.text()
    assert no_receipt.status == 422
