"""A workspace with clicks of one known visitor, the canary, and of others over three days."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path
from typing import Any, Final

from tests.store.records import PERSONAL, canary_click, leaks
from tnc.core.clock import MINUTE_MS, World
from tnc.core.models import MAIN, Click, ConversionChange, ConversionId, DestinationId, Event, LanderClick, OfferId
from tnc.core.settings import Settings
from tnc.privacy.erase import Eraser
from tnc.reports.columns.columns import Columns
from tnc.reports.query import ReportQuery
from tnc.reports.run import run_report
from tnc.store.days.click_log import Day, Days
from tnc.store.days.deliveries import DeliveryRecord, DeliveryRow
from tnc.store.days.inbox import Call, InboxRow
from tnc.store.days.transactions import OfflineWriter
from tnc.store.days.writer import utc_date
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace

DAYS: Final = (Date(2026, 11, 22), Date(2026, 11, 23), Date(2026, 11, 24))
NOW_MS: Final = int(datetime(2026, 11, 24, 18, tzinfo=UTC).timestamp()) * 1000
CANARY_VISITOR: Final = PERSONAL["visitor"]


def noon_ms(date: Date) -> int:
    return int(datetime(date.year, date.month, date.day, 12, 7, 31, tzinfo=UTC).timestamp()) * 1000


def click_of_another(number: int, date: Date, **facts: Any) -> Click:
    """A click of another visitor, with none of the canary's personal data."""
    own = {
        "ip": f"198.51.100.{number % 250 + 1}",
        "user_agent": f"Mozilla/5.0 (X11; Linux) Firefox/{number}",
        "external_id": f"other-external-{number:06d}",
        "referrer": f"https://elsewhere.example/page/{number}",
        "url": f"https://go.example/summer?n={number}",
        "visitor": f"{number:032x}",
        "browser_id": f"{number + (1 << 60):032x}",
        "subs": {"sub1": "placement"},
        "params": {},
        "unique_campaign": True,
        "device": "mobile",
    }
    return canary_click(f"stranger-{date}-{number:06d}", at_ms=noon_ms(date) + number, **(own | facts))


@dataclass
class SmallWorkspace:
    """A workspace with its writer. Tests may change `now_ms` and the monotonic clock `steady_ms`."""

    workspace: Workspace
    days: Days
    now_ms: int = NOW_MS
    steady_ms: int = 0

    @property
    def data(self) -> Path:
        return self.workspace.paths.data

    @property
    def writer(self) -> OfflineWriter:
        return OfflineWriter(self.days)

    def eraser(self) -> Eraser:
        return Eraser(self.workspace, self.writer)

    def day(self, date: Date) -> Day:
        return MAIN, date

    def record(
        self,
        click: Click,
        *events: Event,
        sent: int = 0,
        called: Date | None = None,
        rows: Sequence[DeliveryRow] = (),
    ) -> None:
        """Record a click with events. `sent`: number of finished deliveries; `called`: the day of a postback."""

        def work(writer: Any) -> None:
            seq = writer.add_click(click)
            numbers = [writer.add_event(seq, event) for event in events]
            for row in (*(delivery(seq, number) for number in range(sent)), *rows):
                writer.deliveries.add(replace(row, click_seq=seq, event_seq=numbers[-1]))

        self.days.transact(self.day(utc_date(click.clicked_at_ms)), work)
        if called is not None:
            self.days.transact(
                self.day(called),
                lambda writer: writer.inbox.add(
                    InboxRow(
                        seq=0,
                        at_ms=noon_ms(called),
                        outcome="new",
                        click=writer.keys.token("click", click.click_id),
                        call=Call(method="GET", path="/postback", params={"cid": click.click_id}),
                    )
                ),
            )

    def canary_clicks(self, each: int = 5) -> list[str]:
        """Record clicks of the canary on each day; the first has a conversion and a delivery."""
        ids: list[str] = []
        for date in DAYS:
            for number in range(each):
                click = canary_click(f"canary-{date}-{number:04d}", at_ms=noon_ms(date) + number, unique_campaign=True)
                ids.append(click.click_id)
                events: Sequence[Event] = (
                    (LanderClick(at_ms=noon_ms(date) + MINUTE_MS, offer=OfferId("boots")), sale(noon_ms(date) + 90_000))
                    if number == 0
                    else ()
                )
                self.record(click, *events, sent=1 if number == 0 else 0, called=DAYS[-1] if number == 0 else None)
        return ids

    def clicks_of_others(self, each: int = 40) -> None:
        for date in DAYS:
            for number in range(each):
                self.record(
                    click_of_another(number, date), *([sale(noon_ms(date) + number)] if number % 7 == 0 else [])
                )

    def report(self, *by: str, **options: Any) -> dict[str, Any]:
        query: dict[str, Any] = {"start": "2026-11-20", "end": "2026-11-25"} | options
        with Columns(self.workspace.paths.columns) as columns:
            return run_report(self.workspace, columns, ReportQuery(by=by, **query)).to_json()

    def click_ids(self) -> set[str]:
        return {history.click.click_id for history in self.workspace.histories.newest()}

    def leaks(self) -> list[str]:
        return leaks(self.data)


def sale(at_ms: int) -> ConversionChange:
    return ConversionChange(
        conversion_id=ConversionId(f"conversion-{at_ms}"),
        at_ms=at_ms,
        status="sale",
        payout_micros=12_500_000,
        currency="USD",
        txid=f"canary-txid-{at_ms}",
    )


def delivery(click_seq: int, number: int) -> DeliveryRow:
    return DeliveryRow(
        seq=0,
        click_seq=click_seq,
        event_seq=number,
        first_seq=-1,
        destination=DestinationId("meta-main"),
        kind="convert",
        state="done",
        attempts=1,
        created_at_ms=NOW_MS,
        next_at_ms=NOW_MS,
        expires_at_ms=NOW_MS,
        done_at_ms=NOW_MS,
        record=DeliveryRecord(conversion_id=ConversionId(f"delivered-{number}")),
    )


@contextmanager
def small_workspace(folder: Path, *, now_ms: int = NOW_MS) -> Iterator[SmallWorkspace]:
    """Open the workspace in a folder, or create an empty one."""
    folder.mkdir(exist_ok=True)
    key = folder / "data.key"
    if not key.exists():
        key.write_text(new_key_text())
        key.chmod(0o600)
    settings = Settings(data=folder / "data", key=key)
    made: SmallWorkspace | None = None
    world = World(
        now_ms=lambda: now_ms if made is None else made.now_ms,
        steady_ms=lambda: 0 if made is None else made.steady_ms,
    )
    opened = Workspace(settings, world, to_write=True) if settings.data.exists() else Workspace.create(settings, world)
    with opened as workspace:
        made = SmallWorkspace(workspace, Days(workspace.paths.days, workspace.keyring), now_ms=now_ms)
        try:
            yield made
        finally:
            made.days.close()


def file_contents(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


def rows_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return database.execute(sql).fetchall()
