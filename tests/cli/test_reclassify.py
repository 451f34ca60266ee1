"""`tnc reclassify`: a dry run on past clicks, the change of their classification, and its undo."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.cli.conftest import Done, Tnc
from tnc.core.clock import World
from tnc.core.models import CampaignId
from tnc.core.settings import Settings
from tnc.store.days.files import Days
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.visitors.request import Request

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FRANCE, AMERICA = "90.0.0.1", "8.8.8.8"

SHOP = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
[[filter]]
id = "strict"
when = [ {when} ]
mode = "{mode}"
[[campaign]]
id = "summer"
filter = "strict"
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
[[campaign]]
id = "other"
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""
NOBODY = '{ fact = "browser", is = ["Lynx"] }'
NO_FIREFOX = '{ fact = "browser", is = ["Firefox"] }'

Visits = Callable[..., list[str]]


@pytest.fixture
def shop(tnc: Tnc, settings: Settings, tmp_path: Any) -> Callable[..., Done]:
    """Applies the campaign with a filter of these conditions."""

    def apply(when: str, mode: str = "enforce") -> Done:
        file = tmp_path / "shop.toml"
        file.write_text(SHOP.format(when=when, mode=mode))
        done = tnc("apply", str(file))
        assert done.code == 0, done.err
        return done

    return apply


@pytest.fixture
def visits(tnc: Tnc, settings: Settings) -> Visits:
    """Record a visit for each IP address and user agent; returns the click ids."""

    def come(*visitors: tuple[str, str], campaign: str = "summer", **headers: str) -> list[str]:
        with (
            Workspace(settings, World(), to_write=True) as workspace,
            closing(Days(workspace.paths.days, workspace.keyring)) as days,
        ):
            workspace.rotate_salts()
            tracker = make_tracker(workspace, visit_reader(workspace))
            clicks: list[str] = []
            for ip, user_agent in visitors:
                sent = [("User-Agent", user_agent), *headers.items()]
                request = Request.of(
                    sent, host="go.example", target="/", peer=ip, secure=False, arrived_at_ms=workspace.world.now_ms()
                )
                click = tracker.arrive(workspace.plan(CampaignId(campaign)), request).stored
                day = (workspace.id, utc_date(click.clicked_at_ms))
                days.transact(day, lambda writer, click=click: writer.add_click(click))  # type: ignore[misc]
                clicks.append(click.click_id)
        return clicks

    return come


def report(tnc: Tnc) -> tuple[int, int]:
    totals = tnc("report", "--by", "campaign", "--json").json["totals"]
    return totals["visits"], totals["invalid"]


def test_new_conditions_are_tried_applied_and_undone(tnc: Tnc, shop: Callable[..., Done], visits: Visits) -> None:
    shop(NOBODY)
    firefox, chrome = visits((AMERICA, FIREFOX), (AMERICA, CHROME))
    visits((AMERICA, FIREFOX), campaign="other")
    before = tnc("click", firefox, "--json").json
    assert report(tnc) == (3, 0)

    shop(NO_FIREFOX)  # applying it does not change past clicks
    assert (tnc("click", firefox, "--json").json, report(tnc)) == (before, (3, 0))

    tried = tnc("reclassify", "strict", "--dry-run", "--json").json
    assert list(tried) == ["filter", "from", "to", "examined", "changed", "dry_run"]
    assert (tried["examined"], tried["changed"], tried["dry_run"]) == (2, 1, True)
    assert (tnc("click", firefox, "--json").json, report(tnc)) == (before, (3, 0))

    done = tnc("reclassify", "strict", "--json").json
    after = tnc("click", firefox, "--json").json
    assert (done["examined"], done["changed"], done["dry_run"]) == (2, 1, False)
    assert report(tnc) == (3, 1)
    assert (after["filter"], after["reasons"]) == ("strict", ["filter_browser"])
    assert {**after, "filter": None, "reasons": []} == before  # the destination of the click does not change
    assert tnc("click", chrome, "--json").json["filter"] is None
    assert tnc("reclassify", "strict", "--json").json["changed"] == 0

    undone = tnc("reclassify", "strict", "--undo", "--json").json
    assert (undone["examined"], undone["changed"]) == (1, 1)
    assert (tnc("click", firefox, "--json").json, report(tnc)) == (before, (3, 0))
    assert tnc("reclassify", "strict", "--undo", "--json").json["changed"] == 0


def test_a_stopped_click_may_count_again_and_keeps_its_destination(
    tnc: Tnc, shop: Callable[..., Done], visits: Visits
) -> None:
    shop(NO_FIREFOX)
    (firefox,) = visits((AMERICA, FIREFOX))
    assert report(tnc) == (1, 1)

    shop(NOBODY)
    assert tnc("reclassify", "strict", "--json").json["changed"] == 1

    click = tnc("click", firefox, "--json").json
    assert (click["filter"], click["reasons"], click["flow"], click["action"]) == (None, [], None, "status")
    assert report(tnc) == (1, 0)


def test_a_filter_that_only_logs_makes_no_click_invalid(tnc: Tnc, shop: Callable[..., Done], visits: Visits) -> None:
    shop(NOBODY)
    (firefox,) = visits((AMERICA, FIREFOX))

    shop(NO_FIREFOX, "monitor")
    tnc("reclassify", "strict")

    assert tnc("click", firefox, "--json").json["filter"] == "strict"
    assert report(tnc) == (1, 0)


def test_explain_shows_the_decision_and_later_changes(tnc: Tnc, shop: Callable[..., Done], visits: Visits) -> None:
    shop(NOBODY)
    (firefox,) = visits((AMERICA, FIREFOX))
    shop(NO_FIREFOX)
    tnc("reclassify", "strict")

    result = tnc("explain", firefox, "--json").json

    assert result["same"] is True
    assert (result["recorded"]["filter"], result["recomputed"]["filter"]) == (None, None)
    assert result["now"] == {"filter": "strict", "reasons": ["filter_browser"], "traffic": "human"}
    assert "filter strict" in result["trace"][-1]["text"]


def test_no_filter_checks_declared_crawlers(tnc: Tnc, shop: Callable[..., Done], visits: Visits) -> None:
    shop(NOBODY)
    (crawler,) = visits((AMERICA, GOOGLE))
    shop('{ fact = "country", is = ["US"] }')

    result = tnc("reclassify", "strict", "--json").json

    assert (result["examined"], result["changed"]) == (1, 0)
    assert tnc("click", crawler, "--json").json["filter"] is None
    assert tnc("explain", crawler, "--json").json["same"] is True


def test_a_truncated_fact_matches_as_it_did_or_the_click_is_skipped(
    tnc: Tnc, shop: Callable[..., Done], visits: Visits
) -> None:
    asked = '{ fact = "ip", in = ["90.0.0.1/32"] }'
    shop(asked)
    (asked_then,) = visits((FRANCE, CHROME))  # France, without consent: the IP address is truncated before it is stored
    shop(NOBODY)
    (not_asked_then,) = visits((FRANCE, CHROME))
    assert tnc("click", asked_then, "--json").json["ip"] == "90.0.0.0/24"

    shop(asked)
    result = tnc("reclassify", "strict", "--json").json

    assert (result["examined"], result["changed"]) == (2, 0)
    assert tnc("click", asked_then, "--json").json["filter"] == "strict"
    assert tnc("click", not_asked_then, "--json").json["filter"] is None


def test_times_are_written_as_in_reports(tnc: Tnc, shop: Callable[..., Done], visits: Visits) -> None:
    shop(NOBODY)
    visits((AMERICA, FIREFOX))
    shop(NO_FIREFOX)

    past = tnc("reclassify", "strict", "--from", "7d", "--to", "1h", "--json").json
    day = tnc("reclassify", "strict", "--from", "24h", "--json").json

    assert (past["examined"], day["examined"]) == (0, 1)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nothing",), 3, "there is no filter 'nothing'; there are: strict."),
        (("strict", "--from", "soon"), 2, "from is 'soon', which is no time"),
        (("strict", "--from", "today", "--to", "2020-01-01"), 2, "the time ends before it begins"),
        (("strict", "--dry-run", "--undo"), 2, "--dry-run and --undo cannot be used together"),
    ],
)
def test_invalid_arguments_are_refused(
    tnc: Tnc, shop: Callable[..., Done], words: tuple[str, ...], code: int, says: str
) -> None:
    shop(NOBODY)

    done = tnc("reclassify", *words)

    assert done.code == code
    assert says in done.err


def test_a_paused_filter_is_refused(tnc: Tnc, shop: Callable[..., Done], tmp_path: Any) -> None:
    shop(NOBODY)
    file = tmp_path / "paused.toml"
    file.write_text(f'[[filter]]\nid = "strict"\nwhen = [ {NOBODY} ]\npaused = true\n')
    tnc("apply", str(file))

    done = tnc("reclassify", "strict")

    assert (done.code, done.err.startswith("tnc: filter 'strict' is paused and checks no clicks")) == (2, True)
    assert tnc("reclassify", "strict", "--undo").code == 0
