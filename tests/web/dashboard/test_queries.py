"""What the dashboard is told of the running appliance."""

from tests.visitors.shared import needed
from tnc.visitors.geo.database import Database
from tnc.visitors.geo.geo import Geo
from tnc.web.dashboard.ports import Attribution
from tnc.web.dashboard.queries import attributions_of


def test_the_registries_countries_ask_for_no_attribution() -> None:
    assert attributions_of(Geo()) == ()


def test_data_in_use_is_attributed_once_as_its_licence_asks() -> None:
    both = [Database(needed(f"geo/dbip-city-sample-ipv{version}.mmdb")) for version in (4, 6)]

    assert attributions_of(Geo(both)) == (Attribution(text="IP Geolocation by DB-IP", url="https://db-ip.com"),)
