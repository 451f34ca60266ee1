"""Places from databases of every layout, whole and damaged."""

import ipaddress
import json
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest

from tests.visitors.shared import DATA, cases, needed
from tnc.core.errors import InvalidError
from tnc.visitors.geo.database import DAMAGE_ERRORS, Database, _flat, _ipinfo
from tnc.visitors.geo.geo import UNKNOWN_PLACE, Geo

BAD = sorted(
    [
        *DATA.glob("geo/mmdb-bad/*/*.mmdb"),
        *DATA.glob("geo/mmdb-test/*[Bb]roken*.mmdb"),
        *DATA.glob("geo/mmdb-test/*Invalid*.mmdb"),
    ]
)


def facts_of(database: Database, ip: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    database.add_facts(ip, found)
    return found


def test_countries_are_known_without_any_file() -> None:
    geo = Geo()

    assert geo.lookup("81.2.69.142").country == "GB"
    assert geo.lookup("81.2.69.142").city is None
    assert geo.sources_of("81.2.69.142") == {"country": "iptocc"}
    assert geo.known_facts() == {"country"}


def test_without_any_data_everything_is_unknown() -> None:
    geo = Geo(registry=False)

    assert geo.lookup("81.2.69.142") == UNKNOWN_PLACE
    assert geo.known_facts() == frozenset()


@pytest.mark.parametrize("ip", ["192.168.1.1", "127.0.0.1", "100.64.0.1", "203.0.113.9", "::1", "2001:db8::1"])
def test_private_and_reserved_addresses_have_no_place(ip: str) -> None:
    assert Geo().lookup(ip) == UNKNOWN_PLACE
    assert Geo().sources_of(ip) == {}


def test_a_pair_of_flat_databases_has_cities() -> None:
    geo = Geo([Database(needed(f"geo/dbip-city-sample-ipv{family}.mmdb")) for family in (4, 6)])

    for case in cases("geo/city-cases.dev.json"):
        place = geo.lookup(case["ip"])
        assert (place.country, place.region, place.city) == (case["country"], case["region"], case["city"])
    assert {each.licence.attribution for each in geo.sources()} == {"IP Geolocation by DB-IP", None}


def _networks(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Addresses of a source file of MaxMind's test data with their records; `::1.2.3.4/x` means IPv4."""
    found = []
    for entry in json.loads(needed(f"geo/mmdb-source/{name}.json").read_text()):
        for network, record in entry.items():
            first = ipaddress.ip_network(network, strict=False)[0]
            mapped = int(first) < 2**32 and first.version == 6
            found.append((str(ipaddress.IPv4Address(int(first)) if mapped else first), record))
    return found


def _nested(record: dict[str, Any]) -> dict[str, Any]:
    divisions = record.get("subdivisions") or [{}]
    return {
        "country": record.get("country", {}).get("iso_code"),
        "region": divisions[0].get("names", {}).get("en"),
        "city": record.get("city", {}).get("names", {}).get("en"),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GeoIP2-City-Test", _nested),
        ("GeoIP2-Enterprise-Test", _nested),
        ("GeoLite2-ASN-Test", lambda record: {"asn": record.get("autonomous_system_number")}),
        ("GeoIP2-ISP-Test", lambda record: {"asn": record.get("autonomous_system_number")}),
        (
            "GeoIP2-Connection-Type-Test",
            lambda record: {
                "connection": record["connection_type"].lower().replace("cable/dsl", "broadband"),
            },
        ),
        (
            "GeoIP2-Anonymous-IP-Test",
            lambda record: {
                "vpn": record.get("is_anonymous_vpn", False),
                "tor": record.get("is_tor_exit_node", False),
                "datacenter": record.get("is_hosting_provider", False),
            },
        ),
    ],
)
def test_every_layout_is_read(name: str, expected: Any) -> None:
    database = Database(needed(f"geo/mmdb-test/{name}.mmdb"))

    for ip, record in _networks(name):
        said = facts_of(database, ip)
        for fact, value in expected(record).items():
            assert said.get(fact) == value, (ip, fact)


def test_addresses_outside_anonymous_data_are_known_not_to_be_anonymous() -> None:
    database = Database(needed("geo/mmdb-test/GeoIP2-Anonymous-IP-Test.mmdb"))

    assert facts_of(database, "8.8.8.8") == {"vpn": False, "proxy": False, "tor": False, "datacenter": False}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_damaged_database_is_refused_on_opening(path: Path) -> None:
    with pytest.raises(InvalidError, match=path.name):
        Database(path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html></html>", b"\x1f\x8b\x08" + bytes(100)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "city.mmdb"
    path.write_bytes(content)

    with pytest.raises(InvalidError, match=r"city\.mmdb cannot be read"):
        Database(path)


class Rotten:
    """A reader whose file went bad after it was opened."""

    def get(self, _ip: str) -> object:
        raise DAMAGE_ERRORS[0]("The MaxMind DB file's data section contains bad data")


def test_damaged_records_are_unknown_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    database = Database(needed("geo/dbip-city-sample-ipv4.mmdb"))
    database._reader = Rotten()  # type: ignore[assignment]
    geo = Geo([database], registry=False)

    with caplog.at_level(logging.DEBUG):
        places = [geo.lookup("8.8.8.8") for _ in range(1000)]

    assert set(places) == {UNKNOWN_PLACE}
    assert len(caplog.records) == 1
    assert "8.8.8.8" not in caplog.text


def test_replaced_data_closes_its_file_at_once() -> None:
    database = Database(needed("geo/dbip-city-sample-ipv4.mmdb"))
    gone = weakref.ref(Geo([database]))

    assert gone() is None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"country": "Germany", "country_code": "DE", "asn": "AS3320", "as_name": "Deutsche Telekom AG"},
            {"country": "DE", "asn": 3320, "isp": "Deutsche Telekom AG"},
        ),
        ({"country": "fr", "city": "Lyon", "asn": ""}, {"country": "FR", "city": "Lyon"}),
        ({"country_code": "EU", "asn": "AS0", "as_name": " "}, {}),
        ({"country_code": 49, "asn": True, "city": ["x"]}, {}),
    ],
)  # fmt: skip
def test_ipinfo_records_are_read_and_odd_values_ignored(record: dict[str, Any], expected: dict[str, Any]) -> None:
    found: dict[str, Any] = {}

    _ipinfo(record, found)

    assert found == expected


def test_names_are_normalised_so_that_a_city_has_one_name() -> None:
    found: dict[str, Any] = {}

    _flat({"country_code": "de", "state1": "", "city": "Mu\u0308nchen\n"}, found)

    assert found == {"country": "DE", "city": "M\u00fcnchen"}
