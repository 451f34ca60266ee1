"""Conversions from a CSV file: each line on its own, a second import adds nothing, a dry run stores nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from tnc.admin.services import Services
from tnc.core.clock import World
from tnc.core.models import ClickId
from tnc.core.settings import Settings
from tnc.store.days.click_log import Day, Days
from tnc.store.days.transactions import OfflineWriter, Writer
from tnc.store.days.writer import DayWriter
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.csv_import import ConversionFile
from tnc.tracking.listener import NO_LISTENER

_T = TypeVar("_T")

SHOP = """
[[network]]
id = "good"
statuses = { sale = ["bought"] }
[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/"
payout = 12.5
[[campaign]]
id = "summer"
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]
"""
NOW_MS = 1_795_500_000_000
CLICK = '{"click_id": "%s", "clicked_at": "2026-11-24T05:00:00Z", "campaign": "summer", "offer": "shoes"}'


class Shop:
    def __init__(self, workspace: Workspace, days: Days, services: Services) -> None:
        self.workspace = workspace
        self.days = days
        self.services = services

    def read(self, *lines: str, dry_run: bool = False, writer: Writer | None = None) -> dict[int, str]:
        text = "\n".join(("cid,status,payout,txid", *lines))
        file = ConversionFile(self.workspace, writer or self.services.writer, NO_LISTENER, dry_run=dry_run)
        return {line["line"]: line["outcome"] for line in file.read(text)["lines"]}

    def payouts(self, click_id: str) -> list[int | None]:
        return [each.payout_micros for each in self.workspace.histories.get(ClickId(click_id)).conversions]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    settings = Settings(data=tmp_path / "data", key=key)
    with Workspace.create(settings, World(now_ms=lambda: NOW_MS, steady_ms=count().__next__)) as workspace:
        days = Days(workspace.paths.days, workspace.keyring)
        services = Services(workspace, OfflineWriter(days))
        services.configure.apply(SHOP, file="shop.toml")
        services.imports.add([(CLICK % each).encode() for each in ("a", "b", "c")], file="clicks.jsonl")
        yield Shop(workspace, days, services)
        days.close()


LINES = ("a,bought,3,T1", "a,bought,3,T1", "b,odd,,T2", "nobody,bought,,", "c,bought,a lot,")


def test_each_line_has_an_outcome(shop: Shop) -> None:
    assert shop.read(*LINES) == {2: "new", 3: "duplicate", 4: "unmapped", 5: "unknown-click", 6: "invalid"}
    assert shop.payouts("a") == [3_000_000]


def test_a_second_run_adds_nothing(shop: Shop) -> None:
    shop.read(*LINES)

    again = shop.read(*LINES)

    assert set(again.values()) == {"duplicate", "unknown-click", "invalid"}
    assert shop.payouts("a") == [3_000_000]


def test_a_dry_run_gives_the_same_outcomes_and_stores_nothing(shop: Shop) -> None:
    tried = shop.read(*LINES, dry_run=True)

    assert shop.payouts("a") == []
    assert shop.read(*LINES) == tried


def test_a_dry_run_judges_lines_of_one_click_in_order(shop: Shop) -> None:
    lines = [f"{click},bought,1,T{number // 2}" for number in range(60) for click in ("a", "b")]

    tried = shop.read(*lines, dry_run=True)

    assert Counter(tried.values()) == {"new": 60, "duplicate": 60}
    assert shop.read(*lines) == tried
    assert (len(shop.payouts("a")), len(shop.payouts("b"))) == (30, 30)


@pytest.mark.parametrize("clicks", ["a", "abc"])
def test_transactions_of_an_import_are_short(shop: Shop, clicks: str) -> None:
    """The clock advances by a millisecond at each reading, and a transaction ends after five."""
    lent: list[int] = []

    class Measured(OfflineWriter):
        def transact(self, day: Day, work: Callable[[DayWriter], _T], /) -> _T:
            began = shop.workspace.world.steady_ms()
            given = super().transact(day, work)
            lent.append(shop.workspace.world.steady_ms() - began)
            return given

    lines = [f"{clicks[number % len(clicks)]},bought,1,T{number}" for number in range(300)]
    outcomes = shop.read(*lines, writer=Measured(shop.days))

    assert set(outcomes.values()) == {"new"}
    assert max(lent) < 10
