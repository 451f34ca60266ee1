"""What the dashboard is told of the running appliance."""

from tests.facts.shared import needed
from tnc.desk import attributions_of
from tnc.facts.geo import Geo
from tnc.facts.mmdb import Database
from tnc.web.dashboard.ports import Attribution


def test_the_registries_countries_ask_for_no_attribution() -> None:
    assert attributions_of(Geo()) == ()


def test_data_in_use_is_attributed_once_as_its_licence_asks() -> None:
    both = [Database(needed(f"geo/dbip-city-sample-ipv{version}.mmdb")) for version in (4, 6)]

    assert attributions_of(Geo(both)) == (Attribution(text="IP Geolocation by DB-IP", url="https://db-ip.com"),)
