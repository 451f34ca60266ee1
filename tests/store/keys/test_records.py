"""A record comes back as it was from its own place, and from no other."""

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
from tnc.store.keys.records import Sealer, words_of

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
    words: bytes = b"",
) -> Sealer:
    return Sealer(PuncturableKey.from_root(root), workspace=workspace, date=date, table=table, words=words)


@given(clicks, st.integers(0, 2**28 - 1))
def test_every_click_comes_back_as_it_was(click: Click, seq: int) -> None:
    assert sealer().open_click(seq, sealer().seal(seq, click)) == click


@given(
    st.builds(LanderClick, at_ms=st.integers(0, 1 << 45), offer=st.none() | texts, number=st.none() | st.integers(1, 9))
)
def test_every_lander_click_comes_back_as_it_was(event: LanderClick) -> None:
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
def test_every_word_about_a_conversion_comes_back_as_it_was(event: ConversionChange) -> None:
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
def test_a_record_does_not_open_elsewhere(seq: int, place: dict[str, Any]) -> None:
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
def test_a_stump_of_a_record_does_not_open(length: int) -> None:
    with pytest.raises(FailedError):
        sealer().open_click(7, sealer().seal(7, canary_click())[:length])


def test_the_same_click_never_looks_the_same_twice() -> None:
    seals = {sealer().seal(7, canary_click()) for _ in range(50)}

    assert len(seals) == 50
    assert not any(needle in sealed for sealed in seals for needle in NEEDLES.values())


def test_the_row_that_was_erased_neither_opens_nor_can_be_sealed_again() -> None:
    tree = PuncturableKey.from_root(ROOT)
    own = Sealer(tree, workspace=MAIN, date=DATE, table="clicks")
    sealed = own.seal(7, canary_click())

    tree.puncture(7)

    with pytest.raises(PuncturedError):
        own.open_click(7, sealed)
    with pytest.raises(PuncturedError):
        own.seal(7, canary_click())


@given(clicks, st.lists(texts, max_size=5))
def test_a_click_comes_back_whatever_the_words_of_its_day_are(click: Click, ids: list[str]) -> None:
    words = words_of(ids)

    assert sealer(words=words).open_click(7, sealer(words=words).seal(7, click)) == click


def test_the_words_of_a_day_make_its_records_smaller() -> None:
    words = words_of(["an-offer-with-a-long-name", "summer-sale-of-the-north"])
    click = replace(canary_click(), campaign="summer-sale-of-the-north", offer="an-offer-with-a-long-name")

    assert len(sealer(words=words).seal(7, click)) < len(sealer().seal(7, click)) - 20


def test_a_great_many_words_are_cut() -> None:
    assert len(words_of(f"campaign-{number}" for number in range(100_000))) <= 4_096


def test_what_could_not_be_opened_again_is_not_sealed() -> None:
    with pytest.raises(InvalidError, match="too large"):
        sealer().seal(7, canary_click(params={"q": "x" * (1 << 20)}))


def test_the_dictionary_is_the_one_that_records_were_written_with() -> None:
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
