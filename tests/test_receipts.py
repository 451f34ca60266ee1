"""Receipts: anybody can check them, and nobody can change them."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tnc import crypto, receipts
from tnc.model import Configuration
from tnc.store.journal import Intent

VECTOR = json.loads((Path(__file__).parent / "vectors" / "receipt.json").read_text(encoding="utf-8"))
RECEIPT: dict[str, Any] = VECTOR["receipt"]
SEED = bytes.fromhex(VECTOR["seed"])
OURS = crypto.public_key(SEED)

values = st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=5), max_size=3)


def test_the_published_receipt_is_signed_like_that() -> None:
    bare = {name: value for name, value in RECEIPT.items() if name not in ("signature", "public_key")}

    assert receipts.signed(bare, SEED) == RECEIPT
    assert receipts.wrong_with(RECEIPT, OURS) is None


def test_it_can_be_checked_without_tnc() -> None:
    bare = {name: value for name, value in RECEIPT.items() if name != "signature"}
    text = "tnc receipt 1\n" + json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == VECTOR["signed_text"]

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(RECEIPT["public_key"]))

    key.verify(bytes.fromhex(RECEIPT["signature"]), text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(RECEIPT["signature"]), text.encode() + b" ")


@given(st.sampled_from(sorted(RECEIPT)), values)
def test_no_word_of_it_can_be_changed(name: str, value: Any) -> None:
    changed = RECEIPT | {name: value}

    assert receipts.wrong_with(changed, OURS) is not None or changed == RECEIPT


def test_a_receipt_of_somebody_else_is_not_ours() -> None:
    assert "another installation" in str(receipts.wrong_with(RECEIPT, crypto.public_key(bytes(32))))


def test_who_was_told_is_named_with_what_can_be_asked() -> None:
    intent = Intent(
        kind="erase",
        receipt_id="r",
        subject="ip:00",
        cut=True,
        requested_at_ms=0,
        tombstones=[],
        values=[],
        before={},
        sent={"gone-destination": 2},
        days=[],
    )

    limits = receipts.limits(intent, Configuration(), escrow_ms=None)

    assert limits[-1] == (
        "2 reports of conversions had been sent to gone-destination before: write to the receiver and ask for deletion."
    )
    assert not any("network of many people" in limit for limit in limits), "nothing was found"
