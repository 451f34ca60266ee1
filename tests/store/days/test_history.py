"""Click histories: one click, finding its day, and reading across days."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.records import DATE, NOON_MS, canary_click, day_writer, keyring
from tnc.core.clock import DAY_MS, MINUTE_MS, new_id
from tnc.core.errors import NotFoundError
from tnc.core.models import MAIN, Click, ClickId, ConversionChange, ConversionId, Event, LanderClick, NetworkId, OfferId
from tnc.store.days import history as history_module
from tnc.store.days.history import ClickHistories, click_history
from tnc.store.days.writer import DayReader, utc_date
from tnc.store.keys.keyring import Keyring
from tnc.store.keys.records import Sealer

YESTERDAY_MS = NOON_MS - DAY_MS


def histories(data: Path) -> ClickHistories:
    return ClickHistories(data / "days", keyring(data), MAIN)


def record(data: Path, click: Click, *events: Event) -> None:
    writer = day_writer(data, utc_date(click.clicked_at_ms))
    writer.begin()
    seq = writer.add_click(click)
    for event in events:
        writer.add_event(seq, event)
    writer.commit()
    writer.close()


def theirs(click_id: str, at_ms: int) -> Click:
    return replace(canary_click(click_id, at_ms=at_ms), imported=True)


def own(at_ms: int, chance: int = 0) -> ClickId:
    return ClickId(new_id(at_ms, bytes([chance]) * 8))


def sale(conversion_id: str, at_ms: int, status: str = "sale") -> ConversionChange:
    return ConversionChange(conversion_id=ConversionId(conversion_id), at_ms=at_ms, status=status)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------- one click


def test_the_history_of_a_click_without_events() -> None:
    history = click_history(canary_click(), [])

    assert history.offer == OfferId("shoes")
    assert (history.lander_clicked_at_ms, history.found_by, history.conversions) == (None, None, ())


def test_the_offer_is_that_of_the_last_lander_click() -> None:
    history = click_history(
        canary_click(),
        [
            LanderClick(at_ms=NOON_MS + 1, offer=OfferId("boots"), found_by="cookie"),
            LanderClick(at_ms=NOON_MS + 2, offer=OfferId("hats"), network=NetworkId("good"), found_by="cid"),
        ],
    )

    assert (history.offer, history.network) == ("hats", "good")
    assert (history.lander_clicked_at_ms, history.found_by) == (NOON_MS + 1, "cookie")


def test_changes_of_one_conversion_are_folded_into_one() -> None:
    history = click_history(canary_click(), [sale("v1", 10, "lead"), sale("v2", 11), sale("v1", 12)])

    assert [(each.conversion_id, each.status, len(each.history)) for each in history.conversions] == [
        ("v1", "sale", 2),
        ("v2", "sale", 1),
    ]


# --------------------------------------------------------------------------------------------- the day of a click


def test_our_own_click_ids_are_looked_up_in_their_day_only(tmp_path: Path) -> None:
    mine = own(YESTERDAY_MS)
    record(tmp_path, canary_click(mine, at_ms=YESTERDAY_MS), sale("v1", NOON_MS))
    record(tmp_path, canary_click(at_ms=NOON_MS))
    (tmp_path / "days" / "main" / f"{DATE}.db").write_bytes(b"damaged" * 1000)

    history = histories(tmp_path).get(mine)

    assert history.click.click_id == mine
    assert history.conversions[0].conversion_id == "v1"
    with pytest.raises(NotFoundError, match="no such click"):
        histories(tmp_path).get(ClickId("a foreign id"))


def test_an_imported_id_is_found_in_any_day(tmp_path: Path) -> None:
    for days in range(3):
        at_ms = NOON_MS - days * DAY_MS
        record(tmp_path, theirs(f"theirs-{days}", at_ms))

    assert [histories(tmp_path).date_of(ClickId(f"theirs-{n}")) for n in range(3)] == [
        DATE - timedelta(days=n) for n in range(3)
    ]


def test_an_imported_id_that_looks_like_ours_is_found(tmp_path: Path) -> None:
    looks_like_another_day = own(NOON_MS - 40 * DAY_MS)
    record(tmp_path, theirs(looks_like_another_day, NOON_MS))

    assert histories(tmp_path).date_of(looks_like_another_day) == DATE


def test_invented_ids_do_not_open_the_same_days_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in range(5):
        record(tmp_path, canary_click(own(NOON_MS - days * DAY_MS), at_ms=NOON_MS - days * DAY_MS))
    asked, opened = histories(tmp_path), list[Date]()
    assert asked.date_of(ClickId("made up 0")) is None
    day = asked.day

    def counted(date: Date) -> AbstractContextManager[DayReader]:
        opened.append(date)
        return day(date)

    monkeypatch.setattr(asked, "day", counted)

    assert [asked.date_of(ClickId(f"made up {number}")) for number in range(10)] == [None] * 10
    assert opened == []

    record(tmp_path, theirs("theirs", YESTERDAY_MS))
    assert asked.date_of(ClickId("theirs")) == utc_date(YESTERDAY_MS)
    assert set(opened) == {utc_date(YESTERDAY_MS)}


@pytest.mark.parametrize("click_id", ["nobody", "", "é" * 26, own(YESTERDAY_MS, 9), own(0), "v" * 26], ids=str)
def test_an_unknown_click_is_not_found(tmp_path: Path, click_id: str) -> None:
    record(tmp_path, canary_click(own(YESTERDAY_MS), at_ms=YESTERDAY_MS))

    with pytest.raises(NotFoundError, match="no such click"):
        histories(tmp_path).get(ClickId(click_id))
    assert histories(tmp_path).date_of(ClickId(click_id)) is None


def test_a_day_that_is_removed_meanwhile_is_no_error(tmp_path: Path) -> None:
    mine = own(YESTERDAY_MS)
    record(tmp_path, canary_click(mine, at_ms=YESTERDAY_MS))
    ring: Keyring = keyring(tmp_path)
    asked = ClickHistories(tmp_path / "days", ring, MAIN)
    ring.destroy_day(MAIN, utc_date(YESTERDAY_MS))

    assert asked.date_of(mine) is None


def test_an_empty_data_directory_is_no_error(tmp_path: Path) -> None:
    empty = histories(tmp_path)

    assert empty.dates() == []
    assert list(empty.newest()) == []
    assert list(empty.converted_since(0)) == []
    assert empty.latest_of_visitors(("ann",), since_ms=0, now_ms=NOON_MS) is None
    with pytest.raises(NotFoundError):
        empty.get(own(NOON_MS))


# ------------------------------------------------------------------------------------------------- many clicks


def test_all_clicks_come_newest_first_across_days(tmp_path: Path) -> None:
    for number in (3, 2, 1, 0):
        at_ms = NOON_MS - number * DAY_MS // 2
        record(tmp_path, canary_click(f"click-{number}", at_ms=at_ms), sale("v1", at_ms))

    newest = list(histories(tmp_path).newest())
    earlier = list(histories(tmp_path).newest(before_ms=NOON_MS - DAY_MS // 2))

    assert [each.click.click_id for each in newest] == ["click-0", "click-1", "click-2", "click-3"]
    assert all(len(each.conversions) == 1 for each in newest)
    assert [each.click.click_id for each in earlier] == ["click-2", "click-3"]
    assert [click.click_id for click in histories(tmp_path).newest_clicks(since_ms=0)] == [
        t.click.click_id for t in newest
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the clicks that were decrypted."""
    numbers: list[int] = []
    unseal = Sealer.open_click

    def noted(sealer: Sealer, seq: int, sealed: bytes) -> Click:
        numbers.append(seq)
        return unseal(sealer, seq, sealed)

    monkeypatch.setattr(Sealer, "open_click", noted)
    monkeypatch.setattr(history_module, "_TOO_OLD_IN_A_ROW", 20)
    return numbers


def test_clicks_before_the_given_time_are_not_opened(tmp_path: Path, opened: list[int]) -> None:
    for second in range(100):
        record(tmp_path, canary_click(f"click-{second}", at_ms=NOON_MS + second))

    found = list(histories(tmp_path).newest_clicks(since_ms=NOON_MS + 95))

    assert [click.click_id for click in found] == [f"click-{second}" for second in (99, 98, 97, 96, 95)]
    assert len(opened) < 30


def test_replaced_old_clicks_do_not_hide_newer_ones(tmp_path: Path, opened: list[int]) -> None:
    for second in (1, 2, 3):
        record(tmp_path, canary_click(f"click-{second}", at_ms=NOON_MS + second))
    for number in range(20):
        record(tmp_path, canary_click(f"put back {number}", at_ms=NOON_MS - 1))
    for number in range(50):
        record(tmp_path, replace(canary_click(f"erased {number}", at_ms=NOON_MS - 1), erased=True))

    found = list(histories(tmp_path).newest_clicks(since_ms=NOON_MS))

    assert [click.click_id for click in found] == ["click-3", "click-2", "click-1"]
    assert len(opened) == 73


def test_all_clicks_of_a_day_with_imported_ones_are_read(tmp_path: Path, opened: list[int]) -> None:
    record(tmp_path, theirs("new", NOON_MS))
    for number in range(50):
        record(tmp_path, theirs(f"old {number}", NOON_MS - 1))

    assert [click.click_id for click in histories(tmp_path).newest_clicks(since_ms=NOON_MS)] == ["new"]
    assert len(opened) == 51


def test_between_gives_clicks_by_the_order_of_recording_and_not_by_their_time(tmp_path: Path) -> None:
    asked = histories(tmp_path)
    nothing = asked.last_clicks()
    record(tmp_path, canary_click("first"))
    first = asked.last_clicks()
    record(tmp_path, canary_click("same moment"))
    record(tmp_path, canary_click("earlier", at_ms=NOON_MS - 1))
    record(tmp_path, canary_click("tomorrow", at_ms=NOON_MS + DAY_MS))
    then = asked.last_clicks()
    record(tmp_path, canary_click("later"))

    assert [each.click.click_id for each in asked.between(nothing, first)] == ["first"]
    assert [each.click.click_id for each in asked.between(first, then)] == ["same moment", "earlier", "tomorrow"]
    assert list(asked.between(then, then)) == []
    assert [each.click.click_id for each in asked.newest(last_clicks=first)] == ["first"]
    assert [each.click.click_id for each in asked.newest(last_clicks=nothing)] == []
    assert {**first, **asked.last_clicks(days=1)} == {DATE: 0, utc_date(NOON_MS + DAY_MS): 0}


def test_the_newest_click_of_several_pseudonyms_is_found_across_midnight(tmp_path: Path) -> None:
    midnight = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * 1000
    record(tmp_path, canary_click("evening", at_ms=midnight - MINUTE_MS, visitor="yesterday's"))
    record(tmp_path, canary_click("night", at_ms=midnight + MINUTE_MS, visitor="today's"))
    asked = histories(tmp_path)

    def found(*visitors: str, since_ms: int = midnight - DAY_MS) -> str | None:
        click = asked.latest_of_visitors(visitors, since_ms=since_ms, now_ms=midnight + 120_000)
        return None if click is None else click.click_id

    assert found("today's", "yesterday's") == "night"
    assert found("yesterday's") == "evening"
    assert found("yesterday's", since_ms=midnight - 59_999) is None
    assert found("nobody's") is None


def test_converted_since_gives_each_click_once(tmp_path: Path) -> None:
    record(tmp_path, canary_click("one", at_ms=YESTERDAY_MS), sale("v1", NOON_MS), sale("v1", NOON_MS + 5))
    record(tmp_path, canary_click("two", at_ms=NOON_MS), sale("v2", NOON_MS + 1))
    record(tmp_path, canary_click("three", at_ms=NOON_MS), LanderClick(at_ms=NOON_MS + 9))
    record(tmp_path, canary_click("four", at_ms=YESTERDAY_MS), sale("v4", NOON_MS - 1))

    found = [each.click.click_id for each in histories(tmp_path).converted_since(NOON_MS)]

    assert sorted(found) == ["one", "two"]
