"""The value of each macro."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.shop import CAMPAIGN, NOON, law, shop, visit
from tnc.core.models import (
    Click,
    ClickId,
    Conversion,
    ConversionId,
    LanderId,
    NetworkId,
    OfferId,
    Source,
    SourceId,
    Visit,
)
from tnc.rules.macro_values import decimal, macro_value
from tnc.rules.macros import MACROS

SOURCE = Source(id=SourceId("ads"), name="Native Ads")
SHOP = shop(source=SOURCE)
VISIT = visit(
    domain="go.example", country="US", region="Ohio", city="Lima", isp="Fast", asn=7922, connection="cellular",
    ip="203.0.113.7", device="mobile", brand="Acme", model="One", os="Android", os_version="14", browser="Chrome",
    browser_version="140", language="en", user_agent="Mozilla", referrer="https://news.example/a",
    referrer_domain="news.example", external_id="ext-1", subs={"sub1": "site", "sub2": "{{ad.id}}"},
    params={"q": "a b"},
)  # fmt: skip


def click(of: Visit = VISIT, **rest: object) -> Click:
    return Click(
        **{  # type: ignore[arg-type]  # one table of every kind of value
            "click_id": ClickId("0" * 26),
            "clicked_at_ms": NOON,
            "campaign": CAMPAIGN,
            "source": SOURCE.id,
            "flow": "rest",
            "lander": LanderId("quiz"),
            "offer": OfferId("boots"),
            "network": NetworkId("net"),
            "cost_micros": 20_000,
            "currency": "EUR",
            "visit": of,
            **rest,
        }
    )


SALE = Conversion(
    conversion_id=ConversionId("c1"),
    converted_at_ms=NOON + 5000,
    status="sale",
    event="deposit",
    payout_micros=12_500_000,
    currency="USD",
    txid="t-1",
    network=NetworkId("net"),
    cost_micros=None,
    cost_currency=None,
    history=(),
)
VALUES = {
    "click_id": "0" * 26, "external_id": "ext-1", "campaign": "summer", "campaign_name": "Summer", "source": "ads",
    "source_name": "Native Ads", "flow": "rest", "lander": "quiz", "lander_name": "Quiz", "offer": "boots",
    "offer_name": "Boots", "network": "net", "network_name": "Net", "workspace": "main", "domain": "go.example",
    "country": "US", "region": "Ohio", "city": "Lima", "isp": "Fast", "asn": "7922", "connection": "cellular",
    "ip": "203.0.113.7", "device": "mobile", "brand": "Acme", "model": "One", "os": "Android", "os_version": "14",
    "browser": "Chrome", "browser_version": "140", "language": "en", "user_agent": "Mozilla",
    "referrer": "https://news.example/a", "referrer_domain": "news.example", "cost": "0.02", "payout": "12.5",
    "currency": "USD", "status": "sale", "event": "deposit", "txid": "t-1", "conversion_id": "c1",
    "timestamp": "1795521600", "conversion_timestamp": "1795521605", "date": "2026-11-24", "sub1": "site",
}  # fmt: skip


@pytest.mark.parametrize("name", MACROS)
def test_every_macro_has_its_value(name: str) -> None:
    value = macro_value(name, click(), SHOP, SALE)

    if name == "random":
        assert value is not None
        assert value.isdigit()
    else:
        assert value == VALUES.get(name)


@pytest.mark.parametrize("name", MACROS)
def test_an_unknown_value_is_none(name: str) -> None:
    bare = Click(click_id=ClickId("1" * 26), clicked_at_ms=NOON, campaign=CAMPAIGN, visit=Visit(visited_at_ms=NOON))
    always = {"click_id", "campaign", "campaign_name", "workspace", "timestamp", "date", "random"}

    assert (macro_value(name, bare, SHOP) is not None) == (name in always)


def test_parameters_are_passed_on_by_name_except_for_unexpanded_macros() -> None:
    assert macro_value("param.q", click(), SHOP) == "a b"
    assert macro_value("param.none", click(), SHOP) is None
    assert macro_value("sub2", click(), SHOP) is None
    assert macro_value("external_id", click(visit(external_id="__CLICKID__")), SHOP) is None


def test_random_is_the_same_for_a_click() -> None:
    one, same, other = click(), click(cost_micros=None), click(click_id=ClickId("2" * 26))

    assert macro_value("random", one, SHOP) == macro_value("random", same, SHOP) != macro_value("random", other, SHOP)


def test_without_a_conversion_the_currency_is_that_of_the_cost() -> None:
    assert macro_value("currency", click(), SHOP) == "EUR"
    assert macro_value("payout", click(), SHOP) is None


@law
@given(st.integers(-(10**15), 10**15))
def test_money_is_a_plain_decimal_and_exact(micros: int) -> None:
    value = decimal(micros)

    assert value is not None
    assert Decimal(value) == Decimal(micros) / 1_000_000
    assert "E" not in value.upper()
    assert "." not in value or value[-1] not in "0."
