"""The publishers from which geo data is downloaded, free of charge, and the licence of each file."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from tnc.core.clock import DAY_MS
from tnc.visitors.geo.database import Licence
from tnc.visitors.geo.lists import NetworkKind

_SAPICS: Final = "https://github.com/sapics/ip-location-db/releases/download"
_DBIP: Final = "https://download.db-ip.com/free"
_X4BNET: Final = "https://raw.githubusercontent.com/X4BNet/lists_vpn/main/output"
_OPENASN: Final = "https://raw.githubusercontent.com/openasn/openasn/main/data/overrides"
_MAXMIND: Final = "https://download.maxmind.com/geoip/databases"

_CC_BY: Final = Licence(name="CC BY 4.0", attribution="IP Geolocation by DB-IP", url="https://db-ip.com")
_PDDL: Final = Licence(name="PDDL 1.0", url="https://github.com/sapics/ip-location-db")
_MIT: Final = Licence(name="MIT", url="https://github.com/X4BNet/lists_vpn")
_CC0: Final = Licence(name="CC0 1.0", url="https://github.com/openasn/openasn")


class Download(Struct, frozen=True, kw_only=True):
    """One file to download. `query` and `headers` may hold keys and are never stored or shown."""

    name: str
    url: str
    kind: NetworkKind | None = None  # of the networks in a list; None for a database
    sha256_url: str | None = None
    licence: Licence | None = None  # if the file itself does not state it
    max_bytes: int = 256 << 20
    query: str = ""
    headers: Mapping[str, str] = {}


class DataSource(Struct, frozen=True, kw_only=True):
    """One kind of data, and the alternatives to get it: the first whose files can all be downloaded is used."""

    name: str
    alternatives: tuple[tuple[Download, ...], ...]
    interval_ms: int = 7 * DAY_MS


class PublisherKeys(Struct, frozen=True, kw_only=True):
    """The owner's accounts with publishers that require one."""

    maxmind_account: str | None = None
    maxmind_key: str | None = None
    ipinfo_token: str | None = None


def standard_sources(
    now_ms: int, *, keys: PublisherKeys | None = None, base_url: str | None = None
) -> tuple[DataSource, ...]:
    """Everything that `tnc ipdb update` downloads. With a `base_url` every path is requested from there."""
    keys = keys or PublisherKeys()
    sources = (*_databases(now_ms, keys), *_lists())
    return sources if base_url is None else tuple(_with_base(each, base_url.rstrip("/")) for each in sources)


def _databases(now_ms: int, keys: PublisherKeys) -> tuple[DataSource, ...]:
    month, last_month = _this_and_last_month(now_ms)
    flat = tuple(_sapics(f"dbip-city-ipv{version}", _CC_BY) for version in (4, 6))
    nested = tuple((_dbip(each),) for each in (month, last_month))
    maxmind = _maxmind(keys)
    asn = ((_sapics("origin-asn", _PDDL),),)
    return (
        DataSource(name="city", alternatives=(*((each,) for each in maxmind[:1]), flat, *nested)),
        DataSource(name="asn", alternatives=(*((each,) for each in maxmind[1:]), *_ipinfo(keys), *asn)),
    )


def _this_and_last_month(now_ms: int) -> tuple[str, str]:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    return f"{now.year}-{now.month:02}", f"{year}-{month:02}"


def _sapics(name: str, licence: Licence) -> Download:
    return Download(
        name=name,
        url=f"{_SAPICS}/latest/{name}.mmdb",
        sha256_url=f"{_SAPICS}/checksum/{name}.mmdb.sha256",
        licence=licence,
    )


def _dbip(month: str) -> Download:
    return Download(name="dbip-city-lite", url=f"{_DBIP}/dbip-city-lite-{month}.mmdb.gz", licence=_CC_BY)


def _maxmind(keys: PublisherKeys) -> tuple[Download, ...]:
    if keys.maxmind_account is None or keys.maxmind_key is None:
        return ()
    secret = base64.b64encode(f"{keys.maxmind_account}:{keys.maxmind_key}".encode()).decode()
    return tuple(
        Download(
            name=edition.lower(),
            url=f"{_MAXMIND}/{edition}/download?suffix=tar.gz",
            sha256_url=f"{_MAXMIND}/{edition}/download?suffix=tar.gz.sha256",
            headers={"Authorization": f"Basic {secret}"},
        )
        for edition in ("GeoLite2-City", "GeoLite2-ASN")
    )


def _ipinfo(keys: PublisherKeys) -> tuple[tuple[Download, ...], ...]:
    if keys.ipinfo_token is None:
        return ()
    url = "https://ipinfo.io/data/ipinfo_lite.mmdb"
    return ((Download(name="ipinfo-lite", url=url, query=f"token={keys.ipinfo_token}"),),)


# name, kind, URL, licence if the publisher states one
_LISTS: Final[tuple[tuple[str, NetworkKind, str, Licence | None], ...]] = (
    ("icloud-private-relay", "relay", "https://mask-api.icloud.com/egress-ip-ranges.csv", None),
    ("tor-exits", "tor", "https://check.torproject.org/torbulkexitlist", None),
    ("x4bnet-vpn-ipv4", "vpn", f"{_X4BNET}/vpn/ipv4.txt", _MIT),
    ("x4bnet-vpn-ipv6", "vpn", f"{_X4BNET}/vpn/ipv6.txt", _MIT),
    ("x4bnet-datacenter-ipv4", "datacenter", f"{_X4BNET}/datacenter/ipv4.txt", _MIT),
    ("x4bnet-datacenter-ipv6", "datacenter", f"{_X4BNET}/datacenter/ipv6.txt", _MIT),
    ("aws", "datacenter", "https://ip-ranges.amazonaws.com/ip-ranges.json", None),
    ("google-cloud", "datacenter", "https://www.gstatic.com/ipranges/cloud.json", None),
    ("oracle-cloud", "datacenter", "https://docs.oracle.com/en-us/iaas/tools/public_ip_ranges.json", None),
    ("digitalocean", "datacenter", "https://digitalocean.com/geo/google.csv", None),
    ("linode", "datacenter", "https://geoip.linode.com/", None),
    ("vultr", "datacenter", "https://geofeed.constant.com/", None),
    ("openasn-vpn", "vpn", f"{_OPENASN}/vpn_provider.txt", _CC0),
    ("openasn-hosting", "datacenter", f"{_OPENASN}/hosting_extra.txt", _CC0),
    ("openasn-mobile", "cellular", f"{_OPENASN}/mobile_carrier.txt", _CC0),
    ("openasn-gateways", "corporate", f"{_OPENASN}/enterprise_gateway.txt", _CC0),
    ("zscaler", "corporate", "https://config.zscaler.com/api/zscaler.net/cenr/json", None),
)


def _lists() -> tuple[DataSource, ...]:
    return tuple(
        DataSource(
            name=name,
            alternatives=(
                (Download(name=name, url=url, kind=kind, licence=licence or _unstated(url), max_bytes=32 << 20),),
            ),
            interval_ms=DAY_MS,
        )
        for name, kind, url, licence in _LISTS
    )


def _unstated(url: str) -> Licence:
    return Licence(name="fetched from its publisher, not passed on", url=url)


def _with_base(source: DataSource, base_url: str) -> DataSource:
    def rebased(url: str) -> str:
        parts = urlsplit(url)
        return f"{base_url}{parts.path}{'?' if parts.query else ''}{parts.query}"

    def download(each: Download) -> Download:
        return replace(
            each, url=rebased(each.url), sha256_url=None if each.sha256_url is None else rebased(each.sha256_url)
        )

    return replace(source, alternatives=tuple(tuple(map(download, way)) for way in source.alternatives))
