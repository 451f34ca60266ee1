"""The receipt of an erasure: what was there, what is there now, and what nobody here can reach. Signed.

Anybody can check the signature with an Ed25519 library: it is over the line `tnc receipt 1` and then the receipt
without its `signature`, as JSON with sorted keys and no spaces, in UTF-8.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date as Date
from typing import Any, Final

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.base import WRITE_TO_RECEIVER
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core import crypto
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.fields import rfc3339
from tnc.core.models import Configuration, DestinationId, WorkspaceId
from tnc.privacy.journal import Intent, VaultName
from tnc.privacy.vault import Vault
from tnc.store.erasures import Escrow

_SIGNED: Final = b"tnc receipt 1\n"

BACKUPS: Final = (
    "no backup has to be touched: the keys of these records are destroyed, so no copy of them can be opened, wherever "
    "it lies, and a restore drops them."
)
_COPIES: Final = (
    "A snapshot of the whole machine that holds both the data and the key file keeps what it held until it is deleted.",
    "Flash memory may keep overwritten blocks below the file system; the records in them are sealed.",
    "The browser may hold our cookie until it expires; it stands for nothing that is stored here.",
)
_ESCROW: Final = (
    "The copy of the keyring that was made at {made_at} still opens these records in old backups, because it is of an "
    "older epoch: make a new one with `tnc keys escrow FILE`, then destroy the old one."
)
_NO_ESCROW: Final = "A copy of the folder `ring` that somebody made before still opens these records: replace it."
_NEIGHBOURS: Final = (
    "Visits that were stored with a cut address belong to a network of many people; all of that network were erased."
)


def signed(receipt: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """The receipt with our public key and its signature."""
    whole = {**receipt, "public_key": crypto.public_key(key).hex()}
    return {**whole, "signature": crypto.sign(key, _text(whole)).hex()}


def read_receipt(text: str) -> dict[str, Any]:
    """Raises InvalidError for what is no receipt."""
    try:
        given = json.loads(text, object_pairs_hook=_each_name_once)
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidError(
            "that is not JSON, or a name stands in it twice: give the receipt as `tnc privacy erase` printed it."
        ) from error
    if not isinstance(given, dict) or "keys" not in given:
        raise InvalidError("that is no receipt: give it as `tnc privacy erase` printed it.")
    return given


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members with one name readers may take either: what is shown would not be what was signed."""
    whole = dict(pairs)
    if len(whole) < len(pairs):
        raise ValueError("a name stands twice")
    return whole


def wrong_with(receipt: Mapping[str, Any], public_key: bytes) -> str | None:
    """Why the signature does not hold; None when it does."""
    if receipt.get("public_key") != public_key.hex():
        return "it was signed by another installation."
    written = str(receipt.get("signature"))
    try:
        signature = bytes.fromhex(written)
    except ValueError:
        signature = b""
    if signature.hex() != written or not crypto.is_signed(public_key, _text(receipt), signature):
        return "its signature does not hold: it was changed."
    return None


def _text(receipt: Mapping[str, Any]) -> bytes:
    bare = {name: value for name, value in receipt.items() if name != "signature"}
    return _SIGNED + json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def keys_of(intent: Intent) -> list[dict[str, Any]]:
    """Which leaves of which day were punctured, and from which epoch of the day's key file to which."""
    return [
        {
            "vault": part.vault,
            "date": part.date,
            "clicks": part.clicks,
            "events": part.leaves,
            "epoch_before": part.epoch_before,
            "epoch_after": part.epoch_after,
        }
        for part in intent.days
    ]


def keyring_of(intent: Intent, workspace: WorkspaceId, *, key_epoch: int, escrow: Escrow | None) -> dict[str, Any]:
    """The keyring as it is afterwards, and what the copy of it elsewhere still opens of what was erased."""
    if escrow is None:
        return {"key_epoch": key_epoch, "escrow": None}
    opened = [part for part in intent.days if escrow.opens(part.key_file(workspace), part.epoch_after)]
    copy = {
        "made_at": rfc3339(escrow.made_at_ms),
        "sha256": escrow.digest,
        "key_epoch": escrow.epochs.get("installation"),
        "opens": [
            {"vault": part.vault, "date": part.date, "epoch": escrow.epochs.get(part.key_file(workspace))}
            for part in opened
        ],
    }
    return {"key_epoch": key_epoch, "escrow": copy}


def limits(intent: Intent, configuration: Configuration, keyring: Mapping[str, Any]) -> list[str]:
    """What an erasure here cannot reach, a sentence each with what to do. `keyring` as in the receipt."""
    escrow = keyring["escrow"]
    copy = _ESCROW.format(made_at=escrow["made_at"]) if escrow and escrow["opens"] else _NO_ESCROW
    return [copy, *_COPIES, *([_NEIGHBOURS] if intent.cut and intent.days else []), *_sent(intent, configuration)]


def _sent(intent: Intent, configuration: Configuration) -> Iterator[str]:
    for destination, count in sorted(intent.sent.items()):
        what = advice_after_erasure(destination, configuration)
        yield f"{count} reports of conversions had been sent to {destination} before: {what}"


def advice_after_erasure(destination: str, configuration: Configuration) -> str:
    """What the owner can still do about conversions that were sent to a destination."""
    found = all_destinations(configuration).get(DestinationId(destination))
    return WRITE_TO_RECEIVER if found is None else PLATFORMS[found.type].receiver.after_erasure


def what_is_wrong(receipt: Mapping[str, Any], public_key: bytes, vaults: Mapping[VaultName, Vault]) -> list[str]:
    """What does not hold of a receipt, a sentence each; nothing when all does."""
    wrong = wrong_with(receipt, public_key)
    if wrong is not None:
        return [wrong]
    return [complaint for each in receipt["keys"] for complaint in _complaints(each, vaults[each["vault"]])]


def _complaints(entry: Mapping[str, Any], vault: Vault) -> Iterator[str]:
    date = Date.fromisoformat(entry["date"])
    now, then = vault.epoch(date), entry.get("epoch_after")  # which older receipts do not name
    if now is not None and then is not None and now < then:
        yield (
            f"{date}: the key that is there now is of epoch {now}, and the erasure made epoch {then}: an older copy of "
            "the keyring was put back. Put back the newest one."
        )
    if count := _readable(entry, vault, date):
        yield f"{date}: {count} of its records can be opened or are there again."


def _readable(entry: Mapping[str, Any], vault: Vault, date: Date) -> int:
    try:
        keys = vault.keyring.open_day(vault.workspace, date)
    except NotFoundError:
        return 0
    derivable = sum(not keys.clicks.is_punctured(seq) for seq in entry["clicks"])
    derivable += sum(not keys.events.is_punctured(seq) for seq in entry["events"])
    if derivable or date not in vault.dates():
        return derivable
    with vault.reader(date) as reader:
        return reader.search.counts(entry["clicks"], [])["clicks"]
