"""A record is read back unchanged from its own place, and does not open in any other."""

import hashlib
import json
from datetime import date as Date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.store.records import DATE, NEEDLES, canary_click
from tnc.core.errors import FailedError, InvalidError
from tnc.core.models import MAIN, Click, ConversionChange, LanderClick, WorkspaceId
from tnc.store.keys import records as sealing
from tnc.store.keys.puncturable import PuncturableKey, PuncturedError
from tnc.store.keys.records import Sealer, dictionary_of

ROOT = b"r" * 32
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "records.json").read_text())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
visits: dict[str, st.SearchStrategy[Any]] = {
    "ip": st.ip_addresses().map(str),
    "user_agent": texts,
    "referrer": texts,
    "external_id": texts,
    "subs": st.dictionaries(st.sampled_from(["sub1", "sub20"]), texts),
    "params": st.dictionaries(texts, texts, max_size=5),
    "asn": st.none() | st.integers(0, 2**32 - 1),
    "vpn": st.sampled_from([None, True, False]),
    "reasons": st.lists(texts, max_size=3).map(tuple),
}
clicks = st.builds(canary_click, texts, at_ms=st.integers(0, 1 << 45), **visits)


def sealer(
    *,
    root: bytes = ROOT,
    workspace: WorkspaceId = MAIN,
    date: Date = DATE,
    table: str = "clicks",
    dictionary: bytes = b"",
) -> Sealer:
    return Sealer(PuncturableKey.from_root(root), workspace=workspace, date=date, table=table, dictionary=dictionary)


@given(clicks, st.integers(0, 2**28 - 1))
def test_clicks_round_trip(click: Click, seq: int) -> None:
    assert sealer().open_click(seq, sealer().seal(seq, click)) == click


@given(
    st.builds(LanderClick, at_ms=st.integers(0, 1 << 45), offer=st.none() | texts, number=st.none() | st.integers(1, 9))
)
def test_lander_clicks_round_trip(event: LanderClick) -> None:
    assert sealer(table="events").open_event(7, sealer(table="events").seal(7, event)) == event


@given(
    st.builds(
        ConversionChange,
        conversion_id=texts,
        at_ms=st.integers(0, 1 << 45),
        status_word=st.none() | texts,
        payout_micros=st.none() | st.integers(0, 10**15),
        txid=st.none() | texts,
    )
)
def test_conversion_changes_round_trip(event: ConversionChange) -> None:
    assert sealer(table="events").open_event(7, sealer(table="events").seal(7, event)) == event


@pytest.mark.parametrize(
    ("seq", "place"),
    [
        (8, {}),
        (7, {"date": Date(2026, 11, 25)}),
        (7, {"workspace": WorkspaceId("other")}),
        (7, {"table": "events"}),
        (7, {"root": b"x" * 32}),
    ],
    ids=["row", "day", "workspace", "table", "key"],
)
def test_a_record_does_not_open_in_another_place(seq: int, place: dict[str, Any]) -> None:
    sealed = sealer().seal(7, canary_click())

    with pytest.raises(FailedError, match="damaged or moved"):
        sealer(**place).open_click(seq, sealed)


@given(st.data())
def test_a_record_with_one_bit_changed_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(sealer().seal(7, canary_click()))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(FailedError):
        sealer().open_click(7, bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 12, 27])
def test_a_truncated_record_does_not_open(length: int) -> None:
    with pytest.raises(FailedError):
        sealer().open_click(7, sealer().seal(7, canary_click())[:length])


def test_the_same_click_is_sealed_differently_each_time() -> None:
    seals = {sealer().seal(7, canary_click()) for _ in range(50)}

    assert len(seals) == 50
    assert not any(needle in sealed for sealed in seals for needle in NEEDLES.values())


def test_an_erased_row_can_neither_be_opened_nor_sealed() -> None:
    tree = PuncturableKey.from_root(ROOT)
    own = Sealer(tree, workspace=MAIN, date=DATE, table="clicks")
    sealed = own.seal(7, canary_click())

    tree.puncture(7)

    with pytest.raises(PuncturedError):
        own.open_click(7, sealed)
    with pytest.raises(PuncturedError):
        own.seal(7, canary_click())


@given(clicks, st.lists(texts, max_size=5))
def test_clicks_round_trip_with_any_dictionary(click: Click, ids: list[str]) -> None:
    dictionary = dictionary_of(ids)

    assert sealer(dictionary=dictionary).open_click(7, sealer(dictionary=dictionary).seal(7, click)) == click


def test_the_dictionary_of_a_day_makes_its_records_smaller() -> None:
    dictionary = dictionary_of(["an-offer-with-a-long-name", "summer-sale-of-the-north"])
    click = replace(canary_click(), campaign="summer-sale-of-the-north", offer="an-offer-with-a-long-name")

    assert len(sealer(dictionary=dictionary).seal(7, click)) < len(sealer().seal(7, click)) - 20


def test_a_dictionary_is_cut_to_4_kb() -> None:
    assert len(dictionary_of(f"campaign-{number}" for number in range(100_000))) <= 4_096


def test_a_record_that_is_too_large_to_open_is_not_sealed() -> None:
    with pytest.raises(InvalidError, match="too large"):
        sealer().seal(7, canary_click(params={"q": "x" * (1 << 20)}))


def test_the_shared_dictionary_is_unchanged() -> None:
    there = hashlib.sha256((Path(sealing.__file__).with_name("records.dictionary")).read_bytes()).hexdigest()

    assert there == VECTORS["construction"]["dictionary_sha256"], "another dictionary is another FORMAT"


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: f"{vector['table']} {vector['seq']}")
def test_the_published_vectors_open(vector: dict[str, Any]) -> None:
    place = VECTORS["place"]
    own = sealer(
        root=bytes.fromhex(VECTORS["root"]),
        workspace=place["workspace"],
        date=Date.fromisoformat(place["date"]),
        table=vector["table"],
    )
    sealed = bytes.fromhex(vector["sealed"])

    opened = (
        own.open_click(vector["seq"], sealed) if vector["table"] == "clicks" else own.open_event(vector["seq"], sealed)
    )

    assert json.loads(msgspec.json.encode(opened)) == vector["opens"]
