"""A receipt against the keys and stores as they are now: does it still hold?"""

from collections.abc import Iterator, Mapping
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from typing import Any

from tnc import receipts
from tnc.errors import NotFoundError
from tnc.store.journal import VaultName
from tnc.store.vault import Vault


def what_is_wrong(receipt: Mapping[str, Any], public_key: bytes, vaults: Mapping[VaultName, Vault]) -> list[str]:
    """What does not hold of a receipt, a sentence each; nothing when all does."""
    wrong = receipts.wrong_with(receipt, public_key)
    if wrong is not None:
        return [wrong]
    return [complaint for each in receipt["keys"] for complaint in _complaints(each, vaults[each["vault"]])]


def _complaints(told: Mapping[str, Any], vault: Vault) -> Iterator[str]:
    date = Date.fromisoformat(told["date"])
    now, then = vault.epoch(date), told.get("epoch_after")  # which older receipts do not name
    if now is not None and then is not None and now < then:
        yield (
            f"{date}: the key that is there now is of epoch {now}, and the erasure made epoch {then}: an older copy of "
            "the keyring was put back. Put back the newest one."
        )
    if count := _readable(told, vault, date):
        yield f"{date}: {count} of its records can be opened or are there again."


def _readable(told: Mapping[str, Any], vault: Vault, date: Date) -> int:
    try:
        keys = vault.keyring.open_day(vault.workspace, date)
    except NotFoundError:
        return 0
    derivable = sum(not keys.clicks.is_punctured(seq) for seq in told["clicks"])
    derivable += sum(not keys.events.is_punctured(seq) for seq in told["events"])
    if derivable or date not in vault.dates():
        return derivable
    with vault.reader(date) as reader:
        return reader.search.counts(told["clicks"], [])["clicks"]
