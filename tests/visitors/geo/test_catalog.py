"""The folder of geo data: installing, refusing, updating, and surviving crashes."""

import asyncio
import gzip
import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from tests.visitors.shared import DATA, needed
from tnc.core.clock import DAY_MS
from tnc.core.errors import FailedError, InvalidError, NotFoundError, TncError
from tnc.visitors.geo.catalog import MANIFEST, GeoFolder
from tnc.visitors.geo.install import add, remove
from tnc.visitors.geo.list_formats import pack_feed, read_feed, unpack_feed
from tnc.visitors.geo.sources import DataSource, Download, PublisherKeys, standard_sources
from tnc.visitors.geo.update import FetchResponse, due, update

NOW_MS = 1_795_600_000_000  # 2026-11-25
CITY = "geo/dbip-city-sample-ipv4.mmdb"


@pytest.fixture
def data(tmp_path: Path) -> GeoFolder:
    return GeoFolder(tmp_path / "addresses")


def listed(tmp_path: Path, text: str, name: str = "list.txt") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def files(data: GeoFolder) -> set[str]:
    return {path.name for path in data.path.iterdir() if path.name not in {"lock", "updating"}}


# ------------------------------------------------------------------------------------------- add, list, remove


def test_countries_are_known_without_installed_data(data: GeoFolder) -> None:
    assert [each["name"] for each in data.describe(NOW_MS)] == ["iptocc"]
    assert data.open().lookup("81.2.69.142").country == "GB"
    assert data.state() == (0, 0)


@pytest.mark.parametrize("packing", ["mmdb", "mmdb.gz", "tar.gz", "zip"])
def test_a_database_is_installed_from_every_archive_format(data: GeoFolder, tmp_path: Path, packing: str) -> None:
    path = packed(needed(CITY), tmp_path / f"City.{packing}", packing)

    added = add(data, path, kind=None, now_ms=NOW_MS)

    assert (added.file.name, added.file.kind, added.warnings) == ("city", "city", ())
    assert data.open().lookup("50.224.126.45").city == "Waltham (West End)"
    shown = data.describe(NOW_MS)[0]
    assert (shown["name"], shown["attribution"], shown["stale"]) == ("city", "IP Geolocation by DB-IP", False)


def packed(database: Path, path: Path, packing: str) -> Path:
    raw = database.read_bytes()
    if packing == "mmdb":
        path.write_bytes(raw)
    elif packing == "mmdb.gz":
        path.write_bytes(gzip.compress(raw, 1))
    elif packing == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            for name, content in (("GeoLite2/README.txt", b"read me"), ("../../GeoLite2/evil.mmdb", raw)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("LICENSE", "text")
            zipped.writestr("../DB.MMDB", raw)
    return path


def test_a_list_is_installed_with_its_kind(data: GeoFolder, tmp_path: Path) -> None:
    path = listed(tmp_path, "9.9.0.0/16\nrubbish\n8.8.0.0/16\n")

    item = add(data, path, kind="datacenter", now_ms=NOW_MS).file

    assert (item.name, item.kind, item.entries, item.unfit) == ("list", "datacenter", 2, 1)
    assert data.open().lookup("9.9.9.9").datacenter is True
    assert data.open().lookup("9.8.9.9").datacenter is False


@pytest.mark.parametrize("network", ["2a00:1450::/32", "9.9.0.0/16", "AS64496"])
def test_networks_at_every_edge_are_stored_and_found(data: GeoFolder, tmp_path: Path, network: str) -> None:
    feed = read_feed(f"{network}\n9.8.7.0/24\n2a02:8108::/40\nrubbish\n".encode(), name="list")

    assert unpack_feed(pack_feed(feed)) == feed
    add(data, listed(tmp_path, "9.8.7.0/24\n2a02:8108::/40\n2a00:1450::/32"), kind="vpn", now_ms=NOW_MS)
    assert [data.open().lookup(ip).vpn for ip in ("2a02:8108::1", "2a02:8109::1", "9.8.7.6")] == [True, False, True]


def test_a_list_without_kind_is_refused(data: GeoFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"list\.txt is no geo database, it begins with '9\.9\.0\.0.*--kind relay"):
        add(data, listed(tmp_path, "9.9.0.0/16"), kind=None, now_ms=NOW_MS)
    assert data.describe(NOW_MS)[0]["name"] == "iptocc"


BAD = ("geo/mmdb-bad/*/*", "geo/mmdb-test/*[Bb]roken*", "geo/mmdb-test/*Invalid*")


@pytest.mark.parametrize(
    "path", sorted(path for pattern in BAD for path in DATA.glob(pattern)), ids=lambda path: path.name
)
def test_a_damaged_database_is_refused_and_leaves_no_file(data: GeoFolder, path: Path) -> None:
    with pytest.raises(InvalidError, match=path.name):
        add(data, path, kind=None, now_ms=NOW_MS)

    assert files(data) == set()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(b"x" * 10_000, mtime=0)[:40], "ends too early"),
        (b"PK\x03\x04 no archive", "ends too early"),
        (b"", "begins with ''"),
        (b"<html>503</html>", "begins with '<html>503"),
    ],
)
def test_other_files_are_refused_and_described(data: GeoFolder, tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "download"
    path.write_bytes(content)

    with pytest.raises(InvalidError, match=says):
        add(data, path, kind=None, now_ms=NOW_MS)
    assert files(data) == set()


def test_a_missing_file_is_named(data: GeoFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="there is no file"):
        add(data, tmp_path / "absent.mmdb", kind=None, now_ms=NOW_MS)


def test_an_archive_that_unpacks_to_too_much_is_refused(data: GeoFolder, tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as bomb:
        for _ in range(65):
            bomb.write(bytes(1 << 20))

    with pytest.raises(InvalidError, match="more than 64 MB"):
        add(data, path, kind="vpn", now_ms=NOW_MS)


def test_an_old_database_is_installed_with_a_warning(data: GeoFolder) -> None:
    later_ms = NOW_MS + 400 * DAY_MS

    added = add(data, needed(CITY), kind=None, now_ms=later_ms)

    assert "401 days old" in added.warnings[0]
    assert data.describe(later_ms)[0]["stale"] is True
    assert data.open().lookup("50.224.126.45").city == "Waltham (West End)"


def test_lists_become_stale_sooner_than_cities(data: GeoFolder, tmp_path: Path) -> None:
    for kind, days in (("tor", 2), ("vpn", 7)):
        item = add(data, listed(tmp_path, "9.9.9.9", f"{kind}.txt"), kind=kind, now_ms=NOW_MS).file  # type: ignore[arg-type]
        assert not item.is_stale(NOW_MS + days * DAY_MS)
        assert item.is_stale(NOW_MS + days * DAY_MS + 1)


def test_removing_data_and_an_unknown_name(data: GeoFolder, tmp_path: Path) -> None:
    add(data, listed(tmp_path, "9.9.0.0/16"), kind="vpn", now_ms=NOW_MS)

    with pytest.raises(NotFoundError, match="no geo data is called 'city'; installed: list"):
        remove(data, "city")
    remove(data, "list")

    assert data.open().known_facts() == {"country"}
    assert files(data) == {MANIFEST}


def test_adding_again_replaces_the_file_and_changes_the_state(data: GeoFolder, tmp_path: Path) -> None:
    add(data, listed(tmp_path, "9.9.0.0/16"), kind="vpn", now_ms=NOW_MS)
    before = data.state()

    add(data, listed(tmp_path, "8.8.0.0/16"), kind="vpn", now_ms=NOW_MS)

    assert data.state() != before
    assert data.open().lookup("9.9.9.9").vpn is False
    assert data.open().lookup("8.8.8.8").vpn is True
    assert len(files(data)) == 3  # the manifest, the list, the compiled lists


# ------------------------------------------------------------------------------------------------ what survives


def test_a_file_that_was_changed_on_disk_is_not_used(data: GeoFolder, caplog: pytest.LogCaptureFixture) -> None:
    item = add(data, needed(CITY), kind=None, now_ms=NOW_MS).file
    shutil.copy(needed("geo/dbip-city-sample-ipv6.mmdb"), data.path / item.file)

    with caplog.at_level(logging.DEBUG):
        geo = data.open(private=True)
        places = [geo.lookup("50.224.126.45") for _ in range(1000)]

    assert {place.city for place in places} == {None}
    assert len(caplog.records) == 1


def test_a_damaged_installed_file_is_logged_and_visits_go_on(data: GeoFolder, caplog: pytest.LogCaptureFixture) -> None:
    bad = needed("geo/mmdb-test/GeoIP2-City-Test-Broken-Double-Format.mmdb")
    item = add(data, needed(CITY), kind=None, now_ms=NOW_MS).file
    shutil.copy(bad, data.path / item.file)
    manifest = json.loads((data.path / MANIFEST).read_text())
    manifest["items"][0]["sha256"] = hashlib.sha256(bad.read_bytes()).hexdigest()
    (data.path / MANIFEST).write_text(json.dumps(manifest))

    with caplog.at_level(logging.DEBUG):
        geo = data.open()
        countries = {geo.lookup("81.2.69.142").country for _ in range(1000)}

    assert countries == {"GB"}
    assert len(caplog.records) == 1


def test_a_damaged_manifest_is_named(data: GeoFolder, tmp_path: Path) -> None:
    add(data, listed(tmp_path, "9.9.9.9"), kind="vpn", now_ms=NOW_MS)
    (data.path / MANIFEST).write_text('{"items": [')

    with pytest.raises(FailedError, match=r"manifest\.json is damaged; remove it"):
        data.open()


def test_writing_over_a_file_in_use_does_not_kill_a_server(data: GeoFolder, tmp_path: Path) -> None:
    """Truncating a mapped file kills the process that maps it, so this runs in a child."""
    item = add(data, needed(CITY), kind=None, now_ms=NOW_MS).file
    program = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from tnc.visitors.geo.catalog import GeoFolder
        geo = GeoFolder(Path({str(data.path)!r})).open(private=True)
        os.truncate({str(data.path / item.file)!r}, 0)
        print({{geo.lookup(f"{{first}}.224.126.45").city for first in range(1, 224)}})
    """)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Waltham" in done.stdout


def test_files_of_a_killed_change_are_removed(data: GeoFolder, tmp_path: Path) -> None:
    add(data, listed(tmp_path, "9.9.9.9"), kind="vpn", now_ms=NOW_MS)
    whole = files(data)
    (data.path / "incoming-99").write_bytes(b"half")
    (data.path / "city-98.mmdb").write_bytes(b"half")

    add(data, listed(tmp_path, "8.8.8.8", "other.txt"), kind="tor", now_ms=NOW_MS)

    assert {"incoming-99", "city-98.mmdb"}.isdisjoint(files(data))
    assert data.open().lookup("9.9.9.9").vpn is True
    assert len(files(data)) == len(whole) + 1


def test_a_killed_change_leaves_the_old_or_the_new_data(data: GeoFolder, tmp_path: Path) -> None:
    """The process ends before each of its renames in turn."""
    add(data, listed(tmp_path, "9.9.0.0/16"), kind="vpn", now_ms=NOW_MS)
    path = listed(tmp_path, "8.8.0.0/16")
    for renames in range(6):
        program = textwrap.dedent(f"""
            import os
            from pathlib import Path
            from tnc.visitors.geo.install import add
            from tnc.visitors.geo.catalog import GeoFolder
            real, calls = os.rename, []
            def rename(*args, **kwargs):
                calls.append(1)
                if len(calls) > {renames}:
                    os._exit(9)
                return real(*args, **kwargs)
            os.rename = rename
            os.replace = rename
            add(GeoFolder(Path({str(data.path)!r})), Path({str(path)!r}), kind="vpn", now_ms={NOW_MS})
        """)
        code = subprocess.run([sys.executable, "-c", program], check=False).returncode
        geo = data.open()
        flags = (geo.lookup("9.9.9.9").vpn, geo.lookup("8.8.8.8").vpn)
        assert flags == ((False, True) if code == 0 else (True, False))
        if code == 0:
            return
    pytest.fail("the change never completed")


# ------------------------------------------------------------------------------------------------------- update


class Web:
    """A network with some URLs; every other is 404. Keeps the headers of each request."""

    def __init__(self, pages: Mapping[str, bytes | int | TncError]) -> None:
        self.pages = dict(pages)
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], target: IO[bytes], max_bytes: int
    ) -> FetchResponse:
        self.asked.append((url, headers))
        page = self.pages.get(url, 404)
        if isinstance(page, TncError):
            raise page
        if isinstance(page, int):
            return FetchResponse(status=page)
        if headers.get("If-None-Match") == hashlib.md5(page).hexdigest():  # noqa: S324 - a name, not a proof
            return FetchResponse(status=304)
        if len(page) > max_bytes:
            raise FailedError(f"its body has more than {max_bytes} bytes")
        target.write(page)
        return FetchResponse(status=200, etag=hashlib.md5(page).hexdigest())  # noqa: S324


def tor(**more: Any) -> DataSource:
    return DataSource(
        name="tor", alternatives=((Download(name="tor", url="https://tor.example/list", kind="tor", **more),),)
    )


def run(data: GeoFolder, wanted: DataSource, web: Web, now_ms: int = NOW_MS) -> Any:
    return asyncio.run(update(data, [wanted], fetch=web, now_ms=now_ms))


def test_a_second_update_changes_nothing(data: GeoFolder) -> None:
    web = Web({"https://tor.example/list": b"9.9.9.9"})

    first, second = run(data, tor(), web), run(data, tor(), web, NOW_MS + DAY_MS)

    assert (first.renewed, second.unchanged, first.exit_code) == (("tor",), ("tor",), 0)
    assert data.open().lookup("9.9.9.9").tor is True
    assert not data.find("tor").is_stale(NOW_MS + 3 * DAY_MS)
    assert due(data, [tor()], NOW_MS + 8 * DAY_MS) == (tor(),)
    assert due(data, [tor()], NOW_MS + 2 * DAY_MS) == ()


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (500, "the server answered 500"),
        (404, "is not there (404)"),
        (FailedError("the connection was cut"), "the connection was cut"),
        (b"<html>busy</html>", "is a web page"),
        (b"", "is empty"),
        (b"0.0.0.0/0\n9.9.9.9", "no operator can have"),
        (b"9.9.9.9\n8.8.8.8", "it has 2 entries, the installed one 20"),
        (b"9.9.9.9\n" * 300_000, "its body has more than"),
        (gzip.compress(b"9.9.9.9\n" * 100, mtime=0)[:-9], "ends too early"),
    ],
)
def test_a_failed_update_keeps_the_installed_data(data: GeoFolder, page: bytes | int | TncError, says: str) -> None:
    good = "\n".join(f"9.9.9.{last}" for last in range(0, 40, 2)).encode()
    run(data, tor(), Web({"https://tor.example/list": good}))
    before = files(data)

    report = run(data, tor(), Web({"https://tor.example/list": page}))

    assert report.exit_code == 1
    assert says in report.failed["tor"]
    assert report.failed["tor"].endswith("what was there stays in use")
    assert data.open().lookup("9.9.9.4").tor is True
    assert files(data) == before
    assert data.describe(NOW_MS)[0]["problem"] == report.failed["tor"]


def test_a_successful_update_clears_the_problem(data: GeoFolder) -> None:
    run(data, tor(), Web({"https://tor.example/list": 500}))

    run(data, tor(), Web({"https://tor.example/list": b"9.9.9.9"}))

    assert data.describe(NOW_MS)[0]["problem"] is None


@pytest.mark.parametrize(("digest", "renewed"), [("right", True), ("wrong", False), ("absent", True), ("page", False)])
def test_the_published_sha256_is_compared(data: GeoFolder, digest: str, *, renewed: bool) -> None:
    sums: dict[str, bytes | int] = {
        "right": f"{hashlib.sha256(b'9.9.9.9').hexdigest()}  list".encode(),
        "wrong": b"0" * 64,
        "absent": 404,
        "page": b"<html></html>",
    }
    web = Web({"https://tor.example/list": b"9.9.9.9", "https://tor.example/sum": sums[digest]})

    report = run(data, tor(sha256_url="https://tor.example/sum"), web)

    assert bool(report.renewed) is renewed
    assert renewed or "SHA-256" in report.failed["tor"]


def test_last_month_is_used_when_this_month_is_not_published(data: GeoFolder) -> None:
    city = standard_sources(NOW_MS, base_url="http://127.0.0.1:9/")[0]
    raw = gzip.compress(needed(CITY).read_bytes(), 1)

    report = run(data, city, Web({"http://127.0.0.1:9/free/dbip-city-lite-2026-10.mmdb.gz": raw}))

    assert report.renewed == ("city",)
    assert data.find("dbip-city-lite").licence == "CC BY 4.0"


def test_a_preferred_alternative_replaces_another(data: GeoFolder) -> None:
    city = standard_sources(NOW_MS, base_url="http://x")[0]
    old = gzip.compress(needed(CITY).read_bytes(), 1)
    run(data, city, Web({"http://x/free/dbip-city-lite-2026-11.mmdb.gz": old}))
    release = "http://x/sapics/ip-location-db/releases/download/latest/dbip-city-ipv"
    pages = {f"{release}{v}.mmdb": needed(f"geo/dbip-city-sample-ipv{v}.mmdb").read_bytes() for v in (4, 6)}

    run(data, city, Web(pages))

    assert [each.name for each in data.manifest().items] == ["dbip-city-ipv4", "dbip-city-ipv6"]


def test_an_update_refuses_an_older_database(data: GeoFolder) -> None:
    files = ((Download(name="c", url="https://c.example/c"),),)
    new, old = needed("geo/mmdb-test/GeoIP2-Enterprise-Test.mmdb"), needed("geo/mmdb-test/GeoIP2-City-Test.mmdb")
    run(data, DataSource(name="city", alternatives=files), Web({"https://c.example/c": new.read_bytes()}))

    report = run(data, DataSource(name="city", alternatives=files), Web({"https://c.example/c": old.read_bytes()}))

    assert "it is older than the installed one" in report.failed["city"]


def test_part_of_an_update_may_fail(data: GeoFolder) -> None:
    other = DataSource(name="vpn", alternatives=((Download(name="vpn", url="https://vpn.example/", kind="vpn"),),))
    web = Web({"https://tor.example/list": b"9.9.9.9"})

    report = asyncio.run(update(data, [tor(), other], fetch=web, now_ms=NOW_MS))

    assert (report.renewed, list(report.failed), report.exit_code) == (("tor",), ["vpn"], 5)


def test_keys_are_sent_and_never_stored(data: GeoFolder) -> None:
    keys = PublisherKeys(maxmind_account="12", maxmind_key="s3cret", ipinfo_token="t0ken")
    wanted = standard_sources(NOW_MS, keys=keys)
    web = Web({})

    report = asyncio.run(update(data, wanted[:2], fetch=web, now_ms=NOW_MS))

    city = next(headers for url, headers in web.asked if "GeoLite2-City" in url)
    assert city["Authorization"].startswith("Basic ")
    assert any(url.endswith("?token=t0ken") for url, _ in web.asked)
    kept = (data.path / MANIFEST).read_text() + str(report)
    assert "s3cret" not in kept
    assert "t0ken" not in kept
    assert city["Authorization"].removeprefix("Basic ") not in kept


def test_a_second_update_at_the_same_time_is_refused(data: GeoFolder) -> None:
    class Slow(Web):
        async def __call__(self, url: str, **more: Any) -> FetchResponse:
            with pytest.raises(FailedError, match="another update"):
                await update(data, [], fetch=self, now_ms=NOW_MS)
            return await super().__call__(url, **more)

    assert run(data, tor(), Slow({"https://tor.example/list": b"9.9.9.9"})).exit_code == 0


def test_every_source_uses_the_base_url() -> None:
    wanted = standard_sources(NOW_MS, base_url="http://127.0.0.1:1")

    urls = [download.url for each in wanted for way in each.alternatives for download in way]

    assert len(urls) > 20
    assert all(url.startswith("http://127.0.0.1:1/") for url in urls)
    assert len({download.name for each in wanted for way in each.alternatives for download in way}) == len(urls) - 1


def test_a_real_country_file_is_installed_and_used(data: GeoFolder) -> None:
    add(data, needed("geo/dbip-country-2026-06.mmdb.gz"), kind=None, now_ms=NOW_MS)

    geo = data.open(private=True)

    assert geo.lookup("81.2.69.142").country == "GB"
    assert geo.sources_of("81.2.69.142") == {"country": "dbip-country-2026-06"}


def test_a_country_file_with_zeroed_pages_gets_a_warning(data: GeoFolder, tmp_path: Path) -> None:
    raw = bytearray(gzip.decompress(needed("geo/dbip-country-2026-06.mmdb.gz").read_bytes()))
    raw[100_000:165_536] = bytes(65_536)
    path = tmp_path / "hole.mmdb"
    path.write_bytes(raw)

    added = add(data, path, kind=None, now_ms=NOW_MS)

    assert any("well-known addresses" in warning for warning in added.warnings)


def test_missing_disk_space_is_noticed_before_writing(data: GeoFolder, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mmdb"
    with huge.open("wb") as sparse:
        os.truncate(sparse.fileno(), shutil.disk_usage(tmp_path).free)

    with pytest.raises(FailedError, match="free some space"):
        add(data, huge, kind=None, now_ms=NOW_MS)
