"""What the dashboard is told of the running appliance."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.facts.shared import needed
from tnc.desk import Desk
from tnc.facts.installing import add
from tnc.house import House
from tnc.reporting import Reporter
from tnc.settings import Settings
from tnc.store.clicklog import ClickLog
from tnc.store.dayfiles import Days
from tnc.store.keyring import new_key_text
from tnc.web.dashboard.ports import Attribution, Mail
from tnc.world import World


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    with House.create(Settings(data=tmp_path / "data", key=key), World()) as made:
        made.turn_salts()
        yield made


def desk(house: House) -> Desk:
    return Desk(
        house,
        tracking_base="http://127.0.0.1:8080",
        tracker=house.tracker(house.visit_reader()),
        clicklog=ClickLog(Days(house.rooms.days, house.keyring)),
        reporter=Reporter(Path("config.toml")),
        mail=cast("Mail", None),
    )


def test_the_registries_countries_ask_for_no_attribution(house: House) -> None:
    assert desk(house).attributions() == ()
    assert [(each.name, each.attribution) for each in desk(house).about().address_data] == [("iptocc", None)]


def test_data_in_use_is_attributed_once_as_its_licence_asks(house: House) -> None:
    for version in (4, 6):
        file = needed(f"geo/dbip-city-sample-ipv{version}.mmdb")
        add(house.addresses, file, kind=None, now_ms=house.world.now_ms())

    assert desk(house).attributions() == (Attribution(text="IP Geolocation by DB-IP", url="https://db-ip.com"),)
