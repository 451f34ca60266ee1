"""Which attributions the licences of address data ask for."""

from pathlib import Path

from tests.web.dashboard.installed import NOW_MS
from tests.web.dashboard.places import write_city_database
from tnc.visitors.geo.database import Database
from tnc.visitors.geo.geo import Geo
from tnc.web.dashboard.queries import attributions_of


def test_the_registries_countries_ask_for_no_attribution() -> None:
    assert attributions_of(Geo()) == ()


def test_data_in_use_is_attributed_once_as_its_licence_asks(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("dbip-city-ipv4.mmdb", "dbip-city-again.mmdb")]
    for file in files:
        write_city_database(file, built_ms=NOW_MS)

    attributed = attributions_of(Geo([Database(file) for file in files]))

    assert [(each.attribution, each.url) for each in attributed] == [("IP Geolocation by DB-IP", "https://db-ip.com")]
