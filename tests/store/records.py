"""A visit full of personal data, and a search for it in every file of a folder."""

import hashlib
import ipaddress
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import Any, Final

from tnc.core.models import MAIN, CampaignId, Click, ClickId, OfferId, Visit, WorkspaceId
from tnc.store.days.writer import DayReader, DayWriter, day_path
from tnc.store.keys.keyring import DayKeys, Keyring

KEK: Final = bytes(range(32))
DATE: Final = Date(2026, 11, 24)
NOON_MS: Final = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * 1000
CLICK_ID: Final = ClickId("06d3k8canary0click00000abc")

PERSONAL: Final[dict[str, Any]] = {
    "ip": "203.0.113.77",
    "user_agent": "zz-CANARY-UA/4.2 (Linux; Pixel 9)",
    "external_id": "zz-canary-external-0001",
    "referrer": "https://canary-referrer.example/diary?page=7",
    "url": "https://go.example/summer?fbclid=zz-canary-url",
    "visitor": "c0ffee00c0ffee00c0ffee00c0ffee00",
    "browser_id": "decaf000decaf000decaf000decaf000",
}
_SUB: Final = "canary-sub-ann@example.com"
_PARAM: Final = "zz-canary-param"


def canary_click(click_id: str = CLICK_ID, *, at_ms: int = NOON_MS, **visit: Any) -> Click:
    facts = PERSONAL | {"country": "US", "subs": {"sub1": _SUB}, "params": {"q": _PARAM}} | visit
    return Click(
        click_id=ClickId(click_id),
        clicked_at_ms=at_ms,
        campaign=CampaignId("summer"),
        offer=OfferId("shoes"),
        visit=Visit(visited_at_ms=at_ms, **facts),
    )


def numbered(number: int, *, at_ms: int = NOON_MS) -> Click:
    return canary_click(f"click-{number:06d}", at_ms=at_ms)


def _needles() -> dict[str, bytes]:
    texts = {**PERSONAL, "click_id": CLICK_ID, "sub1": _SUB, "param": _PARAM}
    packed = ipaddress.ip_address(PERSONAL["ip"]).packed
    return {name: text.encode() for name, text in texts.items()} | {
        "user agent in UTF-16": PERSONAL["user_agent"].encode("utf-16-le"),
        "packed address": packed,
        "address mapped into IPv6": b"\xff\xff" + packed,
        "visitor as bytes": bytes.fromhex(PERSONAL["visitor"]),
        "browser as bytes": bytes.fromhex(PERSONAL["browser_id"]),
    }


NEEDLES: Final = _needles()


def leaks(folder: Path) -> list[str]:
    """Personal data that files contain in plain text: `file: value`."""
    return [
        f"{path.name}: {name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for name, needle in NEEDLES.items()
        if needle in path.read_bytes()
    ]


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def keyring(data: Path) -> Keyring:
    return Keyring(data / "ring", KEK)


def day_keys(data: Path, date: Date = DATE, workspace: WorkspaceId = MAIN) -> DayKeys:
    ring = keyring(data)
    return ring.day(workspace, date) if ring.has_day(workspace, date) else ring.create_day(workspace, date)


def day_writer(data: Path, date: Date = DATE, workspace: WorkspaceId = MAIN) -> DayWriter:
    return DayWriter(day_path(data / "days", workspace, date), day_keys(data, date, workspace))


def day_reader(data: Path, date: Date = DATE, workspace: WorkspaceId = MAIN) -> DayReader:
    return DayReader(day_path(data / "days", workspace, date), keyring(data).open_day(workspace, date))
