"""The first page: today, the visits by hour, and what to do when there are none yet."""

import re
from pathlib import Path
from typing import Any

from tests.web.dashboard.conftest import Open
from tests.web.dashboard.installed import NOW_MS, Installation
from tnc.core.clock import DAY_MS, HOUR_MS, new_id
from tnc.reports.client import ReportClient
from tnc.web.dashboard.overview import by_hour, first_hour_ms, summary


async def test_today_is_compared_with_yesterday_until_the_same_time(owner: Open, fresh: Installation) -> None:
    times = [NOW_MS - DAY_MS - HOUR_MS - number * 1000 for number in range(1, 5)]
    times += [NOW_MS - DAY_MS + HOUR_MS]  # yesterday, but later in the day
    times += [NOW_MS - number * 1000 for number in range(1, 8)]
    fresh.visits([fresh.arriving(at_ms=at_ms) for at_ms in sorted(times)])
    client = await owner(fresh)

    text = await client.text("/")

    assert "<dt>Visits</dt>\n    <dd>7" in text
    assert "3 more than 4 before" in text
    assert "Today, compared with yesterday until 14:00 UTC" in text


async def test_amounts_without_a_rate_are_named(owner: Open, fresh: Installation) -> None:
    fresh.visits([fresh.arriving(at_ms=NOW_MS - 2000)])
    bought = {"click_id": new_id(NOW_MS - 1000, bytes(8)), "clicked_at": "2026-11-23T14:05:05.123Z"}
    fresh.import_clicks(bought | {"campaign": "summer", "cost": 3.5, "currency": "XOF"})
    client = await owner(fresh)

    for path in ("/", "/reports"):
        assert "+ 3.50 XOF (1 amount) is not in cost" in await client.text(path)


async def test_every_hour_is_in_the_table(owner: Open, shared: Installation) -> None:
    client = await owner(shared)

    for period, hours in (("24h", 24), ("7d", 168), ("nonsense", 24)):
        text = await client.text("/", params={"period": period})
        assert len(re.findall(r'<td class="num" data-value="\d+">', text)) == 2 * hours
        assert len(re.findall(r'<rect [^>]*class="valid"', text)) == hours


async def test_without_a_campaign_it_says_how_to_make_one(owner: Open, bare: Installation) -> None:
    client = await owner(bare)

    text = await client.text("/")

    assert "Make your first campaign" in text
    assert "tnc apply first.toml" in text


async def test_without_a_click_it_shows_the_link_to_click(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)

    text = await client.text("/")

    assert "No clicks yet" in text
    assert 'value="https://track.example/summer"' in text


async def test_problems_are_shown_on_top(owner: Open, fresh: Installation) -> None:
    fresh.workspace.settings.key.chmod(0o644)
    client = await owner(fresh)

    for path in ("/", "/settings"):
        assert "Others on this machine can read the key file" in await client.text(path)


async def test_problems_are_examined_again_after_half_a_minute(owner: Open, fresh: Installation) -> None:
    client = await owner(fresh)
    assert "can read the key file" not in await client.text("/settings")
    fresh.workspace.settings.key.chmod(0o644)

    fresh.clock.later(seconds=29)
    assert "can read the key file" not in await client.text("/settings")
    fresh.clock.later(seconds=1)
    assert "can read the key file" in await client.text("/settings")


async def test_a_failed_report_leaves_the_rest_of_the_page(owner: Open, fresh: Installation) -> None:
    fresh.workspace.settings.key.chmod(0o644)
    client = await owner(fresh, reports=ReportClient(Path("/no/such/config.toml")))

    text = await client.text("/")

    assert "can read the key file" in text
    assert "The report could not be made" in text
    assert "No clicks yet" not in text


def test_hours_without_visits_are_counted_as_zero() -> None:
    first_ms = first_hour_ms(NOW_MS, 3)
    rows: list[dict[str, Any]] = [{"hour": "2026-11-23T13:00", "visits": 4, "valid": 2}, {"hour": None, "visits": 9}]

    hours = by_hour(rows, first_ms=first_ms, hours=3)

    assert [(hour.visits, hour.valid, hour.height, hour.valid_height) for hour in hours] == [
        (0, 0, 0, 0),
        (4, 2, 100, 50),
        (0, 0, 0, 0),
    ]
    assert summary(hours).startswith("4 visits; the busiest hour was 23 Nov 13:00 UTC with 4.")
    assert summary(by_hour([], first_ms=first_ms, hours=3)) == "No visits in this period."
