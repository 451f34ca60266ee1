"""Receipts of erasures can be verified by anyone, and any change is noticed."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tnc.core import crypto
from tnc.core.errors import InvalidError
from tnc.core.models import Configuration
from tnc.privacy import receipts
from tnc.privacy.journal import Intent

FOLDER = Path(__file__).parents[1] / "vectors"
EARLIER, VECTOR = (
    json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in ("receipt.json", "receipt-epochs.json")
)
RECEIPT: dict[str, Any] = VECTOR["receipt"]
SEED = bytes.fromhex(VECTOR["seed"])
OURS = crypto.public_key(SEED)

values = st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=5), max_size=3)


@pytest.mark.parametrize("vector", [EARLIER, VECTOR], ids=["without epochs", "with epochs"])
def test_the_published_receipt_has_this_signature(vector: dict[str, Any]) -> None:
    receipt = vector["receipt"]
    bare = {name: value for name, value in receipt.items() if name not in ("signature", "public_key")}

    assert receipts.signed(bare, bytes.fromhex(vector["seed"])) == receipt
    assert receipts.wrong_with(receipt, OURS) is None


@pytest.mark.parametrize("vector", [EARLIER, VECTOR], ids=["without epochs", "with epochs"])
def test_a_receipt_can_be_verified_without_tnc(vector: dict[str, Any]) -> None:
    receipt = vector["receipt"]
    bare = {name: value for name, value in receipt.items() if name != "signature"}
    text = "tnc receipt 1\n" + json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == vector["signed_text"]

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt["public_key"]))

    key.verify(bytes.fromhex(receipt["signature"]), text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(receipt["signature"]), text.encode() + b" ")


@pytest.mark.parametrize("epoch", ["epoch_before", "epoch_after"])
def test_a_changed_epoch_is_noticed(epoch: str) -> None:
    (part,) = RECEIPT["keys"]
    without = {name: value for name, value in part.items() if name != epoch}

    for changed in (part | {epoch: part[epoch] + 1}, part | {epoch: None}, without):
        assert "it was changed" in str(receipts.wrong_with(RECEIPT | {"keys": [changed]}, OURS))


@given(st.sampled_from(sorted(RECEIPT)), values)
def test_a_changed_value_is_noticed(name: str, value: Any) -> None:
    changed = RECEIPT | {name: value}

    assert receipts.wrong_with(changed, OURS) is not None or changed == RECEIPT


def holds(text: str) -> bool:
    try:
        return receipts.wrong_with(receipts.read_receipt(text), OURS) is None
    except InvalidError:
        return False


def test_a_changed_bit_is_noticed() -> None:
    text = json.dumps(RECEIPT, separators=(",", ":"), ensure_ascii=False).encode()
    assert holds(text.decode())

    changed = (text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :] for at in range(len(text)) for bit in range(8))

    assert [each for each in changed if holds(each.decode(errors="replace"))] == []


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECEIPT).replace("{", '{"subject": "ip:00", ', 1),
        json.dumps(RECEIPT).replace('"subject": "', '"subject": "\\ud800', 1),
        "[" * 200_000,
        '{"keys":' + "[" * 200_000,
        '{"keys": [NaN]}',
    ],
    ids=["a name twice", "half a character", "deep", "deep in keys", "no number"],
)
def test_ambiguous_json_is_refused(text: str) -> None:
    assert not holds(text)


def test_a_receipt_of_another_installation_is_refused() -> None:
    assert "another installation" in str(receipts.wrong_with(RECEIPT, crypto.public_key(bytes(32))))


def test_receivers_are_listed_with_what_can_be_done() -> None:
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

    limits = receipts.limits(intent, Configuration(), {"key_epoch": 1, "escrow": None})

    assert limits[-1] == (
        "2 reports of conversions had been sent to gone-destination before: write to the receiver and ask for deletion."
    )
    assert not any("network of many people" in limit for limit in limits), "nothing was found"
