"""Import of past clicks: what `tnc clicks --json` prints is read back, and mistakes are named."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.store.records import NOON_MS, canary_click
from tnc.core.errors import InvalidError
from tnc.core.fields import FIELDS, click_json
from tnc.core.models import MAIN, Click, ConversionChange, ConversionId, LanderClick, NetworkId, OfferId, WorkspaceId
from tnc.store.days.history import click_history
from tnc.tracking.import_clicks import click_of, read_object

LEAST: dict[str, Any] = {"click_id": "old-1", "clicked_at": "2026-11-23T14:05:06.123Z", "campaign": "summer"}


def refusal(**given: Any) -> str:
    with pytest.raises(InvalidError) as told:
        click_of(LEAST | given)
    return str(told.value)


# ------------------------------------------------------------------------------------------------ what is read


def test_a_click_needs_only_three_fields() -> None:
    click, events = click_of(LEAST)

    assert (click.click_id, click.clicked_at_ms, click.campaign) == ("old-1", 1_795_442_706_123, "summer")
    assert click.visit.visited_at_ms == click.clicked_at_ms
    assert (click.imported, click.workspace, events) == (True, MAIN, [])
    assert click.visit.country is None
    assert click.visit.unique_campaign is None


def test_a_byte_order_mark_is_ignored_and_deep_nesting_refuses_that_line_only() -> None:
    line = b'{"click_id": "old-1"}'

    assert read_object(b"\xef\xbb\xbf" + line) == {"click_id": "old-1"}
    with pytest.raises(InvalidError, match="nested too deeply"):
        read_object(b"[" * 50_000)


def test_a_time_without_a_zone_is_utc() -> None:
    times = ("2026-11-23T14:05:06.123Z", "2026-11-23T19:35:06.123+05:30", "2026-11-23T14:05:06.123")

    assert len({click_of(LEAST | {"clicked_at": each})[0].clicked_at_ms for each in times}) == 1


def test_every_field_is_read() -> None:
    click, _ = click_of(
        LEAST
        | {
            "ip": "203.0.113.77",
            "country": "DE",
            "asn": 64500,
            "vpn": False,
            "device": "mobile",
            "sub3": "red",
            "params": {"q": "1"},
            "cost": 0.02,
            "currency": "USD",
            "offer": "shoes",
            "destination": "https://shop.example/?s2=old-1",
            "traffic": "bot",
            "reasons": ["ua-bot"],
        }
    )

    assert (click.visit.ip, click.visit.country, click.visit.asn, click.visit.vpn) == (
        "203.0.113.77",
        "DE",
        64500,
        False,
    )
    assert (click.visit.subs, click.visit.params) == ({"sub3": "red"}, {"q": "1"})
    assert (click.cost_micros, click.currency, click.offer) == (20_000, "USD", "shoes")
    assert click.destination == "https://shop.example/?s2=old-1"
    assert (click.visit.traffic, click.visit.reasons) == ("bot", ("ua-bot",))


def test_null_means_unknown() -> None:
    nothing = {name: None for name in FIELDS if name not in LEAST and FIELDS[name].about.public}

    assert click_of(LEAST | nothing | {"conversions": None, "lander_clicked_at": None}) == click_of(LEAST)


def test_a_click_goes_to_the_workspace_it_is_imported_into() -> None:
    click, _ = click_of(LEAST, workspace=WorkspaceId("other"))

    assert click.workspace == "other"


def printed(click: Click, *events: Any) -> dict[str, Any]:
    return click_json(click_history(click, list(events)), destination="https://shop.example/?s2=1")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.builds(
        canary_click,
        texts.filter(bool),
        at_ms=st.integers(0, 4_000_000_000_000),
        country=st.sampled_from([None, "DE", "IN"]),
        asn=st.none() | st.integers(0, 2**32 - 1),
        tor=st.sampled_from([None, True, False]),
        referrer=st.none() | texts,
        reasons=st.lists(texts, max_size=2).map(tuple),
    )
)
def test_a_printed_click_is_imported_the_same(click: Click) -> None:
    told = printed(click)

    again, events = click_of(told)

    assert printed(again) == told
    assert events == []


def test_conversions_are_imported_with_their_history() -> None:
    def word(at_ms: int, status: Any, payout: int) -> ConversionChange:
        return ConversionChange(
            conversion_id="v1",  # type: ignore[arg-type]
            at_ms=at_ms,
            status=status,
            status_word=f"their {status}",
            event="deposit",
            payout_micros=payout,
            currency="USD",
            txid="T-1",
        )

    told = printed(
        canary_click(),
        LanderClick(at_ms=NOON_MS + 1, offer=OfferId("shoes")),
        word(NOON_MS + 2, "lead", 0),
        word(NOON_MS + 3, "sale", 12_500_000),
    )

    click, events = click_of(told)
    again = printed(click, *events)

    assert again["lander_clicked_at"] == told["lander_clicked_at"]
    origin = {"origin": "import"}
    expected = [each | {"history": [line | origin for line in each["history"]]} for each in told["conversions"]]
    assert again["conversions"] == expected


def test_a_conversion_without_an_id_gets_the_same_one_each_time() -> None:
    given = LEAST | {"network": "good", "conversions": [{"converted_at": "2026-11-23T15:00:00Z", "payout": 3}] * 2}

    (_, one), (_, two) = click_of(given), click_of(given)

    assert one == two
    changes = [event for event in one if isinstance(event, ConversionChange)]
    assert len({change.conversion_id for change in changes}) == 2
    assert [(c.status, c.payout_micros, c.origin, c.network) for c in changes] == [
        ("sale", 3_000_000, "import", NetworkId("good"))
    ] * 2


def test_a_lander_click_is_imported() -> None:
    _, events = click_of(LEAST | {"lander_clicked_at": "2026-11-23T14:06:00Z", "offer": "shoes"})

    assert events == [LanderClick(at_ms=1_795_442_760_000, offer=OfferId("shoes"))]


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["click_id", "clicked_at", "campaign"])
@pytest.mark.parametrize("value", [None, ""], ids=["null", "empty"])
def test_a_missing_required_field_is_named(name: str, value: str | None) -> None:
    assert refusal(**{name: value}) == f"{name} is missing."


@pytest.mark.parametrize("name", ["clickid", "visit", "imported", "witness", "url", "mode", "workspace_id"])
def test_an_unknown_field_is_named(name: str) -> None:
    assert f"unknown field {name!r}" in refusal(**{name: "x"})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"clicked_at": "yesterday"}, "clicked_at"),
        ({"clicked_at": 1_795_442_706}, "clicked_at"),
        ({"clicked_at": "1969-12-31T23:59:59.999Z"}, "clicked_at"),
        ({"click_id": 5}, "click_id"),
        ({"country": 49}, "country"),
        ({"asn": "AS64500"}, "asn"),
        ({"vpn": "yes"}, "vpn"),
        ({"device": "phone"}, "device"),
        ({"traffic": "people"}, "traffic"),
        ({"cost": "cheap"}, "cost"),
        ({"cost": [1]}, "cost"),
        ({"cost": 1e300}, "cost"),
        ({"params": ["a"]}, "params"),
        ({"params": {"a": 1}}, "params"),
        ({"sub1": 5}, "sub1"),
        ({"reasons": "ua-bot"}, "reasons"),
        ({"lander_clicked_at": "soon"}, "lander_clicked_at"),
        ({"lander_clicked_at": 5}, "lander_clicked_at"),
        ({"conversions": {}}, "conversions"),
        ({"conversions": 5}, "conversions"),
        ({"conversions": ["x"]}, "$.conversions[0]"),
        ({"conversions": [{}]}, "converted_at"),
        ({"conversions": [{"converted_at": "soon"}]}, "converted_at"),
        ({"conversions": [{"converted_at": "2026-11-23T15:00:00Z", "status": "approved"}]}, "status"),
        ({"conversions": [{"converted_at": "2026-11-23T15:00:00Z", "payout": "3"}]}, "payout"),
        ({"conversions": [{"converted_at": "2026-11-23T15:00:00Z", "payout": 1e300}]}, "payout"),
        ({"conversions": [{"converted_at": "2026-11-23T15:00:00Z", "history": [{"status": "sale"}]}]}, "at"),
        ({"conversions": [{"converted_at": "2026-11-23T15:00:00Z", "history": [{"at": 5}]}]}, "at"),
        (
            {
                "conversions": [
                    {"converted_at": "2026-11-23T15:00:00Z", "history": [{"at": "2026-11-23", "payout": "x"}]}
                ]
            },
            "payout",
        ),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_named(given: dict[str, Any], named: str) -> None:
    assert named in refusal(**given)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["at", "payout"]), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from([*(name for name in FIELDS if FIELDS[name].about.public), "conversions", "lander_clicked_at"])
conversions = st.lists(
    st.dictionaries(
        st.sampled_from(["conversion_id", "converted_at", "status", "event", "payout", "currency", "txid", "history"]),
        json_values | st.just("2026-11-23T15:00:00Z"),
    ),
    max_size=2,
)


@given(st.dictionaries(names, json_values), conversions)
def test_any_line_is_a_click_or_a_refusal(given: dict[str, Any], each: list[dict[str, Any]]) -> None:
    for line in (given, LEAST | given, LEAST | {"conversions": each}):
        with suppress(InvalidError):
            click, events = click_of(line)
            printed(click, *events)


def test_currencies_and_countries_are_read_as_standard_codes() -> None:
    sale = {"converted_at": LEAST["clicked_at"], "payout": 3, "currency": "eur"}
    click, [change] = click_of(LEAST | {"currency": "usd", "country": "us", "conversions": [sale]})

    assert (click.currency, click.visit.country, getattr(change, "currency", None)) == ("USD", "US", "EUR")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"currency": "EURO"}, "currency"),
        ({"country": "UK"}, "GB"),
        ({"country": "USA"}, "country"),
        ({"cost": -5}, "cost is negative"),
        ({"conversions": [{"converted_at": LEAST["clicked_at"], "payout": -1}]}, "payout is negative"),
        ({"conversions": [{"converted_at": LEAST["clicked_at"], "currency": "EURO"}]}, "currency"),
    ],
)
def test_a_line_with_an_impossible_value_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidError, match=named):
        click_of(LEAST | given)


def test_everything_that_reports_count_survives_the_round_trip() -> None:
    sale = ConversionChange(
        conversion_id=ConversionId("v1"),
        at_ms=NOON_MS + 2,
        status="sale",
        payout_micros=12_500_000,
        currency="USD",
        cost_micros=3_000_000,
        cost_currency="EUR",
    )
    told = printed(
        replace(canary_click(), stopped=True),
        LanderClick(at_ms=NOON_MS + 1, offer=OfferId("boots"), network=NetworkId("other")),
        sale,
    )

    assert (told["stopped"], told["test"], told["offer_clicked"]) == (True, False, "boots")
    assert (told["conversions"][0]["cost"], told["conversions"][0]["cost_currency"]) == (3, "EUR")
    click, events = click_of(told)
    again = printed(click, *events)
    told["conversions"][0]["history"][0]["origin"] = "import"
    assert again == told


def test_a_test_visit_stays_one() -> None:
    click, [change] = click_of(LEAST | {"test": True, "conversions": [{"converted_at": LEAST["clicked_at"]}]})

    assert (click.test, getattr(change, "origin", None)) == (True, "test")


def test_a_conversion_before_its_click_is_refused() -> None:
    given = {"click_id": "a", "clicked_at": "2026-11-23T14:05:06.900Z", "campaign": "summer"}

    same_second = given | {"conversions": [{"converted_at": "2026-11-23T14:05:06Z"}]}
    assert len(click_of(same_second)[1]) == 1
    with pytest.raises(InvalidError, match="converted_at is before clicked_at"):
        click_of(given | {"conversions": [{"converted_at": "2026-11-23T09:05:06Z"}]})
